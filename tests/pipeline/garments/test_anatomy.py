"""Anatomy: heads in label maps, and kinds of garments that cannot be where the network sees them."""

import numpy as np
import pytest

from pipeline.garments.anatomy import (
    HEAD_ASPECT,
    LEAST_MIDDLE_OF_LOWER,
    LEAST_TOP_OF_FEET,
    Head,
    heads,
    is_headwear,
    is_impossible,
)
from pipeline.garments.kinds import Place
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.types import LabelMap

SKIN, HAIR, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES, ACCESSORY = range(1, 9)


def _portrait() -> LabelMap:
    """A head of 60 px by 48 px above a coat that the photo's lower edge cuts, (200, 200)."""
    labels = np.zeros((200, 200), np.uint8)
    y, x = np.mgrid[0:200, 0:200]
    head = ((y - 50) / 30) ** 2 + ((x - 100) / 24) ** 2 <= 1
    labels[head] = SKIN
    labels[head & (y < 35)] = HAIR
    labels[80:, 40:160] = OUTERWEAR
    return labels


def test_head_is_measured_when_hair_is_there() -> None:
    """The crown, the middle and the height of a painted head are found to some pixels."""
    (head,) = heads(_portrait())
    assert head.crown_px == 20
    assert head.middle_px == pytest.approx(100, abs=1)
    assert head.height_px == pytest.approx(60, abs=8)


def test_head_is_none_when_the_photos_edge_cuts_it_or_hair_is_missing() -> None:
    """Without a crown there is nothing to measure from."""
    assert heads(_portrait()[25:]) == []
    assert heads(np.where(_portrait() == HAIR, SKIN, _portrait()).astype(np.uint8)) == []


def test_long_hair_does_not_make_a_head_larger_when_it_falls_on_shoulders() -> None:
    """The head is as wide as it is half a width below the crown, however wide the hair is further down."""
    labels = _portrait()
    labels[30:46, 76:80] = labels[30:46, 120:124] = labels[46:120, 60:80] = labels[46:120, 120:140] = HAIR
    (head,) = heads(labels)
    assert head.height_px == pytest.approx(60, abs=8)


@pytest.mark.parametrize(
    ("place", "least"), [("lower", LEAST_MIDDLE_OF_LOWER), ("feet", LEAST_TOP_OF_FEET), ("upper", None)]
)
def test_place_is_impossible_when_it_is_too_near_a_head(place: Place, least: float | None) -> None:
    """Trousers at the chest and shoes at the hips are impossible, tops are not; without a head nothing is."""
    head = Head(crown_px=10, middle_px=50.0, height_px=20)
    near = (30, 40, 34, 60)
    assert is_impossible(place, near, [head]) is (least is not None)
    assert not is_impossible(place, near, [])
    if least is not None:
        row = 10 + round(least * 20)
        assert not is_impossible(place, (row, 40, row + 2, 60), [head])


def test_nearest_head_decides_when_there_are_two() -> None:
    """Shoes of a small person are not measured by a larger one's head."""
    large, small = Head(0, 20.0, 60), Head(100, 150.0, 10)
    assert not is_impossible("feet", (130, 140, 140, 160), [large, small])
    assert is_impossible("feet", (130, 10, 140, 30), [large, small])


def test_coat_is_one_garment_when_the_network_sees_shoes_and_trousers_in_it() -> None:
    """In a portrait, shoes at the neck and trousers at the chest become part of the coat that they touch."""
    labels = _portrait()
    labels[80:95, 70:130] = SHOES
    labels[100:140, 50:150] = BOTTOM
    (region,) = find_regions(labels, np.full(labels.shape, 230, np.uint8), Options())
    assert region.category == "outerwear"
    assert region.mask.sum() == 120 * 120


def test_shoes_are_no_garment_when_the_photo_ends_at_the_chest() -> None:
    """What glosses beside a coat that the lower edge cuts is no shoe, however far below the head it lies."""
    labels = _portrait()
    labels[190:, 165:195] = SHOES
    assert [head.portrait for head in heads(labels)] == [True]
    regions = find_regions(labels, np.full(labels.shape, 230, np.uint8), Options())
    assert [region.category for region in regions] == ["outerwear"]


def test_shoes_stay_when_legs_are_in_the_photo() -> None:
    """Trousers at the lower edge say that the photo goes on below the coat; so does a coat of five heads and more."""
    trousers = _portrait()
    trousers[160:, 40:160] = BOTTOM
    assert [head.portrait for head in heads(trousers)] == [False]
    coat = np.zeros((420, 200), np.uint8)
    coat[:200] = _portrait()
    coat[200:, 40:160] = OUTERWEAR
    assert [head.portrait for head in heads(coat)] == [False]


def test_fur_on_a_collar_is_no_head_when_somebody_wears_it() -> None:
    """A patch of hair on a chest is not measured by; a child in arms is."""
    labels = _portrait()
    labels[100:110, 90:102] = HAIR
    assert len(heads(labels)) == 1
    labels[100:125, 70:100] = HAIR
    assert len(heads(labels)) == 2


def test_hat_is_an_accessory_when_the_network_takes_it_for_a_coat() -> None:
    """Clothes that end above the eyes are worn on the head; the coat below stays one."""
    labels = _portrait()
    labels[10:34, 70:130] = OUTERWEAR
    regions = find_regions(labels, np.full(labels.shape, 230, np.uint8), Options())
    assert [region.category for region in regions] == ["outerwear", "accessory"]
    assert is_headwear("upper", (10, 70, 34, 130), heads(_portrait()))
    assert not is_headwear("upper", (10, 170, 34, 190), heads(_portrait()))
    assert not is_headwear("upper", (22, 70, 34, 130), heads(_portrait()))
    assert not is_headwear("upper", (-90, 70, 34, 130), heads(_portrait()))
    assert not is_headwear("feet", (10, 70, 34, 130), heads(_portrait()))


def test_shoes_are_not_reported_when_they_float_beside_a_head() -> None:
    """What anatomy forbids and touches nothing is no garment."""
    labels = _portrait()
    labels[30:60, 5:30] = SHOES
    regions = find_regions(labels, None, Options())
    assert [region.category for region in regions] == ["outerwear"]


def test_head_has_the_size_of_its_parts_when_hair_covers_it() -> None:
    """A square of hair is as wide as it is: every column counts."""
    labels = np.zeros((120, 120), np.uint8)
    labels[20:60, 40:60] = HAIR
    (head,) = heads(labels)
    assert (head.crown_px, head.middle_px, head.height_px) == (20, 50.0, round(HEAD_ASPECT * 20))


def test_a_small_head_stays_when_it_is_above_a_large_one() -> None:
    """Only hair below a crown is a patch on a chest: a child on somebody's shoulders has a head."""
    labels = np.zeros((200, 200), np.uint8)
    labels[10:18, 96:104], labels[40:100, 70:130] = HAIR, HAIR
    assert sorted(head.crown_px for head in heads(labels)) == [10, 40]
    labels[10:18, 96:104], labels[120:128, 96:104] = 0, HAIR
    assert [head.crown_px for head in heads(labels)] == [40]


@pytest.mark.parametrize(("left", "worn"), [(20, False), (40, True), (100, True), (125, False)])
def test_headwear_is_near_the_middle_of_a_head_when_it_is_worn(left: int, worn: bool) -> None:
    """What ends left of a head, or begins right of it, is on somebody else."""
    head = Head(crown_px=50, middle_px=100.0, height_px=20)
    assert is_headwear("upper", (45, left, 55, left + 45), [head]) is worn
