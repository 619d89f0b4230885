"""The photo's colours correct the labels: skin labelled as cloth, and one garment labelled as two."""

import numpy as np
import pytest

from pipeline.garments.likeness import color_codes, histogram
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.types import LabelMap, RgbImage

BACKGROUND, SKIN, HAIR, TOP, OUTERWEAR, BOTTOM, FULL_BODY, SHOES, ACCESSORY = range(9)
FACE, BLUE, BEIGE, RED = (224, 172, 140), (40, 70, 150), (220, 175, 145), (150, 30, 40)
Rectangle = tuple[int, int, int, int]  # top, left, bottom, right
Patch = tuple[int, tuple[int, int, int], Rectangle]


def _photo(*patches: Patch) -> tuple[LabelMap, RgbImage]:
    """Labels and pixels, (200, 150), of rectangles on grey ground with noise. A rectangle has a label and a colour."""
    labels, pixels = np.zeros((200, 150), np.uint8), np.full((200, 150, 3), 200, np.uint8)
    for label, color, (top, left, bottom, right) in patches:
        labels[top:bottom, left:right] = label
        pixels[top:bottom, left:right] = color
    noise = np.random.default_rng(0).integers(-2, 3, pixels.shape)
    return labels, (pixels + noise).astype(np.uint8)


def _found(photo: tuple[LabelMap, RgbImage], certainty: float = 0.5) -> list[tuple[str, int]]:
    """The kind and the size, px, of each garment."""
    labels, pixels = photo
    confidence = np.full(labels.shape, round(255 * certainty), np.uint8)
    regions = find_regions(labels, confidence, Options(), pixels=pixels)
    return [(region.category, int(region.mask.sum())) for region in regions]


def test_arm_is_no_part_of_the_top_when_it_looks_like_the_face() -> None:
    """An arm that is labelled as top becomes skin where it borders on skin."""
    arm = (TOP, FACE, (60, 90, 110, 105))
    photo = _photo((SKIN, FACE, (10, 60, 60, 110)), (TOP, BLUE, (60, 45, 130, 90)), arm)
    ((kind, size_px),) = _found(photo)
    assert kind == "top"
    assert size_px == pytest.approx(70 * 45, abs=10)


def test_sleeve_stays_when_it_looks_like_the_rest_of_the_coat() -> None:
    """A coat of nearly the skin's colour has more pixels of that colour than the face has, and stays whole."""
    photo = _photo((SKIN, FACE, (10, 60, 40, 90)), (OUTERWEAR, BEIGE, (40, 40, 150, 110)))
    assert _found(photo) == [("outerwear", 110 * 70)]


def test_forehead_is_no_accessory_when_it_is_mostly_of_the_faces_colours() -> None:
    """A forehead labelled as a hat is no garment, although it has some other colours; a blue hat is a garment."""
    face, top = (SKIN, FACE, (30, 60, 60, 90)), (TOP, BLUE, (60, 45, 130, 105))
    forehead = (ACCESSORY, FACE, (10, 60, 30, 90)), (ACCESSORY, (90, 90, 90), (10, 60, 16, 90))
    assert [kind for kind, _ in _found(_photo(face, top, *forehead))] == ["top"]
    assert [kind for kind, _ in _found(_photo(face, top, (ACCESSORY, BLUE, (10, 60, 30, 90))))] == ["top", "accessory"]


def test_scarf_stays_when_it_is_far_from_any_skin() -> None:
    """Cloth of the skin's colour stays cloth when it does not border on skin."""
    photo = _photo((SKIN, FACE, (10, 60, 60, 110)), (TOP, BLUE, (62, 45, 130, 105)), (BOTTOM, FACE, (132, 60, 150, 90)))
    assert _found(photo) == [("top", 68 * 60), ("bottom", 18 * 30)]


def test_shoes_stay_when_they_look_like_the_foot() -> None:
    """Shoes of the skin's colour next to a bare foot stay shoes."""
    photo = _photo(
        (SKIN, FACE, (10, 40, 70, 110)), (BOTTOM, BLUE, (70, 45, 160, 105)), (SKIN, FACE, (160, 60, 175, 90))
    )
    labels, pixels = photo
    labels[175:190, 60:90], pixels[175:190, 60:90] = SHOES, FACE
    assert ("shoes", 15 * 30) in _found(photo)


@pytest.mark.parametrize(
    ("first", "color", "certainty", "kinds"),
    [
        (TOP, BLUE, 0.5, ["full_body"]),
        (TOP, BLUE, 0.9, ["full_body"]),
        (TOP, RED, 0.5, ["top", "full_body"]),
        (OUTERWEAR, BLUE, 0.5, ["full_body"]),
        (OUTERWEAR, BLUE, 0.9, ["outerwear", "full_body"]),
    ],
)
def test_dress_is_one_garment_when_its_parts_are_of_one_cloth(
    first: int, color: tuple[int, int, int], certainty: float, kinds: list[str]
) -> None:
    """A dress that is labelled as skirt and top is one garment when the colours are equal.

    A jacket over a dress of its colour stays a jacket when the network is certain.
    """
    photo = _photo(
        (SKIN, FACE, (10, 60, 40, 90)), (first, color, (40, 40, 120, 110)), (FULL_BODY, BLUE, (120, 45, 180, 105))
    )
    assert [kind for kind, _ in _found(photo, certainty)] == kinds


@pytest.mark.parametrize(
    ("box", "color", "kinds"),
    [
        ((60, 50, 110, 70), RED, ["outerwear", "top"]),
        ((60, 50, 110, 70), BLUE, ["outerwear"]),
        ((60, 50, 66, 60), RED, ["outerwear"]),
    ],
)
def test_shirt_stays_a_garment_when_its_colours_are_not_the_jackets(
    box: Rectangle, color: tuple[int, int, int], kinds: list[str]
) -> None:
    """A shirt in an open jacket is no slip of the network; a patch of the jacket's colours or a speck is."""
    photo = _photo((SKIN, FACE, (10, 60, 40, 90)), (OUTERWEAR, BLUE, (40, 40, 140, 110)), (TOP, color, box))
    found = _found(photo)
    assert [kind for kind, _ in found] == kinds
    assert sum(size_px for _, size_px in found) == 100 * 70


def test_bag_stays_a_garment_when_it_has_the_coats_colours() -> None:
    """Only clothes are joined by their colours: a bag or shoes of the coat's cloth are garments of their own."""
    coat, bag = (OUTERWEAR, BLUE, (40, 40, 140, 90)), (ACCESSORY, BLUE, (80, 90, 120, 130))
    photo = _photo((SKIN, FACE, (10, 60, 40, 90)), coat, bag)
    assert [kind for kind, _ in _found(photo)] == ["outerwear", "accessory"]


def test_top_and_trousers_stay_two_when_they_are_of_one_colour() -> None:
    """A top over trousers of the same colour is still two garments."""
    photo = _photo((SKIN, FACE, (10, 60, 40, 90)), (TOP, BLUE, (40, 45, 100, 105)), (BOTTOM, BLUE, (100, 45, 180, 105)))
    assert [kind for kind, _ in _found(photo)] == ["bottom", "top"]


def test_garments_stay_two_when_they_hardly_touch() -> None:
    """A jacket in the background that meets the top at a corner is not merged with it."""
    photo = _photo(
        (SKIN, FACE, (10, 60, 40, 90)), (TOP, BLUE, (40, 45, 100, 105)), (OUTERWEAR, BLUE, (98, 105, 160, 149))
    )
    assert [kind for kind, _ in _found(photo)] == ["top", "outerwear"]


def test_histogram_sums_to_one_when_colours_are_counted() -> None:
    """Histograms of equal colours overlap fully, and those of distant colours not at all."""
    pixels = np.array([[BLUE, BLUE, (250, 250, 250), FACE]], np.uint8)
    codes = color_codes(pixels)
    blue, white = histogram(codes[0, :2]), histogram(codes[0, 2:3])
    assert blue.sum() == pytest.approx(1)
    assert np.minimum(blue, histogram(codes[0, :1])).sum() == pytest.approx(1)
    assert np.minimum(blue, white).sum() == pytest.approx(0)


def test_a_doubted_bag_is_the_coats_when_it_is_small() -> None:
    """Colours keep only clothes apart: a red patch that the network hardly calls a bag is part of the coat."""
    coat, bag = (OUTERWEAR, BLUE, (40, 40, 140, 110)), (ACCESSORY, RED, (80, 60, 105, 85))
    photo = _photo((SKIN, FACE, (10, 60, 40, 90)), coat, bag)
    assert _found(photo) == [("outerwear", 100 * 70)]
