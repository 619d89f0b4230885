"""Operations on masks, compared with SciPy's ndimage."""

import numpy as np
import pytest
from scipy import ndimage

from pipeline.garments.likeness import BLUR_LEVELS, LEVELS, _mass, histogram
from pipeline.garments.masks import box, connected, extremes, filled, opened
from pipeline.types import Mask

CORNERS = np.ones((3, 3), bool)


def _noise() -> dict[str, Mask]:
    """Random masks of all densities and odd sizes, single pixels, rows and columns among them."""
    random = np.random.default_rng(7)
    masks = {}
    for k in range(60):
        size = tuple(random.integers(1, 80, 2)) if k % 6 else (1, 1 + k)
        noise = random.random(size)
        smooth = ndimage.uniform_filter(noise, 5)
        masks[f"noise {k}"] = noise < k / 60
        masks[f"blobs {k}"] = smooth > np.quantile(smooth, k / 60)
    return masks


def _shapes() -> dict[str, Mask]:
    """Shapes whose parts meet late: a comb, a spiral, a checkerboard; and masks that are all or nothing."""
    rows, columns = np.mgrid[:60, :70]
    turn = np.arctan2(rows - 30, columns - 35) / (2 * np.pi)
    comb = columns % 2 == 0
    comb[-1] = True
    return {
        "comb": comb,
        "upright comb": comb[::-1],
        "lying comb": comb.T,
        "spiral": (np.hypot(rows - 30, columns - 35) / 6 + turn) % 1 < 0.5,
        "checkerboard": (rows + columns) % 2 == 0,
        "frame": np.pad(np.zeros((8, 9), bool), 2, constant_values=True),
        "nothing": np.zeros((5, 7), bool),
        "everything": np.ones((5, 7), bool),
        "edge to edge": np.eye(9, dtype=bool) | (np.arange(9) == 8),
    }


MASKS = _noise() | _shapes()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("corners", [False, True])
def test_components_are_scipys_when_a_mask_has_any(mask: Mask, corners: bool) -> None:
    """Ids, their order, sizes and boxes are those of `label` and `find_objects`, by edges and by corners."""
    expected, count = ndimage.label(mask, structure=CORNERS if corners else None)
    found = connected(mask, corners=corners)
    assert np.array_equal(found.ids, expected)
    assert found.sizes_px.tolist() == np.bincount(expected.ravel(), minlength=1).tolist()
    places = [(r.start, c.start, r.stop, c.stop) for r, c in ndimage.find_objects(expected)]
    assert len(places) == count
    assert [tuple(one) for one in found.boxes_px[1:].tolist()] == places


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_masks_are_scipys_when_opened_or_filled(mask: Mask) -> None:
    """Opening by a plus and filling of holes give the pixels that SciPy gives, at the map's edge too."""
    before = mask.copy()
    assert np.array_equal(opened(mask), ndimage.binary_opening(mask))
    assert np.array_equal(filled(mask), ndimage.binary_fill_holes(mask))
    assert np.array_equal(mask, before)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_box_is_scipys_when_a_mask_has_pixels(mask: Mask) -> None:
    """The box is that of `find_objects`; an empty mask has none."""
    assert box(mask) == next(iter(ndimage.find_objects(mask.astype(np.uint8))), None)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reach_px", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("size_px", [(40, 31), (1, 9), (3, 2)])
def test_extremes_are_scipys_when_a_reach_is_given(size_px: tuple[int, int], reach_px: int, axis: int) -> None:
    """Windows may reach beyond an edge, and beyond both."""
    levels = np.random.default_rng(reach_px).integers(0, 256, size_px).astype(np.uint8)
    for most, filtered in ((np.minimum, ndimage.minimum_filter1d), (np.maximum, ndimage.maximum_filter1d)):
        expected = filtered(levels, 2 * reach_px + 1, axis=axis, mode="nearest")
        np.testing.assert_array_equal(extremes(levels, reach_px, most, axis=axis), expected)
    mask = levels > 60
    shape = (2 * reach_px + 1, 1) if axis == 0 else (1, 2 * reach_px + 1)
    eroded = ndimage.binary_erosion(mask, np.ones(shape, bool), border_value=1)
    np.testing.assert_array_equal(extremes(mask, reach_px, np.minimum, axis=axis), eroded)


def test_colours_are_blurred_as_scipy_does_when_a_histogram_is_made() -> None:
    """Histograms and masses of colours are SciPy's Gaussian and its mean of 3³ bins, with nothing outside."""
    random = np.random.default_rng(7)
    codes = random.integers(0, LEVELS**3, 500).astype(np.uint16)
    codes[:50] = 0  # a corner of the cube
    weight = random.random(500)
    counts = np.bincount(codes, minlength=LEVELS**3).reshape((LEVELS,) * 3).astype(float)
    blurred = ndimage.gaussian_filter(counts, BLUR_LEVELS, mode="constant")
    np.testing.assert_allclose(histogram(codes), blurred.ravel() / blurred.sum(), rtol=0, atol=1e-15)
    weighed = np.bincount(codes, weight, LEVELS**3).reshape((LEVELS,) * 3)
    mean = ndimage.uniform_filter(weighed, 3, mode="constant")
    np.testing.assert_allclose(_mass(codes, weight), mean.ravel(), rtol=0, atol=1e-14)
