"""Run-length masks agree with pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from pipeline.garments.rle import decode_rle, encode_rle
from pipeline.types import Mask

# pycocotools 2.0 does not know the copy keyword of NumPy 2, but its results are right.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40), elements=st.booleans())


def _blobs(seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:512, 0:384]
    centres = rng.uniform(0, 1, (6, 3)) * [512, 384, 90]
    return np.asarray(np.any([(y - a) ** 2 + (x - b) ** 2 < r**2 for a, b, r in centres], axis=0))


@given(MASKS)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_counts_are_cocos_when_masks_are_random(mask: Mask) -> None:
    """Every mask is encoded to the same characters as by pycocotools, and is decoded to itself."""
    rle = encode_rle(mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle.counts == theirs["counts"].decode()
    assert list(rle.size) == theirs["size"]
    np.testing.assert_array_equal(decode_rle(rle), mask)


@pytest.mark.parametrize("mask", [_blobs(1), _blobs(2), np.zeros((512, 384), bool), np.ones((512, 384), bool)])
def test_coco_reads_ours_when_masks_are_photo_sized(mask: Mask) -> None:
    """pycocotools decodes our masks at analysed size, and so do we."""
    rle = encode_rle(mask)
    theirs = coco.decode({"size": list(rle.size), "counts": rle.counts.encode()})
    np.testing.assert_array_equal(theirs.astype(bool), mask)
    np.testing.assert_array_equal(decode_rle(rle), mask)
