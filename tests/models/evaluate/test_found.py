"""The judgement of reported garments: kinds, cuts, skin sold as cloth, and confidence."""

import numpy as np
import pytest

from models.evaluate.drawings import COUNT, drawings
from models.evaluate.found import Told, calibration_error, judge, main_kind, reliability, reported_labels
from models.evaluate.scores import Case
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.types import CLASSES, LabelMap, Segmentation

SKIN, HAIR, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES, ACCESSORY = range(1, 9)


def _person() -> LabelMap:
    labels = np.zeros((200, 150), np.uint8)
    labels[5:35, 60:90], labels[35:100, 45:105], labels[100:180, 50:100] = SKIN, TOP, BOTTOM
    return labels


def _case(found: LabelMap, truth: LabelMap, certainty: int = 230) -> Case:
    confidence = np.full(found.shape, certainty, np.uint8)
    return Case(np.full((*truth.shape, 3), 128, np.uint8), Segmentation(found, confidence, "test"), truth)


def test_all_is_right_when_the_network_is() -> None:
    """Every true garment has its kind, none is cut, no skin is sold, and all that was told is right."""
    found = judge([_case(_person(), _person())])
    assert found.right_kind == found.seen == 1.0
    assert (found.cut, found.skin, found.shown, found.photos) == (0, 0, 1, 1)
    assert [one.right for one in found.told] == [True, True]


def test_dress_is_cut_when_half_of_it_is_told_as_trousers() -> None:
    """A dress told as top and trousers is one cut garment; its kind is the larger half's, which is wrong."""
    truth = np.where(_person() > SKIN, FULL_BODY, _person()).astype(np.uint8)
    found = judge([_case(_person(), truth)])
    assert found.cut == 1
    assert found.right_kind == found.seen == 0.0
    assert found.kinds[FULL_BODY, BOTTOM] == 1
    assert [one.right for one in found.told] == [False, False]


def test_missing_garment_is_in_the_first_column_when_nothing_was_found() -> None:
    """A garment that is not reported is counted as not found."""
    bare = np.where(_person() == TOP, 0, _person()).astype(np.uint8)
    kinds = judge([_case(bare, _person())]).kinds
    assert kinds[TOP, 0] == 1
    assert kinds[BOTTOM, BOTTOM] == 1


def test_face_is_counted_when_it_is_sold_as_a_jacket() -> None:
    """A reported garment that is mostly skin makes its photo count once."""
    truth = _person()
    truth[120:140, 10:40] = SKIN
    found = truth.copy()
    found[5:35] = np.where(truth[5:35] == SKIN, OUTERWEAR, 0)
    case = _case(found, truth)
    case.pixels[5:35] = 220
    assert judge([case]).skin == 1


def test_map_shows_final_kinds_when_the_network_slipped() -> None:
    """A slip within a garment is of the garment's kind in the reported map."""
    seen = _person()
    seen[50:60, 60:70] = OUTERWEAR
    regions = find_regions(seen, None, Options())
    assert np.array_equal(reported_labels(regions, seen.shape), np.where(_person() >= TOP, _person(), 0))


def test_error_of_confidence_is_the_bins_gap_when_told_is_uneven() -> None:
    """Four garments at .95 of which three are right, and two at .55 of which one is: (4 · .2 + 2 · .05) / 6."""
    told = [Told(TOP, 0.95, k < 3) for k in range(4)] + [Told(TOP, 0.55, k < 1) for k in range(2)]
    low, high = reliability(told)
    assert (low.count, high.count, low.right, high.right) == (2, 4, 0.5, 0.75)
    assert calibration_error(told) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert np.isnan(calibration_error([Told(TOP, None, True)]))


def test_largest_garment_decides_when_a_product_is_judged() -> None:
    """A product is right when its largest garment has its kind."""
    seen = np.zeros((60, 60), np.uint8)
    seen[5:50, 5:50] = FULL_BODY
    for label, right in ((FULL_BODY, True), (TOP, False)):
        truth = np.full((60, 60), label, np.uint8)
        assert main_kind(_case(seen, truth)) is right


def test_drawings_are_flat_and_the_same_when_drawn_twice() -> None:
    """Each drawing shows one garment of a known kind, in two colours apart from the edge."""
    first, again = list(drawings()), list(drawings())
    assert len(first) == COUNT
    assert all(one[0] == other[0] for one, other in zip(first, again, strict=True))
    kinds = {int(truth.max()) for _data, truth in first}
    assert kinds == {TOP, OUTERWEAR, BOTTOM, FULL_BODY}
    assert all(0.02 < (truth > 0).mean() < 0.6 and CLASSES[int(truth.max())] for _data, truth in first)
