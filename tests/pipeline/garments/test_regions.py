"""Garments from label maps, and label maps where no network has answered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.garments.confidence import kind_confidence
from pipeline.garments.regions import fallback_labels, find_regions, labels_from_mask, resize_labels, whole_labels
from pipeline.options import Options
from pipeline.parts import Region
from pipeline.types import CLASSES, GARMENT_CLASSES, UNKNOWN, LabelMap, Mask

BACKGROUND, SKIN, HAIR, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES, ACCESSORY = range(9)
Rectangle = tuple[int, int, int, int, int]  # label, top, left, bottom, right


def _painted(*rectangles: Rectangle, size: tuple[int, int] = (200, 150)) -> LabelMap:
    labels = np.zeros(size, np.uint8)
    for label, top, left, bottom, right in rectangles:
        labels[top:bottom, left:right] = label
    return labels


def _person(*more: Rectangle) -> LabelMap:
    """A figure of head, top and trousers, (200, 150), with more rectangles painted over it."""
    head = ((HAIR, 5, 60, 15, 90), (SKIN, 15, 60, 35, 90))
    return _painted(*head, (TOP, 35, 45, 100, 105), (BOTTOM, 100, 50, 180, 100), *more)


def _categories(regions: tuple[Region, ...]) -> list[str]:
    return [region.category for region in regions]


def test_garments_are_ordered_by_area_when_a_person_is_dressed() -> None:
    """Top and trousers of similar sizes stay two garments, the larger first, with ids in that order."""
    regions = find_regions(_person(), None, Options())
    assert [(region.id, region.category) for region in regions] == [("g1", "bottom"), ("g2", "top")]
    assert [region.area for region in regions] == [round(4000 / 30000, 4), round(3900 / 30000, 4)]


def test_box_is_a_share_of_the_image_when_one_garment_is_there() -> None:
    """The box is x, y, width and height as shares of the upright image."""
    (region,) = find_regions(_painted((TOP, 50, 30, 150, 90)), None, Options())
    assert region.bbox == (0.2, 0.25, 0.4, 0.5)
    assert region.mask.sum() == 6000
    assert region.area == 0.2


def test_box_has_four_decimals_when_sides_divide_badly() -> None:
    """A box of 50 to 91 of 150 columns and 41 to 160 of 200 rows."""
    ((region),) = find_regions(_painted((TOP, 41, 50, 160, 91)), None, Options())
    assert region.bbox == (0.3333, 0.205, 0.2734, 0.595)


def test_nothing_is_found_when_only_a_face_is_there() -> None:
    """Skin and hair are not garments."""
    assert find_regions(_painted((HAIR, 5, 60, 15, 90), (SKIN, 15, 60, 35, 90)), None, Options()) == ()


@pytest.mark.parametrize("patch", [(OUTERWEAR, 50, 60, 75, 90), (FULL_BODY, 60, 45, 75, 75), (BOTTOM, 50, 60, 60, 70)])
def test_shirt_is_one_garment_when_patches_have_other_classes(patch: Rectangle) -> None:
    """A patch of another kind within a shirt is a slip of the network: the shirt is one top with the patch in it."""
    labels = _person(patch)
    regions = find_regions(labels, None, Options())
    assert _categories(regions) == ["bottom", "top"]
    top = regions[1]
    assert top.mask[patch[1] : patch[3], patch[2] : patch[4]].all()
    share = (labels[top.mask] == patch[0]).mean()
    assert [(other.category, other.share) for other in top.alternatives] == [(CLASSES[patch[0]], round(share, 3))]


def test_top_stays_a_garment_when_trousers_are_much_larger() -> None:
    """A crop top of a fifth of the trousers' size is not a slip."""
    labels = _painted((SKIN, 5, 60, 60, 90), (TOP, 60, 50, 75, 100), (BOTTOM, 75, 50, 155, 100))
    assert _categories(find_regions(labels, None, Options())) == ["bottom", "top"]


def test_kind_follows_certainty_when_a_patch_is_doubted_or_sure() -> None:
    """A small jacket stays when the network is certain of it, and merges into the top when it is not."""
    labels = _person((OUTERWEAR, 60, 45, 67, 105))
    doubted = np.full(labels.shape, 100, np.uint8)
    sure = np.where(labels == OUTERWEAR, 250, doubted).astype(np.uint8)
    assert _categories(find_regions(labels, doubted, Options())) == ["bottom", "top"]
    assert _categories(find_regions(labels, sure, Options())) == ["bottom", "top", "outerwear"]


def test_bag_stays_a_garment_when_it_hangs_before_a_coat() -> None:
    """A large enough accessory within a coat stays a garment."""
    labels = _painted((SKIN, 5, 60, 35, 90), (OUTERWEAR, 35, 40, 150, 110), (ACCESSORY, 90, 60, 120, 90))
    assert _categories(find_regions(labels, None, Options())) == ["outerwear", "accessory"]


def test_shoes_are_a_pair_when_both_feet_are_seen() -> None:
    """Left and right shoe are one garment."""
    regions = find_regions(_person((SHOES, 180, 50, 195, 65), (SHOES, 180, 85, 195, 100)), None, Options())
    assert _categories(regions) == ["bottom", "top", "shoes"]
    assert regions[2].mask.sum() == 2 * 15 * 15


def test_coat_is_one_garment_when_it_hangs_open() -> None:
    """Both fronts of an open coat are one garment, the top between them another."""
    labels = _painted((SKIN, 5, 60, 35, 90), (OUTERWEAR, 35, 40, 140, 65), (OUTERWEAR, 35, 85, 140, 110))
    labels[35:110, 65:85] = TOP
    regions = find_regions(labels, np.full(labels.shape, 200, np.uint8), Options())
    assert _categories(regions) == ["outerwear", "top"]
    assert regions[0].mask.sum() == 2 * 105 * 25


def test_tops_are_two_when_two_people_stand_apart() -> None:
    """Garments of one class that are far apart stay separate."""
    people = ((SKIN, 5, 15, 30, 35), (SKIN, 5, 115, 30, 135), (TOP, 30, 5, 120, 45), (TOP, 30, 105, 110, 145))
    assert _categories(find_regions(_painted(*people), None, Options())) == ["top", "top"]


def test_specks_are_dropped_when_far_smaller_than_the_garments() -> None:
    """A separate speck is no garment, but a small garment that is alone is one."""
    assert _categories(find_regions(_person((ACCESSORY, 190, 5, 195, 10)), None, Options())) == ["bottom", "top"]
    assert _categories(find_regions(_painted((ACCESSORY, 90, 70, 96, 76)), None, Options())) == ["accessory"]


@pytest.mark.parametrize(("speck", "kept"), [((TOP, 40, 110, 46, 116), False), ((TOP, 40, 110, 55, 125), True)])
def test_a_piece_apart_is_the_garments_when_it_is_no_speck(speck: Rectangle, kept: bool) -> None:
    """What the network takes for the same kind beside a garment belongs to it from a fiftieth of its pixels on."""
    (top,) = (one for one in find_regions(_person(speck), None, Options()) if one.category == "top")
    assert bool(top.mask[speck[1], speck[2]]) is kept


def test_a_small_piece_is_the_garments_when_only_an_outline_parts_them() -> None:
    """A pixel between a cuff and its sleeve is the network's outline."""
    cuff = (TOP, 40, 106, 46, 112)
    (top,) = (one for one in find_regions(_person(cuff), None, Options()) if one.category == "top")
    assert top.mask[40, 106]


def test_product_is_one_garment_of_its_majority_when_no_person_is_seen() -> None:
    """Without skin or hair, the pixels that touch are one article of their majority class."""
    labels = _painted((TOP, 40, 40, 110, 110), (OUTERWEAR, 110, 40, 150, 110))
    (region,) = find_regions(labels, None, Options())
    assert region.category == "top"
    assert region.mask.sum() == 110 * 70
    assert [(other.category, other.share) for other in region.alternatives] == [("outerwear", 0.364)]


def test_components_are_one_when_they_meet_at_a_corner() -> None:
    """On a product photo, pixels that touch at a corner are one component; pixels with a gap are two."""
    meeting = _painted((TOP, 20, 20, 80, 80), (BOTTOM, 80, 80, 120, 120))
    assert _categories(find_regions(meeting, None, Options())) == ["top"]
    apart = _painted((TOP, 20, 20, 80, 80), (BOTTOM, 83, 83, 123, 123))
    assert _categories(find_regions(apart, None, Options())) == ["top", "bottom"]


def test_every_pixel_is_there_when_a_large_map_has_odd_edges() -> None:
    """Components of a large map are found on every second pixel, and no pixel is lost at their edges."""
    (region,) = find_regions(_painted((TOP, 81, 41, 282, 242), size=(400, 300)), None, Options())
    assert region.mask.sum() == 201 * 201


def test_certainty_outvotes_number_when_a_product_has_two_classes() -> None:
    """A pixel's vote for the kind of its article is weighted by the network's certainty."""
    labels = _painted((TOP, 40, 40, 110, 110), (OUTERWEAR, 110, 40, 160, 110))
    confidence = np.where(labels == OUTERWEAR, 250, 100).astype(np.uint8)
    assert _categories(find_regions(labels, None, Options())) == ["top"]
    assert _categories(find_regions(labels, confidence, Options())) == ["outerwear"]


def test_articles_of_a_product_photo_are_separate_when_their_kinds_differ() -> None:
    """A pair of shoes is one article, shoes and a top are two, and with `subject: product` all pixels are one."""
    pair = _painted((SHOES, 20, 20, 80, 60), (SHOES, 20, 90, 80, 130))
    assert _categories(find_regions(pair, None, Options())) == ["shoes"]
    beside = _painted((TOP, 20, 20, 100, 80), (SHOES, 130, 20, 180, 80))
    assert _categories(find_regions(beside, None, Options())) == ["top", "shoes"]
    (region,) = find_regions(beside, None, Options(subject="product"))
    assert region.category == "top"
    assert region.mask.sum() == 80 * 60 + 50 * 60


def test_patch_is_the_shirts_when_an_outline_parts_them() -> None:
    """Components with a gap of one pixel, as networks leave it, still touch, and the gap is no garment."""
    labels = _person()
    labels[49:76, 59:91] = BACKGROUND
    labels[50:75, 60:90] = OUTERWEAR
    regions = find_regions(labels, None, Options())
    assert _categories(regions) == ["bottom", "top"]
    assert regions[1].mask[50:75, 60:90].all()
    assert not regions[1].mask[labels == BACKGROUND].any()


def test_subject_decides_when_it_is_given() -> None:
    """`product` makes a person's clothes one garment; `worn` splits a photo without a person by class."""
    assert _categories(find_regions(_person(), None, Options(subject="product"))) == ["bottom"]
    flat = _painted((TOP, 35, 45, 100, 105), (BOTTOM, 100, 50, 180, 100))
    assert _categories(find_regions(flat, None, Options())) == ["bottom"]
    assert _categories(find_regions(flat, None, Options(subject="worn"))) == ["bottom", "top"]


def test_category_settles_the_kind_when_it_is_given() -> None:
    """The hint names a product's article, the largest garment of a worn look, and a garment of unknown kind."""
    hinted = Options(category="full_body")
    product = _painted((TOP, 40, 40, 110, 110), (SHOES, 150, 40, 190, 110))
    assert _categories(find_regions(product, None, hinted)) == ["full_body"]
    assert _categories(find_regions(_person(), None, hinted)) == ["full_body", "top"]
    assert _categories(find_regions(_person(), None, Options(category="top"))) == ["bottom", "top"]
    assert _categories(find_regions(whole_labels(20, 20), None, hinted)) == ["full_body"]


def test_garments_are_filtered_when_only_some_are_asked_for() -> None:
    """Kinds that were not requested are left out, and the ids count the remaining garments."""
    regions = find_regions(_person(), None, Options(garments=("top", "shoes")))
    assert [(region.id, region.category) for region in regions] == [("g1", "top")]
    assert _categories(find_regions(whole_labels(20, 20), None, Options(garments=("shoes",)))) == ["unknown"]


def test_confidence_follows_the_mean_over_the_garment_when_the_network_gave_one() -> None:
    """Confidence follows from the mean of a map of any resolution over the garment; without a map there is none."""
    labels = _painted((TOP, 40, 40, 140, 110))
    confidence = np.full((100, 75), 51, np.uint8)
    confidence[:45] = 255
    (region,) = find_regions(labels, confidence, Options())
    assert region.confidence == pytest.approx(kind_confidence(0.5 * 1.0 + 0.5 * 0.2), abs=0.01)
    assert find_regions(labels, None, Options())[0].confidence is None


def test_mask_is_the_garment_when_given() -> None:
    """A given mask is one garment of unknown kind, with exactly its pixels and without confidence."""
    mask = np.zeros((40, 60), bool)
    mask[5:20, 10:50] = mask[30:32, 0:3] = True
    (region,) = find_regions(labels_from_mask(mask), None, Options())
    assert (region.category, region.confidence, region.alternatives) == ("unknown", None, ())
    np.testing.assert_array_equal(region.mask, mask)


RECTANGLES = st.tuples(
    st.integers(0, 8), st.integers(0, 150), st.integers(0, 100), st.integers(8, 120), st.integers(8, 90)
)


def _random_labels(rectangles: list[tuple[int, int, int, int, int]]) -> LabelMap:
    return _painted(*((label, top, left, top + h, left + w) for label, top, left, h, w in rectangles))


@given(st.lists(RECTANGLES, max_size=9))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_masks_are_disjoint_garment_pixels_when_labels_are_random(rectangles: list[Rectangle]) -> None:
    """No pixel is in two garments, none is skin, hair or background; boxes hold their masks; areas fall."""
    labels = _random_labels(rectangles)
    regions = find_regions(labels, None, Options())
    taken: Mask = np.zeros(labels.shape, bool)
    for region in regions:
        assert not (taken & region.mask).any()
        taken |= region.mask
        x, y, width, height = region.bbox
        assert 0 <= x < x + width <= 1 + 1e-9
        assert 0 <= y < y + height <= 1 + 1e-9
        assert region.mask.sum() <= round(width * labels.shape[1]) * round(height * labels.shape[0])
        assert sum(other.share for other in region.alternatives) <= 1.001
    assert (labels[taken] >= TOP).all()
    # Trousers or shoes that are at a head, and nothing else, are no garment.
    assert bool(regions) or not np.isin(labels, (TOP, OUTERWEAR, FULL_BODY, ACCESSORY)).any()
    assert [region.area for region in regions] == sorted((region.area for region in regions), reverse=True)


@given(st.lists(RECTANGLES, max_size=9))
@settings(derandomize=True, max_examples=40, deadline=None)
def test_garments_are_the_same_when_the_photo_is_twice_as_large(rectangles: list[Rectangle]) -> None:
    """Kinds, boxes and areas do not depend on the resolution."""
    labels = _random_labels(rectangles)
    twice = labels.repeat(2, axis=0).repeat(2, axis=1)
    small, large = find_regions(labels, None, Options()), find_regions(twice, None, Options())
    assert [(one.category, one.bbox, one.area) for one in small] == [
        (one.category, one.bbox, one.area) for one in large
    ]


@given(st.integers(1, 90), st.integers(1, 90))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_resized_labels_are_never_blended_when_sizes_differ(width_px: int, height_px: int) -> None:
    """Resizing gives the requested size and no new label."""
    labels = _person()
    resized = resize_labels(labels, (width_px, height_px))
    assert resized.shape == (height_px, width_px)
    assert set(np.unique(resized)) <= set(np.unique(labels))
    np.testing.assert_array_equal(resize_labels(labels, (150, 200)), labels)
    assert resize_labels(labels, (200, 200)).shape == (200, 200)


def test_fallback_is_the_garment_when_the_ground_is_plain() -> None:
    """A garment on a plain ground is found by its colours, and a print in the ground's colour is filled."""
    pixels = np.full((300, 240, 3), (226, 222, 214), np.uint8)
    garment = np.zeros((300, 240), bool)
    garment[60:240, 50:190] = True
    pixels[garment] = (40, 70, 140)
    pixels[120:150, 100:140] = (226, 222, 214)
    labels = fallback_labels(pixels)
    assert set(np.unique(labels)) == {0, UNKNOWN}
    found = labels == UNKNOWN
    assert (found & garment).sum() / (found | garment).sum() > 0.95


@pytest.mark.parametrize("size", [(8, 8), (8, 400), (512, 384)])
def test_fallback_is_the_middle_when_nothing_stands_out(size: tuple[int, int]) -> None:
    """In a photo of one colour, the middle is the garment."""
    labels = fallback_labels(np.full((*size, 3), 120, np.uint8))
    assert labels.shape == size
    assert labels[size[0] // 2, size[1] // 2] == UNKNOWN
    assert 0.2 <= (labels == UNKNOWN).mean() <= 0.35
    assert labels[0, 0] == 0


def test_fallback_finds_something_when_pixels_are_noise() -> None:
    """Any photo gives a garment, and the same photo gives the same one."""
    pixels = np.random.default_rng(3).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    labels = fallback_labels(pixels)
    assert (labels == UNKNOWN).any()
    assert labels.tobytes() == fallback_labels(pixels).tobytes()


def test_fallback_works_on_a_small_copy_when_the_photo_is_large() -> None:
    """The cost stays the same: of a photo four times as long, each square of four pixels is decided once."""
    pixels = np.full((1024, 512, 3), 220, np.uint8)
    pixels[203:801, 101:403] = (20, 60, 140)
    labels = fallback_labels(pixels)
    assert labels.any()
    assert np.array_equal(labels, np.repeat(np.repeat(labels[::4, ::4], 4, axis=0), 4, axis=1))


def test_fallback_is_the_garment_when_a_strap_reaches_the_border() -> None:
    """A colour that is rare on the border is no ground, so the bag is found with its strap."""
    pixels = np.full((200, 200, 3), (205, 200, 196), np.uint8)
    pixels[80:180, 50:150], pixels[:80, 98:102] = (31, 42, 68), (31, 42, 68)
    labels = fallback_labels(pixels)
    assert (labels[82:178, 52:148] == UNKNOWN).all()
    assert (labels[2:198, 2:40] != UNKNOWN).all()


def test_whole_image_is_the_garment_when_nothing_is_segmented() -> None:
    """The whole image is one garment of unknown kind."""
    (region,) = find_regions(whole_labels(30, 20), None, Options())
    assert (region.category, region.area, region.bbox) == ("unknown", 1.0, (0.0, 0.0, 1.0, 1.0))
    assert set(GARMENT_CLASSES) == set(CLASSES) - {"background", "skin", "hair"}
