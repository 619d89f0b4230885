"""The gamut mapping against coloraide's."""

import numpy as np
from coloraide import Color
from hypothesis import given

from pipeline.color.gamut import fit_srgb, in_gamut
from pipeline.color.spaces import oklab_to_oklch, srgb_to_oklab
from pipeline.types import Floats
from tests.pipeline.color.drawn import few, rgb_colors


def test_fit_srgb_when_out_of_gamut() -> None:
    """Chroma reduction gives what coloraide's CSS Color 4 mapping gives, within half a just noticeable difference."""
    random = np.random.default_rng(3)
    oklch = np.stack([random.uniform(0.02, 0.98, 60), random.uniform(0.05, 0.4, 60), random.uniform(0, 360, 60)], 1)
    found = fit_srgb(oklch)
    for wanted, rgb in zip(oklch, found, strict=True):
        oracle = Color("oklch", list(wanted)).fit("srgb", method="oklch-chroma").convert("srgb").coords()
        np.testing.assert_allclose(rgb, oracle, atol=0.006)
    assert np.all(in_gamut(found))


def test_fit_srgb_when_the_gamut_is_entered_twice() -> None:
    """On this ray of chroma the search meets a displayable colour above one that is not, and goes on upwards."""
    oklch = [0.44721081, 0.44276191, 264.16424877]
    oracle = Color("oklch", oklch).fit("srgb", method="oklch-chroma").convert("srgb").coords()
    np.testing.assert_allclose(fit_srgb(np.array(oklch)), oracle, atol=0.006)


@few
@given(rgb_colors)
def test_fit_srgb_when_in_gamut(rgb: Floats) -> None:
    """A displayable colour does not change."""
    np.testing.assert_allclose(fit_srgb(oklab_to_oklch(srgb_to_oklab(rgb))), rgb, atol=2e-3)
