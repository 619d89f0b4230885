"""Tests combinations: their ranks, the hues that cost nothing, the angles of a grey base, and who wears what."""

import numpy as np
import pytest

from pipeline.harmony import base_scores
from pipeline.harmony.base_scores import score_bases, score_rows
from pipeline.harmony.bases import bases_of
from pipeline.harmony.catalogue import catalogue
from pipeline.harmony.combinations import offers
from pipeline.harmony.harmonise import harmonise
from pipeline.harmony.schemes import FREE, GREY_PLANS, PLANS
from pipeline.options import Options
from pipeline.types import SCHEMES
from tests.pipeline.from_hexes import garment, item


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
