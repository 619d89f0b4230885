"""Neutral colours are greys, blacks, earth colours and dark muted blues, and are judged alike alone and together."""

import numpy as np
import pytest

from pipeline.color.neutral import BLACK_LIGHTNESS, is_earth, is_muted_blue, is_neutral
from pipeline.color.spaces import oklab_to_oklch, srgb_to_oklab


def test_is_neutral_when_vectorised() -> None:
    """An array of colours is judged like each colour by itself."""
    rgb = np.random.default_rng(4).random((50, 3))
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    assert is_neutral(oklch).tolist() == [bool(is_neutral(one)) for one in oklch]


@pytest.mark.parametrize(
    ("oklch", "neutral"),
    [
        ((0.6, 0.029, 150), True),
        ((0.6, 0.031, 150), False),
        ((0.24, 0.2, 150), True),
        ((0.26, 0.2, 150), False),
        ((0.6, 0.104, 34), False),
        ((0.6, 0.104, 35), True),
        ((0.6, 0.104, 115), True),
        ((0.6, 0.104, 116), False),
        ((0.6, 0.106, 60), False),
        ((0.6, 0.089, 224), False),
        ((0.6, 0.089, 225), True),
        ((0.6, 0.089, 285), True),
        ((0.6, 0.089, 286), False),
        ((0.6, 0.091, 250), False),
        ((0.74, 0.089, 250), True),
        ((0.76, 0.089, 250), False),
    ],
)
def test_is_neutral_when_near_a_threshold(oklch: tuple[float, float, float], neutral: bool) -> None:
    """Grey, black, earth and navy each end where the constants of the module say."""
    assert bool(is_neutral(np.array(oklch, dtype=float))) is neutral


def test_a_muted_blue_is_no_neutral_when_it_is_light() -> None:
    """Sky blue is a muted blue, as navy is, and no earth colour."""
    sky = np.array([0.8, 0.08, 250.0])
    assert bool(is_muted_blue(sky))
    assert not bool(is_neutral(sky))
    assert not bool(is_earth(sky))


def test_a_colour_is_no_black_when_it_is_as_light_as_the_limit() -> None:
    """The limit itself is the first lightness that does not count as black."""
    lightness = np.array([np.nextafter(BLACK_LIGHTNESS, 0), BLACK_LIGHTNESS])
    assert is_neutral(np.stack([lightness, [0.2, 0.2], [20.0, 20.0]], axis=-1)).tolist() == [True, False]
