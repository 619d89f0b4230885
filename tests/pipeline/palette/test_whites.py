"""Tests what the exposure beside a garment is read from, and where cloth begins to count as white."""

import numpy as np
import pytest

from pipeline.color.spaces import oklab_to_srgb, srgb_to_oklab
from pipeline.palette.histogram import Samples
from pipeline.palette.palette import extract_palettes
from pipeline.palette.whites import Exposure, Scene, _without_sky
from pipeline.types import CLASSES


def test_luminance_is_that_of_srgb_when_the_surroundings_have_a_colour() -> None:
    """Pure red, green and blue beside a garment are as bright as sRGB (IEC 61966-2-1) says."""
    labels = np.zeros((64, 64), np.uint8)
    labels[:32] = CLASSES.index("top")
    found = []
    for channel in range(3):
        pixels = np.zeros((64, 64, 3), np.uint8)
        pixels[..., channel] = 255
        found.append(Scene(pixels, labels).exposure_beside(labels > 0).brightest)
    assert found == pytest.approx([0.2126, 0.7152, 0.0722], abs=1e-4)


@pytest.mark.parametrize(
    ("level", "brightest", "white"),
    [(170, 0.2, False), (180, 0.3, True), (180, 0.5, False), (200, 0.75, True), (200, 0.9, False), (210, 1.0, True)],
)
def test_grey_is_white_when_nothing_beside_it_is_brighter(level: int, brightest: float, white: bool) -> None:
    """Cloth of one grey is white beside dim surroundings, and grey beside bright ones or when it is darker itself.

    This holds the fit to what it said when it was made.
    """
    rgb = np.full((400, 3), level, np.uint8)
    samples = Samples(rgb, np.ones(len(rgb)))
    ((color, *_),) = extract_palettes([samples], max_colors=5, exposures=[Exposure(None, brightest)])
    assert (color.rgb[0] > level + 20) == white


@pytest.mark.parametrize(("hue_deg", "kept"), [(224.5, 1.0), (225.5, 0.4), (270.0, 0.4), (314.5, 0.4), (315.5, 1.0)])
def test_white_keeps_less_tint_when_the_sky_gave_it(hue_deg: float, kept: float) -> None:
    """A bluish white keeps two fifths of its chroma and all of its lightness; another tint stays."""
    hue = np.radians(hue_deg)
    tinted = np.array([0.9, 0.02 * np.cos(hue), 0.02 * np.sin(hue)])
    found = srgb_to_oklab(_without_sky(oklab_to_srgb(tinted)))
    assert found == pytest.approx(tinted * [1, kept, kept], abs=1e-6)
