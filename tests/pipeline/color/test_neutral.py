"""Neutral colours are judged alike one by one and together."""

import numpy as np

from pipeline.color.neutral import is_neutral
from pipeline.color.spaces import oklab_to_oklch, srgb_to_oklab


def test_is_neutral_when_vectorised() -> None:
    """An array of colours is judged like each colour by itself."""
    rgb = np.random.default_rng(4).random((50, 3))
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    assert is_neutral(oklch).tolist() == [bool(is_neutral(one)) for one in oklch]
