"""The figures of the quality report, against hand-counted overlaps, intervals, palettes and slices."""

import numpy as np
import pytest

from models.evaluate.scores import (
    Case,
    clothes_pixels,
    confusions,
    garments,
    interval,
    iou_of_classes,
    mean_iou,
    palette_errors,
    pooled_iou,
    purities,
    slices,
)
from pipeline.garments.regions import whole_labels
from pipeline.types import CLASSES, LabelMap, RgbImage, Segmentation


def _case(found: LabelMap, truth: LabelMap, pixels: RgbImage | None = None) -> Case:
    shown = np.zeros((*truth.shape, 3), np.uint8) if pixels is None else pixels
    return Case(shown, Segmentation(found, None, "test"), truth)


@pytest.fixture
def half_right() -> Case:
    """A top of 80 px, found as 40 px of top and 40 px of skirt, with a strip of skin above it that is not there."""
    truth = np.zeros((10, 20), np.uint8)
    truth[1:9, 5:15] = 3
    found = truth.copy()
    found[5:9, 5:15] = 5
    found[0, :10] = 1
    return _case(found, truth)


def test_overlaps_are_the_hand_counted_ones_when_half_is_found(half_right: Case) -> None:
    """IoU .5 for top, 0 for bottom and skin, 110/120 for the background; clothes as one are found whole."""
    ious = dict(zip(CLASSES, iou_of_classes(confusions([half_right])), strict=True))
    assert ious["top"] == 0.5
    assert ious["bottom"] == ious["skin"] == 0.0
    assert ious["background"] == pytest.approx(110 / 120)
    assert np.isnan(ious["shoes"])
    assert mean_iou(confusions([half_right])) == pytest.approx((0.5 + 110 / 120) / 4)
    assert pooled_iou(clothes_pixels([half_right])) == 1.0
    assert garments([half_right]).iou == 0.5
    assert garments([half_right]).purity == 1.0


def test_interval_holds_the_value_and_shrinks_when_photos_agree(half_right: Case) -> None:
    """Equal photos have an interval of no width; unlike ones an interval around the value, equal on every run."""
    same = interval(pooled_iou, np.array([[5.0, 10.0]] * 8))
    assert (same.low, same.value, same.high) == (0.5, 0.5, 0.5)
    unlike = interval(pooled_iou, np.array([[2.0, 10.0], [5.0, 10.0], [9.0, 10.0], [8.0, 10.0]]))
    assert unlike.low < unlike.value == 0.6 < unlike.high
    assert unlike == interval(pooled_iou, np.array([[2.0, 10.0], [5.0, 10.0], [9.0, 10.0], [8.0, 10.0]]))


def test_palette_error_is_nothing_when_the_mask_is_true_and_large_when_all_is_taken() -> None:
    """The true mask gives the true palette; the whole of a red shirt on white gives white as well."""
    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 3
    pixels = np.where((truth > 0)[..., None], [180, 20, 30], [250, 250, 250]).astype(np.uint8)
    assert palette_errors([_case(truth, truth, pixels)])[0] == 0.0
    assert palette_errors([_case(whole_labels(64, 64), truth, pixels)])[0] > 10
    nothing = np.zeros_like(truth)
    assert palette_errors([_case(nothing, truth, pixels)])[0] > 10
    assert palette_errors([_case(truth, nothing, pixels)]).size == 0


def test_purity_counts_garments_alone_when_a_product_is_judged() -> None:
    """45 of 60 garment pixels have the folder's class: .75. Background and skin do not count; nothing found is 0."""
    found = np.zeros((10, 10), np.uint8)
    found[0, :] = 1
    found[1:7] = 5
    found[1, :] = 3
    found[2, :5] = 8
    truth = np.full((10, 10), 5, np.uint8)
    assert purities([_case(found, truth), _case(np.zeros_like(found), truth)]).tolist() == [0.75, 0.0]


@pytest.mark.parametrize(
    ("cloth", "ground", "side", "expected"),
    [(30, 40, 40, "dark on dark"), (240, 250, 40, "light on light"), (120, 250, 10, "small"), (120, 250, 40, None)],
)
def test_slices_are_told_by_lightness_and_size(cloth: int, ground: int, side: int, expected: str | None) -> None:
    """Black on black, white on white and a small garment are each in the slice of that name."""
    truth = np.zeros((64, 64), np.uint8)
    truth[:side, :side] = 3
    pixels = np.where((truth > 0)[..., None], cloth, ground).astype(np.uint8).repeat(3, axis=2)
    told = [name for name, mask in slices([_case(truth, truth, pixels)]).items() if mask[0]]
    assert told == ([expected] if expected else [])
