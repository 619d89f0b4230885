"""Casts are detected, corrected, and not claimed without evidence."""

import numpy as np
import pytest

from pipeline.palette.lighting import Light, correct, estimate_light, expected_shift, is_blurred, is_dark
from pipeline.types import LabelMap, RgbImage


def wall(rgb: tuple[int, int, int]) -> tuple[RgbImage, LabelMap]:
    """A plain wall with a little noise, all background."""
    noisy = np.array(rgb) + np.random.default_rng(2).normal(0, 1.5, (96, 96, 3))
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8), np.zeros((96, 96), np.uint8)


@pytest.mark.parametrize(
    ("rgb", "cast"),
    [
        ((200, 200, 200), "none"),
        ((225, 200, 172), "warm"),
        ((178, 200, 222), "cool"),
        ((188, 206, 186), "green"),
        ((210, 194, 212), "magenta"),
    ],
)
def test_cast_when_grey_wall_is_tinted(rgb: tuple[int, int, int], cast: str) -> None:
    """The tint of a grey wall is a cast of high confidence, and correcting it makes the wall grey again."""
    pixels, labels = wall(rgb)
    light = estimate_light(pixels, labels)
    assert light.cast == cast
    assert light.confidence > 0.7
    mean = correct(pixels, light).reshape(-1, 3).mean(axis=0)
    assert mean.max() - mean.min() < 3


@pytest.mark.parametrize("rgb", [(30, 160, 60), (20, 20, 20), (255, 255, 255)], ids=["green", "dark", "blown out"])
def test_cast_when_no_neutral_background(rgb: tuple[int, int, int]) -> None:
    """A coloured, a dark and an overexposed wall give no cast, at confidence 0."""
    light = estimate_light(*wall(rgb))
    assert (light.cast, light.confidence) == ("none", 0.0)


def test_cast_when_garment_fills_the_photo() -> None:
    """A beige garment from edge to edge is not taken for a warm cast."""
    pixels, labels = wall((225, 200, 172))
    assert estimate_light(pixels, np.full_like(labels, 3)).cast == "none"


def test_shift_when_there_is_no_cast() -> None:
    """Without a cast the expected shift is 0, and neutral gains change no pixel."""
    pixels, _ = wall((120, 80, 60))
    none = Light("none", 0.0, np.ones(3))
    assert expected_shift(pixels.reshape(-1, 3), none) == 0.0
    assert np.array_equal(correct(pixels, none), pixels)


@pytest.mark.parametrize(("level", "dark"), [(30, True), (200, False)])
def test_is_dark_when_wall_is_dim(level: int, dark: bool) -> None:
    """A photo is dark when even its brightest parts are."""
    assert is_dark(wall((level, level, level))[0]) is dark


def test_is_blurred_when_flat() -> None:
    """A flat picture has no edges, and is not called blurred."""
    assert is_blurred(wall((120, 120, 120))[0]) is False
