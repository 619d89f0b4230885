"""Tests that bare skin is no garment's colour: painted feet, straps, lace, jewellery, faces and skin-coloured cloth."""

import time

import numpy as np
import pytest

from pipeline.options import Options
from pipeline.palette.extraction import extract, histogram_palette
from pipeline.palette.skin import SQUARE_PX, STEP_PX, bare_skin
from pipeline.types import CLASSES, LabelMap, RgbImage

SKIN_TONES = {"light": (224, 172, 148), "medium": (190, 134, 100), "dark": (96, 62, 48)}
WHITE, CAMEL, NAVY, GOLD = (240, 240, 236), (193, 154, 107), (31, 42, 68), (196, 158, 60)
Scene = tuple[RgbImage, LabelMap]


def _ground(height_px: int = 400, width_px: int = 300) -> Scene:
    return np.full((height_px, width_px, 3), (200, 204, 208), np.uint8), np.zeros((height_px, width_px), np.uint8)


def _paint(scene: Scene, rows: tuple[int, int], columns: tuple[int, int], rgb: tuple[int, int, int], name: str) -> None:
    """Paints a rectangle with a little shading and labels it."""
    pixels, labels = scene
    area = np.s_[rows[0] : rows[1], columns[0] : columns[1]]
    shape = pixels[area].shape
    shade = np.linspace(0.94, 1.04, shape[0])[:, None, None]
    noise = np.random.default_rng(7).normal(0, 2, shape)
    pixels[area] = np.clip(np.array(rgb) * shade + noise, 0, 255).astype(np.uint8)
    labels[area] = CLASSES.index(name)


def _main(scene: Scene, category: str) -> tuple[int, int, int]:
    """The main colour of a kind of garment."""
    (found,) = [one for one in extract(*scene, None, Options()).garments if one.category == category]
    text = found.colors[0].hex
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _near(found: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return bool(np.abs(np.subtract(found, wanted)).max() <= 24)


@pytest.fixture(params=SKIN_TONES)
def skin(request: pytest.FixtureRequest) -> tuple[int, int, int]:
    """A skin tone."""
    return SKIN_TONES[request.param]


def test_sandals_have_their_own_colour_when_a_foot_shows(skin: tuple[int, int, int]) -> None:
    """Seven tenths of the shoes' region is the foot: the sandals are white all the same."""
    scene = _ground()
    _paint(scene, (100, 340), (130, 170), skin, "skin")
    _paint(scene, (340, 380), (120, 220), skin, "shoes")
    for left in (130, 165, 200):
        _paint(scene, (340, 380), (left, left + 10), WHITE, "shoes")
    assert _near(_main(scene, "shoes"), WHITE)


def test_skin_is_found_when_it_fills_one_square(skin: tuple[int, int, int]) -> None:
    """A patch of skin as small as one square of the map shows what the skin beside it is."""
    scene = _ground()
    side_px = STEP_PX * SQUARE_PX
    _paint(scene, (10 * side_px, 11 * side_px), (8 * side_px, 9 * side_px), skin, "skin")
    _paint(scene, (11 * side_px, 13 * side_px), (7 * side_px, 10 * side_px), skin, "shoes")
    bare = bare_skin(*scene)
    assert bare is not None
    assert bare[11 * side_px : 13 * side_px, 8 * side_px : 9 * side_px].mean() > 0.9


def test_no_colour_of_shoes_is_skin_when_palettes_are_degraded(skin: tuple[int, int, int]) -> None:
    """The fallback leaves the foot out, too."""
    scene = _ground()
    _paint(scene, (100, 340), (130, 170), skin, "skin")
    _paint(scene, (340, 380), (120, 220), skin, "shoes")
    _paint(scene, (340, 380), (180, 220), WHITE, "shoes")
    (shoes,) = histogram_palette(*scene, Options())
    assert [color.names.basic.name for color in shoes.colors] == ["white"]


def test_straps_and_lace_have_their_own_colour_when_skin_shows_between(skin: tuple[int, int, int]) -> None:
    """Skin between the straps of a top, labelled as the top, is left out."""
    scene = _ground()
    _paint(scene, (40, 120), (80, 220), skin, "skin")
    _paint(scene, (120, 320), (80, 220), NAVY, "top")
    for top in range(120, 200, 20):
        _paint(scene, (top, top + 8), (80, 220), skin, "top")
    found = [color.hex for color in extract(*scene, None, Options()).garments[0].colors]
    assert len(found) == 1
    assert _near(_main(scene, "top"), NAVY)


def test_jewellery_has_its_own_colour_when_it_lies_on_skin(skin: tuple[int, int, int]) -> None:
    """A necklace whose region is half skin is gold."""
    scene = _ground()
    _paint(scene, (40, 200), (80, 220), skin, "skin")
    _paint(scene, (120, 136), (90, 210), skin, "accessory")
    _paint(scene, (124, 132), (90, 210), GOLD, "accessory")
    assert _near(_main(scene, "accessory"), GOLD)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("shoes", ((340, 380), (120, 220))),
        ("outerwear", ((120, 330), (60, 240))),
        ("full_body", ((90, 330), (80, 220))),
    ],
)
def test_cloth_keeps_its_colour_when_it_is_like_skin(
    name: str, place: tuple[tuple[int, int], tuple[int, int]], skin: tuple[int, int, int]
) -> None:
    """A garment in the very colour of the skin keeps it: nearly nothing else would be left."""
    scene = _ground()
    _paint(scene, (20, 390), (130, 170), skin, "skin")
    _paint(scene, *place, skin, name)
    assert _near(_main(scene, name), skin)


def test_camel_coat_keeps_its_colour_when_hands_and_face_touch_it() -> None:
    """A camel coat is camel beside light skin, also in its shaded parts."""
    scene = _ground()
    _paint(scene, (20, 90), (120, 180), SKIN_TONES["light"], "skin")
    _paint(scene, (90, 330), (70, 230), CAMEL, "outerwear")
    _paint(scene, (260, 300), (40, 70), SKIN_TONES["light"], "skin")
    assert _near(_main(scene, "outerwear"), CAMEL)


def test_face_is_no_accessory_when_the_network_says_so(skin: tuple[int, int, int]) -> None:
    """A face labelled as an accessory is no garment, and the others are numbered without a gap."""
    scene = _ground()
    _paint(scene, (110, 140), (130, 170), skin, "skin")
    _paint(scene, (40, 110), (110, 190), skin, "accessory")
    _paint(scene, (140, 330), (90, 210), NAVY, "top")
    found = extract(*scene, None, Options()).garments
    assert [(one.id, one.category) for one in found] == [("g1", "top")]


def test_face_is_no_colour_of_a_hat_when_both_have_one_label(skin: tuple[int, int, int]) -> None:
    """Of a hat and a face in one region, the hat is told."""
    scene = _ground()
    _paint(scene, (130, 160), (130, 170), skin, "skin")
    _paint(scene, (60, 130), (110, 190), skin, "accessory")
    _paint(scene, (20, 60), (100, 200), NAVY, "accessory")
    colors = next(one for one in extract(*scene, None, Options()).garments if one.category == "accessory").colors
    assert len(colors) == 1
    assert _near(_main(scene, "accessory"), NAVY)


def test_bag_keeps_its_colour_when_it_does_not_touch_skin(skin: tuple[int, int, int]) -> None:
    """A bag in a skin tone that touches no skin is reported."""
    scene = _ground()
    _paint(scene, (20, 90), (120, 180), skin, "skin")
    _paint(scene, (90, 330), (100, 200), NAVY, "top")
    _paint(scene, (250, 330), (210, 280), skin, "accessory")
    assert _near(_main(scene, "accessory"), skin)


@pytest.mark.parametrize(
    ("rgb", "rows_px", "is_skin"),
    [((142, 142, 142), 18, False), ((160, 110, 82), 4, False), ((160, 110, 82), 18, True)],
    ids=["a grey as light as the skin", "a brown that hardly shows in it", "a brown that is one of its tones"],
)
def test_cloth_has_a_tone_of_the_skin_when_much_of_the_skin_has_it(
    rgb: tuple[int, int, int], rows_px: int, is_skin: bool
) -> None:
    """The tones are the commonest colours of the skin that are near its median in lightness and in chroma."""
    pixels, labels = _ground()
    _paint((pixels, labels), (20, 200), (60, 240), SKIN_TONES["medium"], "skin")
    pixels[60 : 60 + rows_px, 60:240] = pixels[200:260, 60:240] = rgb
    labels[200:260, 60:240] = CLASSES.index("top")
    bare = bare_skin(pixels, labels)
    assert (bare is not None and bool(bare[200:260, 60:240].all())) == is_skin


def test_search_for_skin_is_cheap() -> None:
    """It takes about a millisecond of a photo at analysed size."""
    scene = _ground(512, 384)
    _paint(scene, (100, 340), (130, 170), SKIN_TONES["light"], "skin")
    _paint(scene, (340, 480), (120, 320), SKIN_TONES["light"], "shoes")
    took = []
    for _ in range(9):
        since_s = time.process_time()
        bare_skin(*scene)
        took.append(time.process_time() - since_s)
    assert min(took) < 0.003
