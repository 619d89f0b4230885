"""Samples are the inner pixels of a garment, wherever it lies in the photo."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.palette.sampling import EROSION, garment_samples
from pipeline.parts import Region
from pipeline.types import Mask

HEIGHT_PX, WIDTH_PX = 220, 250


def region(mask: Mask) -> Region:
    """A garment with this mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    sizes = (columns[-1] + 1 - columns[0]) / WIDTH_PX, (rows[-1] + 1 - rows[0]) / HEIGHT_PX
    return Region("g1", "top", None, (columns[0] / WIDTH_PX, rows[0] / HEIGHT_PX, *sizes), float(mask.mean()), mask)


@pytest.mark.parametrize(
    "window",
    [np.s_[30:200, 40:230], np.s_[0:150, 60:240], np.s_[50:220, 0:170], np.s_[:, :]],
    ids=["inside", "at the top", "at two borders", "the whole photo"],
)
def test_samples_when_a_garment_lies_anywhere(window: tuple[slice, slice]) -> None:
    """The samples are exactly the pixels that an erosion of the mask leaves. The photo's border is no edge."""
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    mask[window] = True
    mask[90:110, 100:115] = False
    rows, columns = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    pixels = np.stack((rows, np.minimum(columns, 249), np.zeros_like(rows)), axis=-1).astype(np.uint8)
    garment = region(mask)
    reach_px = round(EROSION * min(garment.bbox[2] * WIDTH_PX, garment.bbox[3] * HEIGHT_PX))
    assert reach_px >= 2
    square = np.ones((2 * reach_px + 1,) * 2, bool)
    inner = ndimage.binary_erosion(mask, square, border_value=1)
    samples = garment_samples(garment, pixels, None, most_px=mask.size)
    np.testing.assert_array_equal(samples.rgb, pixels[inner])
    assert (samples.weights == 1).all()


def test_samples_when_a_garment_is_thin() -> None:
    """A garment that an erosion would nearly remove is sampled whole."""
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    mask[20:200, 30:34] = mask[20:24, 30:230] = True
    pixels = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    samples = garment_samples(region(mask), pixels, None)
    assert len(samples.rgb) == np.count_nonzero(mask)
