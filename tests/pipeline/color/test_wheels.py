"""Opposite hues on each wheel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.color.wheels import ITTEN, wheel_positions
from pipeline.harmony.pair_score import points_from_hexes


def position(code: str) -> float:
    return float(wheel_positions(points_from_hexes([code]).oklch[:, 2], "ryb")[0])


def test_ryb_when_ittens_colors() -> None:
    """Itten's twelve colours lie 30 degrees apart, starting at red."""
    found = wheel_positions(points_from_hexes(ITTEN).oklch[:, 2], "ryb")
    np.testing.assert_allclose(found, np.arange(0, 360, 30), atol=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [("#ff0000", "#00a040"), ("#ffee00", "#8000a0"), ("#ff8c00", "#0030ff")],
    ids=["red-green", "yellow-purple", "orange-blue"],
)
def test_ryb_when_painters_opposites(first: str, second: str) -> None:
    """Colours that painters call complementary are opposite, within 30 degrees."""
    assert abs((position(first) - position(second)) % 360 - 180) < 30


def test_oklch_when_red_and_green() -> None:
    """On the OKLCH wheel red and green are not opposite, which is why there is a painters' wheel."""
    red, green = points_from_hexes(["#ff0000", "#00a040"]).oklch[:, 2]
    assert abs(red - green) < 130


def test_oklch_is_the_hue_when_it_is_turned() -> None:
    """On the OKLCH wheel a position is the hue itself, within one turn."""
    found = wheel_positions(np.array([0.0, 30.0, 360.0, 400.0, -10.0]), "oklch")
    np.testing.assert_allclose(found, [0, 30, 0, 40, 350])


@settings(derandomize=True, max_examples=50)
@given(st.floats(0, 360, exclude_max=True), st.floats(0.5, 5))
def test_ryb_when_hue_grows(hue_deg: float, step_deg: float) -> None:
    """The painters' wheel keeps the order of hues."""
    first, second = wheel_positions(np.array([hue_deg, hue_deg + step_deg]), "ryb")
    assert 0 < (second - first) % 360 < 180
