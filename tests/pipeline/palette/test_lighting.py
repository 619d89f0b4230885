"""Casts are detected, corrected, and not claimed without evidence."""

import numpy as np
import pytest

from models.train.illuminant import black_body
from pipeline.color.spaces import linear_to_srgb, oklab_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.palette.illuminant import Light, _name, estimate_light
from pipeline.palette.lighting import correct, expected_shift, is_blurred, is_dark, luma
from pipeline.types import LabelMap, RgbImage


def scene(wall: tuple[int, int, int], garment: tuple[int, int, int] = (0, 0, 0)) -> tuple[RgbImage, LabelMap]:
    """A garment on a plain wall with a little noise. Without a colour the garment is the wall's, at half the light."""
    pixels, labels = np.empty((96, 96, 3)), np.zeros((96, 96), np.uint8)
    labels[24:72, 32:64] = 3
    pixels[:] = wall
    shadow = linear_to_srgb(srgb_to_linear(np.array(wall) / 255) / 2) * 255
    pixels[labels == 3] = garment if any(garment) else shadow
    noisy = pixels + np.random.default_rng(2).normal(0, 1.5, pixels.shape)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8), labels


def lamp(rgb: tuple[int, int, int], kelvin: float) -> tuple[int, int, int]:
    """A colour of daylight as it looks under a black body of equal luminance."""
    gains = black_body(kelvin) / black_body(6504)
    linear = srgb_to_linear(np.array(rgb) / 255) * gains / (gains @ np.array([0.2126, 0.7152, 0.0722]))
    red, green, blue = np.rint(255 * linear_to_srgb(np.clip(linear, 0, 1))).astype(int).tolist()
    return red, green, blue


@pytest.mark.parametrize(
    ("rgb", "cast"),
    [
        ((200, 200, 200), "none"),
        ((225, 200, 172), "warm"),
        ((178, 200, 222), "cool"),
        ((188, 206, 186), "green"),
        ((210, 194, 212), "magenta"),
    ],
)
def test_cast_when_grey_scene_is_tinted(rgb: tuple[int, int, int], cast: str) -> None:
    """The tint of a grey garment on a grey wall is a cast, and correcting it makes the wall grey again."""
    pixels, labels = scene(rgb)
    light = estimate_light(pixels, labels)
    assert light.cast == cast
    assert light.confidence > 0.7
    mean = correct(pixels, light)[labels == 0].mean(axis=0)
    assert mean.max() - mean.min() < 8


@pytest.mark.parametrize("kelvin", [5500, 4800, 4200, 3800, 3200, 2700])
def test_cast_when_lamps(kelvin: int) -> None:
    """A lamp is told as warm, surely from 4800 K down, and correcting it removes at least half of its error."""
    pixels, labels = scene(lamp((190, 190, 188), kelvin), lamp((110, 112, 115), kelvin))
    light = estimate_light(pixels, labels)
    assert light.cast == "warm"
    if kelvin <= 4800:
        assert light.confidence >= 0.5
        chroma = [
            float(np.hypot(*srgb_to_lab_d65(one[labels == 3].mean(axis=0) / 255)[1:]))
            for one in (pixels, correct(pixels, light))
        ]
        assert chroma[1] <= chroma[0] / 2


def test_confidence_when_lamps_change_a_little() -> None:
    """Steps of 100 K change the confidence by at most 0.15."""
    found = []
    for kelvin in range(2700, 6501, 100):
        light = estimate_light(*scene(lamp((190, 190, 188), kelvin), lamp((110, 112, 115), kelvin)))
        found.append(light.confidence if light.cast != "none" else 1 - light.confidence)
    assert np.abs(np.diff(found)).max() <= 0.15


@pytest.mark.parametrize(
    "garment",
    [(170, 125, 80), (224, 172, 140), (190, 30, 40), (246, 233, 201), (31, 42, 68), (40, 120, 60)],
    ids=["wood", "skin", "red", "cream", "navy", "green"],
)
@pytest.mark.parametrize("wall", [(205, 205, 203), (120, 122, 121), (245, 245, 243)])
def test_cast_when_coloured_objects_in_neutral_light(wall: tuple[int, int, int], garment: tuple[int, int, int]) -> None:
    """Coloured things on a grey or white wall are no cast."""
    light = estimate_light(*scene(wall, garment))
    assert light.cast == "none" or light.confidence < 0.5


@pytest.mark.parametrize("wall", [(170, 125, 80), (200, 160, 120)])
@pytest.mark.parametrize("garment", [(225, 225, 223), (128, 128, 127)])
def test_cast_when_neutral_garments_on_wood(wall: tuple[int, int, int], garment: tuple[int, int, int]) -> None:
    """A wooden floor under a white or grey garment is no cast. Dark cloth is too noisy to tell."""
    light = estimate_light(*scene(wall, garment))
    assert light.cast == "none" or light.confidence < 0.5


@pytest.mark.parametrize("rgb", [(225, 200, 172), (30, 160, 60), (170, 125, 80)], ids=["beige", "green", "wood"])
@pytest.mark.parametrize("label", [0, 3])
def test_cast_when_one_thing_fills_the_photo(rgb: tuple[int, int, int], label: int) -> None:
    """A photo of one thing does not tell its colour from the light's."""
    pixels, labels = scene(rgb)
    light = estimate_light(pixels, np.full_like(labels, label))
    assert (light.cast, light.confidence) == ("none", 0.0)


@pytest.mark.parametrize("rgb", [(3, 3, 3), (255, 255, 255)], ids=["dark", "blown out"])
def test_cast_when_nothing_is_exposed(rgb: tuple[int, int, int]) -> None:
    """A black and a blown out photo tell nothing."""
    light = estimate_light(*scene(rgb, rgb))
    assert (light.cast, light.confidence) == ("none", 0.0)


def test_cast_when_transparent() -> None:
    """Pixels that do not count are no evidence: the scene's warm wall is cut off here."""
    pixels, labels = scene((225, 200, 172), (128, 128, 128))
    assert estimate_light(pixels, labels, valid=labels == 3).confidence == 0.0


def test_every_value_stays_when_the_light_is_neutral() -> None:
    """Correcting for a light that tints nothing changes no pixel."""
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert np.array_equal(correct(values, Light("none", 1.0, np.ones(3))), values)


def test_shift_when_there_is_no_cast() -> None:
    """Without a cast the expected shift is 0, and neutral gains change no pixel."""
    pixels, _ = scene((120, 80, 60))
    none = Light("none", 0.0, np.ones(3))
    assert expected_shift(pixels.reshape(-1, 3), none) == 0.0
    assert np.array_equal(correct(pixels, none), pixels)


@pytest.mark.parametrize(("level", "dark"), [(30, True), (200, False)])
def test_is_dark_when_wall_is_dim(level: int, dark: bool) -> None:
    """A photo is dark when even its brightest parts are."""
    assert is_dark(luma(scene((level, level, level))[0])) is dark


def test_is_blurred_when_flat() -> None:
    """A flat picture has no edges, and is not called blurred."""
    assert is_blurred(luma(scene((120, 120, 120), (121, 121, 121))[0])) is False


def test_is_dark_when_bright_rows_are_few() -> None:
    """Every row is looked at: stripes of four pixels, half of them bright, are not dark."""
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[np.arange(96) % 8 >= 4] = 240
    assert is_dark(luma(pixels)) is False
    pixels[:] = 0
    pixels[1::4] = 240
    assert is_dark(luma(pixels)) is False


@pytest.mark.parametrize(
    ("hue_deg", "name"),
    [
        (0.5, "magenta"), (19.5, "magenta"), (20.5, "warm"), (109.5, "warm"), (110.5, "green"), (199.5, "green"),
        (200.5, "cool"), (289.5, "cool"), (290.5, "magenta"), (359.7, "magenta"),
    ],
)  # fmt: skip
def test_a_light_has_the_name_of_its_hue(hue_deg: float, name: str) -> None:
    """Every hue has a name, up to the last degree of the circle."""
    hue = np.radians(hue_deg)
    light = srgb_to_linear(oklab_to_srgb(np.array([0.8, 0.05 * np.cos(hue), 0.05 * np.sin(hue)])))
    assert _name(light) == name


def test_confidence_has_two_decimals_when_there_is_no_cast() -> None:
    """A grey scene is neutral by some hundredths, and not by tenths alone."""
    pixels, labels = scene((128, 124, 118), (60, 60, 62))
    light = estimate_light(pixels, labels)
    assert light.cast == "none"
    assert light.confidence == round(light.confidence, 2) != round(light.confidence, 1)


def test_is_blurred_when_the_range_is_small() -> None:
    """A smooth ramp over few levels has no contrast to measure edges by, and is not called blurred."""
    few, many = (np.tile(np.linspace(100, 100 + span, 12_000).astype(np.uint8), (16, 1)) for span in (10, 140))
    assert is_blurred(few) is False
    assert is_blurred(many) is True
