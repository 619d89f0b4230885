"""Tests which garment leads the advice, and which garments are too small for advice of their own."""

import pytest
from msgspec import structs

from pipeline.harmony.bases import bases_of, look_of
from pipeline.harmony.harmonise import harmonise, neutral_classics
from pipeline.options import Options
from pipeline.parts import Garment, worded
from pipeline.types import Category
from tests.pipeline.from_hexes import garment

ORANGE, BLACK, WHITE, NAVY, RED = "#dc6642", "#111113", "#f5f2ea", "#1f2a44", "#c0182a"


def worn(id: str, code: str, category: Category, area: float | None) -> Garment:
    """One garment of a photo."""
    return structs.replace(garment(code, category=category, id=id), area=area)


SUIT, HELMET = worn("suit", ORANGE, "outerwear", 0.32), worn("helmet", BLACK, "accessory", 0.40)
TOP, SKIRT = worn("top", WHITE, "top", 0.05), worn("skirt", RED, "bottom", 0.15)


def targets(*garments: Garment, **options: int) -> list[tuple[str, ...]]:
    """The different targets of the suggestions, in the answer's order."""
    found = harmonise(garments, Options(**options)).suggestions  # type: ignore[arg-type]
    return list(dict.fromkeys(one.target.garment_ids for one in found))


@pytest.mark.parametrize("order", [(SUIT, HELMET), (HELMET, SUIT)], ids=["suit first", "helmet first"])
def test_suggestions_when_accessory_is_large(order: tuple[Garment, ...]) -> None:
    """A helmet gets no advice of its own beside a suit, even if it is larger. The look comes last and includes it."""
    assert targets(*order) == [("suit",), ("suit", "helmet")]


def test_suggestions_when_there_are_no_clothes() -> None:
    """Shoes and an accessory get advice when there are no clothes, the larger garment first."""
    shoes = worn("shoes", NAVY, "shoes", 0.1)
    assert targets(shoes, HELMET) == [("helmet",), ("shoes",), ("helmet", "shoes")]


def test_suggestions_when_clothes_differ_in_area() -> None:
    """The larger of two clothes leads, whatever its id."""
    assert targets(TOP, SKIRT)[0] == ("skirt",)
    assert targets(structs.replace(TOP, area=0.3), SKIRT)[0] == ("top",)


def test_suggestions_when_few_are_asked_for() -> None:
    """The first three suggestions are for the leading garment, the next ones for the next one and for the look."""
    assert targets(TOP, SKIRT, max_suggestions=3) == [("skirt",)]
    assert targets(TOP, SKIRT, max_suggestions=5) == [("skirt",), ("top",), ("skirt", "top")]


def test_suggestions_when_each_garment_has_several() -> None:
    """After the first three the suggestions for one garment stand together."""
    found = harmonise((TOP, SKIRT), Options(max_suggestions=12)).suggestions[3:]
    for ids in {one.target.garment_ids for one in found}:
        places = [k for k, one in enumerate(found) if one.target.garment_ids == ids]
        assert places == list(range(places[0], places[0] + len(places)))


def test_suggestions_when_garment_is_a_sliver() -> None:
    """A garment below a tenth of the leading one gets no advice of its own, but it is part of the look."""
    assert targets(structs.replace(TOP, area=0.014), SKIRT) == [("skirt",), ("skirt", "top")]
    assert targets(structs.replace(TOP, area=0.015), SKIRT) == [("skirt",), ("top",), ("skirt", "top")]


@pytest.mark.parametrize(("shares", "seen"), [((0.97, 0.02, 0.01), 1), ((0.8, 0.14, 0.06), 3)])
def test_colours_are_told_when_they_are_seen(shares: tuple[float, ...], seen: int) -> None:
    """A colour that takes less than a twentieth of the garment is not told among its colours."""
    (base,) = bases_of((garment("#1f2a44", "#c19a6b", "#8a1c2b", shares=shares),))
    assert base.seen == seen


def test_bases_when_no_area_is_known() -> None:
    """Garments without a measured area weigh as much as garments of their kind usually do."""
    kinds: tuple[Category, ...] = ("accessory", "top", "outerwear")
    bases = bases_of([worn(kind, NAVY, kind, None) for kind in kinds])
    assert [base.garment_ids for base in bases] == [("outerwear",), ("top",), ("outerwear", "top", "accessory")]
    assert look_of(bases) is bases[-1]


@pytest.mark.parametrize(
    ("hexes", "shares", "printed"),
    [
        pytest.param((NAVY, WHITE), (0.7, 0.3), True, id="navy and white stripes"),
        pytest.param((BLACK, WHITE), (0.5, 0.5), True, id="black and white checks"),
        pytest.param((RED, NAVY), (0.6, 0.4), True, id="two hues"),
        pytest.param(("#5e77a9", "#333f57"), (0.66, 0.34), False, id="a denim shirt and its folds"),
        pytest.param(("#9c0d2b", "#383943", "#d8d6d2"), (0.89, 0.06, 0.05), False, id="red shorts and their trim"),
        pytest.param(("#ddd4cd", "#1c222e"), (0.89, 0.11), False, id="a cream dress and its sash"),
        pytest.param(("#b95f7d", "#bd6255"), (0.5, 0.5), False, id="two reds whose hues differ by 29.3 degrees"),
        pytest.param(("#b95f7d", "#bd6253"), (0.5, 0.5), True, id="two reds whose hues differ by 30.5 degrees"),
        pytest.param(("#403f42", "#6a696c"), (0.5, 0.5), False, id="two greys"),
        pytest.param((NAVY,), (1.0,), False, id="one colour"),
    ],
)
def test_print_when_told(hexes: tuple[str, ...], shares: tuple[float, ...], printed: bool) -> None:
    """Folds, trim and similar greys are no print, so nobody is advised to keep the rest plain."""
    answer = harmonise((garment(*hexes, shares=shares),), Options())
    assert ("KEEP_PRINT_SOLID" in {code.code for code in answer.common}) == printed
    assert not any("KEEP_PRINT_SOLID" in {advice.code for advice in one.how_to_wear} for one in answer.suggestions)


def test_common_is_worded_by_the_leading_garment_when_the_look_has_another_main_colour() -> None:
    """The words of what holds for all follow the leading garment, so that a second garment does not change them."""
    skirt = structs.replace(garment(RED, WHITE, category="bottom", id="skirt"), area=0.15)
    top = structs.replace(garment(NAVY, WHITE, category="top", id="top", shares=(0.9, 0.1)), area=0.14)
    bases = bases_of((skirt, top))
    assert (bases[0].hexes[0], bases[-1].hexes[0]) == (RED, NAVY)
    common = harmonise((skirt, top), Options(max_suggestions=3)).common
    assert common
    assert common == worded(common, RED) != worded(common, NAVY)


def test_classics_when_accessory_comes_first() -> None:
    """The classic neutrals are for the leading garment too."""
    answer = neutral_classics((HELMET, SUIT), Options())
    assert {one.target.garment_ids for one in answer.suggestions} == {("suit",)}
