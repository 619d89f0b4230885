"""Conversions between colour spaces against published values and independent implementations."""

import warnings

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given

from pipeline.color import spaces
from pipeline.color.hex import hex_to_rgb
from pipeline.types import Floats
from tests.pipeline.color.drawn import few, random_rgb, rgb_colors

with warnings.catch_warnings():
    # colour-science warns about optional plotting libraries.
    warnings.simplefilter("ignore")
    from colour.models import XYZ_to_Oklab


@pytest.mark.parametrize(
    ("xyz", "oklab"),
    [
        ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
        ((1, 0, 0), (0.450, 1.236, -0.019)),
        ((0, 1, 0), (0.922, -0.671, 0.263)),
        ((0, 0, 1), (0.153, -1.415, -0.449)),
    ],
)
def test_xyz_to_oklab_when_ottossons_table(xyz: tuple[float, ...], oklab: tuple[float, ...]) -> None:
    """The four pairs that Ottosson published agree to his three decimals."""
    np.testing.assert_allclose(spaces.xyz_to_oklab(np.array(xyz, float)), oklab, atol=1.1e-3)


def test_xyz_to_oklab_when_random_colours() -> None:
    """OKLab agrees with colour-science, but for the digits by which CSS Color 4 refined Ottosson's matrices."""
    xyz = spaces.srgb_to_xyz(random_rgb(60))
    np.testing.assert_allclose(spaces.xyz_to_oklab(xyz), XYZ_to_Oklab(xyz), atol=2e-4)


@pytest.mark.parametrize(
    ("code", "oklch"),
    [("#c0392b", (0.5433, 0.174, 29.70)), ("#1f2a44", (0.2883, 0.0503, 265.90)), ("#c19a6b", (0.7113, 0.0782, 71.24))],
)
def test_oklch_when_reference_colours(code: str, oklch: tuple[float, ...]) -> None:
    """The reference colours have their published OKLCH coordinates."""
    found = spaces.oklab_to_oklch(spaces.srgb_to_oklab(np.array(hex_to_rgb(code)) / 255))
    assert np.all(np.abs(found - oklch) < (6e-5, 6e-5, 6e-3))


def test_srgb_to_lab_d65_when_random_colours() -> None:
    """Lab of D65 agrees with coloraide's `lab-d65`."""
    rgb = random_rgb(40)
    expected = [Color("srgb", list(one)).convert("lab-d65").coords() for one in rgb]
    np.testing.assert_allclose(spaces.srgb_to_lab_d65(rgb), expected, atol=1e-6)


@few
@given(rgb_colors)
def test_conversions_when_there_and_back(rgb: Floats) -> None:
    """sRGB is the same after a round trip through OKLab, OKLCH and linear light."""
    oklch = spaces.oklab_to_oklch(spaces.srgb_to_oklab(rgb))
    np.testing.assert_allclose(spaces.oklab_to_srgb(spaces.oklch_to_oklab(oklch)), rgb, atol=2e-3)
    np.testing.assert_allclose(spaces.oklab_to_srgb(spaces.srgb_to_oklab(rgb)), rgb, atol=1e-7)
    np.testing.assert_allclose(spaces.linear_to_srgb(spaces.srgb_to_linear(rgb)), rgb, atol=1e-6)


def test_oklab_to_oklch_when_grey() -> None:
    """The hue of greys is 0, not noise."""
    greys = np.repeat(np.linspace(0, 1, 17)[:, None], 3, axis=1)
    assert not spaces.oklab_to_oklch(spaces.srgb_to_oklab(greys))[:, 2].any()
