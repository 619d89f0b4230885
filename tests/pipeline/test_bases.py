"""Which garment leads the advice, and which is too small to be advised on."""

from dataclasses import replace

import pytest

from pipeline.bases import bases_of, whole
from pipeline.harmony import harmonise, neutral_classics
from pipeline.types import Category, Garment, Options, Suggestion
from tests.pipeline.looks import garment

ORANGE, BLACK, WHITE, NAVY, RED = "#dc6642", "#111113", "#f5f2ea", "#1f2a44", "#c0182a"


def worn(id: str, code: str, category: Category, area: float | None) -> Garment:
    """One garment of a photo."""
    return replace(garment(code, category=category, id=id), area=area)


SUIT, HELMET = worn("suit", ORANGE, "outerwear", 0.32), worn("helmet", BLACK, "accessory", 0.40)
TOP, SKIRT, CLUTCH = (
    worn("top", WHITE, "top", 0.05),
    worn("skirt", RED, "bottom", 0.15),
    worn("clutch", RED, "accessory", 0.01),
)


def targets(*garments: Garment, **options: int) -> list[tuple[str, ...]]:
    """The garments that each suggestion is for, in the order of the answer, each once."""
    found = harmonise(garments, Options(**options)).suggestions  # type: ignore[arg-type]
    return list(dict.fromkeys(one.target.garment_ids for one in found))


def best(found: tuple[Suggestion, ...], id: str) -> float:
    return max(one.score for one in found if one.target.garment_ids == (id,))


@pytest.mark.parametrize("order", [(SUIT, HELMET), (HELMET, SUIT)], ids=["suit first", "helmet first"])
def test_suggestions_when_accessory_scores_more(order: tuple[Garment, ...]) -> None:
    """A helmet that is larger and scores better follows the suit all the same; the whole look comes last."""
    found = harmonise(order, Options()).suggestions
    assert best(found, "helmet") > best(found, "suit")
    assert targets(*order) == [("suit",), ("helmet",), ("suit", "helmet")]


def test_suggestions_when_clothes_differ_in_area() -> None:
    """Of clothes the larger leads, whatever its id."""
    assert targets(TOP, SKIRT)[0] == ("skirt",)
    assert targets(replace(TOP, area=0.3), SKIRT)[0] == ("top",)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_suggestions_when_few_are_asked_for(count: int) -> None:
    """One suggestion is for the garment that leads, the second for the next, the third for the look."""
    assert targets(HELMET, SUIT, max_suggestions=count) == [("suit",), ("helmet",), ("suit", "helmet")][:count]


def test_suggestions_when_each_garment_has_several() -> None:
    """What is said of one garment stands together, its best first."""
    found = harmonise((TOP, SKIRT), Options(max_suggestions=12)).suggestions
    for ids in {one.target.garment_ids for one in found}:
        places = [k for k, one in enumerate(found) if one.target.garment_ids == ids]
        assert places == list(range(places[0], places[0] + len(places)))
        scores = [found[k].score for k in places]
        assert scores == sorted(scores, reverse=True)


def test_suggestions_when_garment_is_a_sliver() -> None:
    """Less than a tenth of the leading garment is not advised on, but it is part of the look."""
    assert targets(TOP, SKIRT, CLUTCH) == [("skirt",), ("top",), ("skirt", "top", "clutch")]
    assert ("clutch",) in targets(TOP, SKIRT, replace(CLUTCH, area=0.015))


def test_bases_when_no_area_is_known() -> None:
    """Given kinds without areas weigh as such pieces usually do, and none of them is a sliver."""
    kinds: tuple[Category, ...] = ("accessory", "shoes", "full_body")
    bases = bases_of([worn(kind, NAVY, kind, None) for kind in kinds])
    assert [base.garment_ids for base in bases] == [
        ("full_body",), ("shoes",), ("accessory",), ("full_body", "shoes", "accessory")
    ]  # fmt: skip
    assert whole(bases) is bases[-1]


def test_classics_when_accessory_comes_first() -> None:
    """The last resort too speaks to the garment that leads."""
    answer = neutral_classics((HELMET, SUIT), Options())
    assert {one.target.garment_ids for one in answer.suggestions} == {("suit",)}
