"""Tests combinations: their ranks, the hues that cost nothing, the angles of a grey base, and who wears what."""

import numpy as np
import pytest

from pipeline.color.gamut import fit_srgb
from pipeline.color.hex import rgb_to_hex
from pipeline.harmony import base_scores
from pipeline.harmony.base_scores import score_bases, score_rows
from pipeline.harmony.bases import bases_of
from pipeline.harmony.catalogue import SCHEME_CHROMA, catalogue, shows_hue
from pipeline.harmony.combinations import HUE_TOLERANCE_DEG, offers
from pipeline.harmony.harmonise import harmonise
from pipeline.harmony.schemes import FREE, GREY_PLANS, PLANS
from pipeline.options import Options
from pipeline.types import SCHEMES, Category, Intent, Scheme
from tests.pipeline.from_hexes import garment, item

HUED_SCHEMES: tuple[Scheme, ...] = tuple(scheme for scheme in SCHEMES if scheme != "neutral")
BLACK = "#111113"
BASES: tuple[tuple[Category, float], ...] = (("top", 0.12), ("accessory", 0.2))


def test_ranks_fall_when_combinations_are_offered() -> None:
    """Each queue is sorted by its ranks, which lie between 0 and the score."""
    scored = score_bases(
        bases_of((garment("#1f2a44"), garment("#c19a6b", category="bottom", id="g2"))), "balanced", "ryb"
    )
    for queue in offers(scored, SCHEMES, depth=5):
        ranks = [one.rank for one in queue]
        assert ranks == sorted(ranks, reverse=True)
        assert all(0 < one.rank <= one.score + 1e-3 for one in queue)


@pytest.mark.parametrize(("hexes", "costs"), [(("#1f4e9e",), False), (("#1f4e9e", "#c0392b", "#2e8b57"), True)])
def test_hues_cost_when_there_are_more_than_three(
    hexes: tuple[str, ...], costs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colour beside one hue is never a hue too many; beside three hues another one is."""
    scored = score_bases(bases_of((garment(*hexes),)), "balanced", "ryb")
    rows = np.arange(len(catalogue().names))[:, None]
    given = scored, np.zeros(len(rows), int), rows, np.full(rows.shape, 0.3)
    monkeypatch.setattr(base_scores, "HUE_EXCESS_PENALTY", 0.0)
    free = score_rows(*given)
    monkeypatch.setattr(base_scores, "HUE_EXCESS_PENALTY", 0.5)
    assert bool(np.any(score_rows(*given) != free)) == costs


def test_angles_are_the_schemes_when_the_base_has_no_hue() -> None:
    """A plan for a grey base has a free colour first, and then no angle that the scheme does not have."""
    for scheme, plans in GREY_PLANS.items():
        angles = {slot for plan in PLANS[scheme] for slot in plan if 0 < slot < 360}
        for first, *others in plans:
            assert first == FREE or not angles
            assert {other for other in others if 0 < other < 360} <= angles


def test_outfits_have_top_and_trousers_when_the_kind_is_unknown() -> None:
    """Beside a garment of unknown kind two pieces are worn that cover different parts of the body."""
    wardrobe = (item("shirt", "#f2f0e6", category="top"), item("jeans", "#1f2a44", category="bottom"))
    found = harmonise((garment("#7a5c3e", category="unknown"),), Options(wardrobe=wardrobe)).outfits
    assert {"shirt", "jeans"} in [set(outfit.item_ids) for outfit in found]


@pytest.mark.parametrize("intent", ["subtle", "balanced"])
def test_first_colour_is_one_of_large_areas_when_the_base_is_grey(intent: Intent) -> None:
    """Only a bold suggestion leads with a colour that is else an accent."""
    scored = score_bases(bases_of((garment(BLACK, category="full_body"),)), intent, "oklch")
    leads = {one.colors[0] for queue in offers(scored, ["complementary", "analogous"], depth=40) for one in queue}
    assert leads
    assert catalogue().allowed["main"][list(leads)].all()


def test_hues_show_when_they_carry_a_scheme() -> None:
    """Whatever the base's hue, every combination of a scheme of hues has a colour that can carry it."""
    hued = catalogue().hued
    for hue_deg in range(0, 360, 10):
        for category, chroma in BASES:
            code = rgb_to_hex(fit_srgb(np.array([0.5, chroma, hue_deg])) * 255)
            scored = score_bases(bases_of((garment(code, category=category),)), "balanced", "oklch")
            for queue in offers(scored, HUED_SCHEMES, depth=30):
                assert all(hued[list(one.colors)].any() for one in queue)


def test_the_nearest_hues_come_first_when_colours_are_alike_in_worth() -> None:
    """This holds how far the first complement is from the opposite on average: 6.6° with the loss, 7.0° without."""
    misses = []
    for hue_deg in range(0, 360, 5):
        code = rgb_to_hex(fit_srgb(np.array([0.5, 0.12, hue_deg])) * 255)
        scored = score_bases(bases_of((garment(code),)), "balanced", "oklch")
        ((first, *_),) = offers(scored, ["complementary"], depth=1)
        hues = [catalogue().points.oklch[k, 2] for k in first.colors if catalogue().hued[k]]
        misses.append(min(abs((hue - hue_deg) % 360 - 180) for hue in hues))
    assert np.mean(misses) < 6.8
    assert max(misses) < HUE_TOLERANCE_DEG


def test_the_catalogue_is_within_its_ranges() -> None:
    """Ease is 0 to 1, and a colour that carries a scheme is neither nearly grey nor nearly black."""
    table = catalogue()
    assert set(table.ease.tolist()) <= {0.0, 0.5, 1.0}
    assert table.points.oklch[table.hued, 1].min() >= SCHEME_CHROMA > 0.03
    assert not shows_hue(np.array([0.15, 0.04, 250.0]))
    assert shows_hue(np.array([0.15, 0.07, 250.0]))


def test_an_outfit_is_one_dress_when_shoes_are_worn() -> None:
    """With shoes a dress is complete, and so are a top and trousers; neither pushes the other out."""
    wardrobe = (
        item("dress", "#7a1f3d", category="full_body"),
        item("shirt", "#f2f0e6", category="top"),
        item("jeans", "#1f2a44", category="bottom"),
    )
    found = harmonise((garment("#111113", category="shoes"),), Options(wardrobe=wardrobe)).outfits
    assert {frozenset(one.item_ids) for one in found} == {frozenset({"dress"}), frozenset({"shirt", "jeans"})}


def test_a_summary_names_the_garment_when_there_is_one() -> None:
    """A single top is called a top; only several garments are a look."""
    for one in harmonise((garment("#1f2a44"),), Options()).suggestions:
        assert dict(one.summary.words)["kind"] == "top"


@pytest.mark.parametrize("code", ["#c0182a", "#66672f"])
def test_one_scheme_gives_many_when_many_are_asked_for(code: str) -> None:
    """A single scheme is searched deeply enough for all 24 suggestions."""
    found = harmonise((garment(code),), Options(schemes=("analogous",), max_suggestions=24)).suggestions
    assert len(found) == 24
