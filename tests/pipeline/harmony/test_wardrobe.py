"""Tests wardrobe matches and outfits: what goes together, what cannot be worn together, and how fast it is."""

import random
import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pipeline.color.vocabulary import vocabulary
from pipeline.garments.kinds import area_of
from pipeline.harmony.bases import bases_of
from pipeline.harmony.catalogue import familiarity
from pipeline.harmony.harmonise import harmonise
from pipeline.harmony.outfits import sixty_thirty_ten_deviation
from pipeline.harmony.pair_score import chroma_presence, intent_score, pair_parts, pair_score, points_from_hexes
from pipeline.harmony.percentile import percentile, rating_of
from pipeline.harmony.wardrobe import fit_all, matches_from_fits, wardrobe_colors, wearable_together
from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.parts import Garment, Match
from pipeline.types import GARMENT_CLASSES, Category
from tests.pipeline.from_hexes import garment, item

NAVY, INK, CAMEL, OFF_WHITE, HOT_PINK, LIME = "#1f2a44", "#161b2a", "#c19a6b", "#f5f2ea", "#e8388a", "#a6d13c"
KINDS: tuple[Category, ...] = GARMENT_CLASSES
NAVY_TOP = garment(NAVY, category="top")


def random_wardrobe(size: int) -> tuple[WardrobeItem, ...]:
    draw, words = random.Random(7), vocabulary("fashion")
    return tuple(
        item(f"w{k}", *draw.sample(words.hexes, draw.choice([1, 1, 2, 3])), category=draw.choice(KINDS))
        for k in range(size)
    )


def matches(garments: tuple[Garment, ...], wardrobe: Sequence[WardrobeItem], **options: Any) -> tuple[Match, ...]:
    """The matches of the whole answer."""
    return harmonise(garments, Options(wardrobe=tuple(wardrobe), **options)).matches


WARDROBE = random_wardrobe(500)
BY_ID = {item.id: item for item in WARDROBE}


# --- matches --------------------------------------------------------------------------------------------------
def test_match_when_items_are_good_and_bad() -> None:
    """Camel and off-white come before ink, which is a near miss. The score is a percentile of the pair's raw score."""
    wardrobe = [item("ink", INK), item("camel", CAMEL), item("white", OFF_WHITE)]
    found = matches((NAVY_TOP,), wardrobe)
    assert [one.item_id for one in found] == ["white", "camel", "ink"]
    points = points_from_hexes([CAMEL])
    pair = pair_score(pair_parts(points_from_hexes([NAVY]), points))[0]
    raw = intent_score(pair, chroma_presence(points.oklch), familiarity(points.lab), "balanced")
    assert found[1].score == percentile(float(raw[0]), "balanced")
    assert [one.rating for one in found] == [rating_of(one.score) for one in found]
    assert found[2].reasons[0].code == "NEAR_MISS"
    assert found[2].score < 0.2


def test_match_when_same_color() -> None:
    """An equal colour is the same colour, not a near miss."""
    assert matches((NAVY_TOP,), [item("twin", NAVY)])[0].reasons[0].code == "SAME_COLOR"


def test_match_when_kinds_exclude_each_other() -> None:
    """A second top and a dress are no match for a top. An item of unknown kind is."""
    wardrobe = [
        item("top", CAMEL, category="top"),
        item("dress", CAMEL, category="full_body"),
        item("skirt", CAMEL, category="bottom"),
        item("thing", CAMEL),
    ]
    assert {one.item_id for one in matches((NAVY_TOP,), wardrobe)} == {"skirt", "thing"}


def test_match_when_two_garments() -> None:
    """An item appears once, with the garment that it suits better."""
    garments = (NAVY_TOP, garment("#e0c040", category="bottom", id="g2"))
    found = matches(garments, [item("ink", INK), item("white", OFF_WHITE)])
    assert len(found) == 2
    assert {one.item_id: one.target.garment_ids for one in found}["ink"] == ("g2",)


def test_match_when_many_alike() -> None:
    """Forty similar white shirts do not displace other items."""
    whites = [item(f"white{k}", f"#f{k % 8}f{k % 7}f{k % 6}") for k in range(40)]
    others = [item("camel", CAMEL), item("stone", "#bcb3a2"), item("sage", "#a0ac8d"), item("rose", "#dd8a9c")]
    found = [one.item_id for one in matches((NAVY_TOP,), whites + others)]
    assert len(found) == 24
    assert {"camel", "stone", "sage", "rose"} <= set(found)


def test_match_when_intent_changes() -> None:
    """Bold puts the pink first, subtle the camel."""
    wardrobe = [item("pink", HOT_PINK), item("camel", CAMEL)]
    first = {intent: matches((NAVY_TOP,), wardrobe, intent=intent)[0].item_id for intent in ("subtle", "bold")}
    assert first == {"subtle": "camel", "bold": "pink"}


def test_match_when_nothing_to_match() -> None:
    """There are no matches without a garment or without a wardrobe."""
    assert matches((), WARDROBE) == matches((NAVY_TOP,), ()) == ()


def test_match_when_wardrobe_has_500_items() -> None:
    """Matching 500 items with a garment of five colours takes less than 25 ms of processor time."""
    worn = garment(NAVY, OFF_WHITE, "#c0392b", "#cf9f2e", "#5a8a6a", category="full_body")

    def found() -> tuple[Match, ...]:
        wardrobe = wardrobe_colors(WARDROBE)
        return matches_from_fits(fit_all(bases_of((worn,)), wardrobe, Options()), wardrobe, Options())

    scores = [match.score for match in found()]
    assert scores == sorted(scores, reverse=True)
    costs_s = []
    for _ in range(9):
        started_s = time.process_time()
        found()
        costs_s.append(time.process_time() - started_s)
    assert min(costs_s) < 0.025


def test_wardrobe_colors_when_a_share_is_missing() -> None:
    """A colour without a share gets what the others leave of 1, as in a palette; the largest comes first."""
    colors = (ColorShare(NAVY, 0.1), ColorShare(CAMEL, 0.3), ColorShare(OFF_WHITE))
    wardrobe = wardrobe_colors([WardrobeItem("w", colors, None)])
    assert wardrobe.shares.tolist() == pytest.approx([0.6, 0.3, 0.1])
    np.testing.assert_allclose(wardrobe.points.lab, points_from_hexes([OFF_WHITE, CAMEL, NAVY]).lab)


# --- outfits --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [*KINDS, "unknown"])
def test_outfits_when_any_garment(kind: Category) -> None:
    """Outfits are sorted best first, can be worn together, have few hues, and cover body and feet."""
    answer = harmonise((garment(NAVY, category=kind),), Options(wardrobe=WARDROBE))
    assert answer.outfits
    assert [one.score for one in answer.outfits] == sorted((one.score for one in answer.outfits), reverse=True)
    for outfit in answer.outfits:
        kinds = [kind, *(BY_ID[item_id].category for item_id in outfit.item_ids)]
        assert 1 <= len(set(outfit.item_ids)) == len(outfit.item_ids) <= 4
        assert all(wearable_together(one, two) for one, two in combinations(kinds, 2))
        assert kind == "unknown" or "full_body" in kinds or {"top", "bottom"} <= set(kinds)
        assert "shoes" in kinds
        assert outfit.missing == ()
        assert all(1 <= (reason.value or 0) <= 3 for reason in outfit.reasons if reason.code == "FEW_HUES")


def test_outfits_when_hues_are_too_many() -> None:
    """No outfit has a fourth strong hue, however well its pairs score."""
    worn = (garment("#c0182a", category="top"), garment("#1d48a6", category="bottom", id="g2"))
    wardrobe = (item("lime", "#55b030", category="shoes"), item("gold", "#eba81f", category="outerwear"))
    calm = (item("white", OFF_WHITE, category="shoes"), item("gold", "#eba81f", category="outerwear"))
    assert [one.item_ids for one in harmonise(worn, Options(wardrobe=wardrobe)).outfits] == [("lime",)]
    assert [one.item_ids for one in harmonise(worn, Options(wardrobe=calm)).outfits] == [("white",)]


def test_outfits_when_kinds_are_unknown() -> None:
    """Items of unknown kind become matches, but no outfits."""
    answer = harmonise((NAVY_TOP,), Options(wardrobe=(item("a", CAMEL), item("b", OFF_WHITE))))
    assert len(answer.matches) == 2
    assert answer.outfits == ()


def test_outfits_when_repeated() -> None:
    """No item is in more than two outfits, and no two outfits are the same."""
    outfits = harmonise((NAVY_TOP,), Options(wardrobe=WARDROBE)).outfits
    worn = [item_id for one in outfits for item_id in one.item_ids]
    assert max(map(worn.count, worn)) <= 2
    assert len({frozenset(one.item_ids) for one in outfits}) == len(outfits)


def test_outfits_when_one_is_part_of_another() -> None:
    """No outfit is part of another, such as trousers with shoes beside trousers with shoes and a bag."""
    wardrobe = (
        item("trousers", CAMEL, category="bottom"),
        item("shoes", INK, category="shoes"),
        item("bag", OFF_WHITE, category="accessory"),
    )
    found = [set(one.item_ids) for one in harmonise((NAVY_TOP,), Options(wardrobe=wardrobe)).outfits]
    assert found
    assert not any(one < other for one in found for other in found)


def test_outfit_when_scored() -> None:
    """The score is the area-weighted mean over all pairs, less a tenth of the deviation from 60-30-10."""
    wardrobe = (item("trousers", CAMEL, category="bottom"), item("shoes", OFF_WHITE, category="shoes"))
    (outfit,) = harmonise((NAVY_TOP,), Options(wardrobe=wardrobe)).outfits
    points = points_from_hexes([NAVY, CAMEL, OFF_WHITE])
    areas = np.array([area_of("top"), area_of("bottom"), area_of("shoes")])
    pairs = pair_score(pair_parts(points, points))
    pairs[0] = intent_score(pairs[0], chroma_presence(points.oklch), familiarity(points.lab), "balanced")
    weight = np.triu(areas[:, None] * areas, 1)
    deviation = sixty_thirty_ten_deviation(points.lab, areas / areas.sum())
    assert deviation > 0.1
    raw = float((weight * pairs).sum() / weight.sum() - 0.1 * deviation)
    assert outfit.score == pytest.approx(percentile(raw, "balanced"), abs=0.01)


def test_outfits_when_something_is_missing() -> None:
    """An outfit that leaves legs or feet bare says which kinds are missing."""
    wardrobe = (item("coat", CAMEL, category="outerwear"), item("bag", OFF_WHITE, category="accessory"))
    for outfit in harmonise((NAVY_TOP,), Options(wardrobe=wardrobe)).outfits:
        assert outfit.missing == ("bottom", "shoes")
    trousers = (*wardrobe, item("trousers", OFF_WHITE, category="bottom"))
    found = harmonise((NAVY_TOP,), Options(wardrobe=trousers)).outfits
    assert found
    assert all("trousers" in outfit.item_ids and outfit.missing == ("shoes",) for outfit in found)


def test_outfits_when_shoes_complete_a_dress() -> None:
    """A dress and shoes are a whole outfit."""
    dress = garment(NAVY, category="full_body")
    (outfit,) = harmonise((dress,), Options(wardrobe=(item("shoes", CAMEL, category="shoes"),))).outfits
    assert (outfit.item_ids, outfit.missing) == (("shoes",), ())


def test_deviation_when_sixty_thirty_ten() -> None:
    """Exact 60-30-10 has deviation 0, shades of one colour count as one, and a single colour has deviation 0.4."""
    lab = points_from_hexes([NAVY, CAMEL, OFF_WHITE]).lab
    shades = points_from_hexes([NAVY, INK, CAMEL, OFF_WHITE]).lab
    assert sixty_thirty_ten_deviation(lab, np.array([0.6, 0.3, 0.1])) == pytest.approx(0.0)
    assert sixty_thirty_ten_deviation(shades, np.array([0.4, 0.2, 0.3, 0.1])) == pytest.approx(0.0)
    assert sixty_thirty_ten_deviation(lab[:1], np.array([1.0])) == pytest.approx(0.4)
