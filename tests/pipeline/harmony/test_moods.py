"""Tests what the first suggestions are: their moods, and that they repeat no colour that somebody listed."""

from typing import Any

import pytest

from pipeline.color.difference import delta_e_2000
from pipeline.harmony.pair_score import points_from_hexes
from tests.pipeline.from_hexes import garment
from tests.pipeline.harmony.test_harmonise import BLACK, NAVY, RED, WHITE, WORN, suggested


@pytest.mark.parametrize("code", WORN)
@pytest.mark.parametrize("intent", ["subtle", "balanced", "bold"])
def test_first_three_when_everyday_garment(code: str, intent: Any) -> None:
    """The first three are a safe, a tonal and a daring suggestion, and none of them is a near miss."""
    first = suggested(garment(code), intent=intent)[:3]
    assert {one.mood for one in first} == {"safe", "tonal", "daring"}
    assert all(one.components.separation >= 0.8 for one in first)


@pytest.mark.parametrize("code", ["#ffffff", "#eceff0", "#808080", BLACK])
def test_first_tonal_one_when_the_base_has_no_hue(code: str) -> None:
    """What is tonal for white, grey or black is another grey. Two neighbouring hues are tonal only for each other."""
    tonal = next(one for one in suggested(garment(code)) if one.mood == "tonal")
    assert tonal.scheme == "monochromatic"
    assert points_from_hexes([color.hex for color in tonal.colors]).oklch[:, 1].max() < 0.03


@pytest.mark.parametrize("intent", ["balanced", "bold"])
@pytest.mark.parametrize("code", WORN)
def test_first_daring_one_when_everyday_garment(code: str, intent: Any) -> None:
    """With a daring suggestion somebody wears a strong colour: the garment's own, or one that is added."""
    daring = next(one for one in suggested(garment(code), intent=intent) if one.mood == "daring")
    worn = points_from_hexes([code, *(color.hex for color in daring.colors)])
    assert worn.oklch[:, 1].max() >= 0.1
    assert "CALM_CHROMA" not in {reason.code for reason in daring.reasons}


@pytest.mark.parametrize(
    "hexes", [("#5f1526", "#cf9f2e", "#0f6b70"), ("#1f2a44", "#c19a6b", "#f2f0e6", "#111113"), (RED, WHITE)]
)
def test_colors_when_a_list_is_given(hexes: tuple[str, ...]) -> None:
    """No suggestion repeats a colour of the list, so no difference for colour-blind eyes is nothing."""
    listed = points_from_hexes(list(hexes)).lab
    for one in suggested(garment(*hexes, category="unknown"), max_suggestions=12):
        added = points_from_hexes([color.hex for color in one.colors]).lab
        assert delta_e_2000(listed[:, None], added[None]).min() >= 10
        assert "ECHOES_PRINT" not in {reason.code for reason in one.reasons}


def test_cvd_when_a_colour_of_a_print_returns() -> None:
    """That it looks like itself is no warning for colour-blind eyes."""
    worn = garment("#5f1526", "#0f6b70", shares=[0.6, 0.4])
    echoes = [
        one
        for one in suggested(worn, schemes=("complementary",), max_suggestions=12)
        if "#0f6b70" in {color.hex for color in one.colors}
    ]
    assert echoes
    assert all(min(one.cvd.protan_min_de00, one.cvd.deutan_min_de00, one.cvd.tritan_min_de00) > 0 for one in echoes)


def test_moods_when_schemes_leave_no_room() -> None:
    """The moods follow from the schemes that were asked for."""
    assert {one.mood for one in suggested(garment(NAVY), schemes=("neutral",))} == {"safe"}
    assert [one.mood for one in suggested(garment(NAVY), max_suggestions=1)] == ["safe"]
