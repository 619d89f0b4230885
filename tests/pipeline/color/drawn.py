"""Drawn colours for the colour tests."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.types import Floats

few = settings(max_examples=60, derandomize=True, deadline=None)
rgb_colors = arrays(np.float64, (5, 3), elements=st.floats(0, 1))


def random_rgb(count: int) -> Floats:
    """sRGB colours spread over the gamut, (count, 3), the same in every run."""
    return np.random.default_rng(7).random((count, 3))
