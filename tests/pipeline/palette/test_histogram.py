"""Tests how many pixels weighted samples count as."""

import numpy as np
import pytest

from pipeline.palette.histogram import Samples


@pytest.mark.parametrize(("weights", "size_px"), [([0.5, 0.5], 2.0), ([1.0, 0.5], 1.5), ([0.0, 0.0], 0.0), ([], 0.0)])
def test_heaviest_sample_is_one_pixel_when_sizes_are_counted(weights: list[float], size_px: float) -> None:
    """Only the ratios of the weights count, and samples without any weight are no pixels."""
    samples = Samples(np.zeros((len(weights), 3), np.uint8), np.array(weights))
    assert samples.size_px == size_px
