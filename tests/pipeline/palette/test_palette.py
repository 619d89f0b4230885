"""Palettes obey their laws, find every dye, and take no blend, noise or speck for a colour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec import UNSET

from pipeline.color.hex import hex_to_rgb
from pipeline.options import ColorShare
from pipeline.palette.modes import _are_shades
from pipeline.palette.palette import histogram_medoids
from pipeline.palette.swatches import palette_from_colors
from pipeline.types import Floats
from tests.pipeline.cloth import Pixels, as_jpeg, cloth, difference, palette

NAVY, WHITE, BLACK, GREY, RED, GOLD = "#1f2a44", "#f4f4f2", "#141416", "#8a8a8c", "#c0182a", "#d4a72c"
any_pixels = st.integers(1, 60).flatmap(lambda count: arrays(np.uint8, (count, 3)))
few = settings(max_examples=60, derandomize=True, deadline=None)


def found(pixels: Pixels, *dyes: str, within: float = 2.5) -> bool:
    """Whether the palette has exactly these dyes, in the order of their shares."""
    colors = palette(pixels)
    return len(colors) == len(dyes) and all(
        difference(color, code) < within for color, code in zip(colors, dyes, strict=True)
    )


# --- laws -----------------------------------------------------------------------------------------------------
@few
@given(any_pixels, st.integers(1, 12))
def test_palette_when_any_pixels(pixels: Pixels, max_colors: int) -> None:
    """Shares are positive, sorted and sum to 1. Number, confidence and spread are within their ranges."""
    colors = palette(pixels, max_colors=max_colors)
    assert 1 <= len(colors) <= max_colors
    assert sum(color.share for color in colors) == pytest.approx(1, abs=1e-9)
    assert [color.share for color in colors] == sorted((color.share for color in colors), reverse=True)
    for color in colors:
        assert all(0 <= value <= 255 for value in color.rgb)
        assert 0 <= (color.confidence or 0.0) <= 1
        assert color.share > 0 <= (color.spread_de00 or 0.0)


@few
@given(any_pixels, st.integers(0, 2**32 - 1))
def test_palette_when_shuffled(pixels: Pixels, seed: int) -> None:
    """The order of the pixels changes nothing, not even with weights from a confidence map."""
    random = np.random.default_rng(seed)
    weights, order = random.integers(1, 256, len(pixels)).astype(float), random.permutation(len(pixels))
    assert palette(pixels, weights=weights) == palette(pixels[order], weights=weights[order])


@few
@given(any_pixels, st.integers(2, 5))
def test_palette_when_repeated(pixels: Pixels, times: int) -> None:
    """Repeating the pixels changes neither colours nor shares, so size does not matter."""
    once, often = palette(pixels), palette(np.repeat(pixels, times, axis=0))
    assert [(color.rgb, round(color.share, 9)) for color in often] == [
        (color.rgb, round(color.share, 9)) for color in once
    ]


@pytest.mark.parametrize("rgb", [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 40)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 5000])
def test_palette_when_all_pixels_are_equal(rgb: tuple[int, int, int], count: int) -> None:
    """Equal pixels, one or many, are exactly one colour with a share of 1 and no spread."""
    (color,) = palette(np.full((count, 3), rgb, np.uint8))
    assert (color.rgb, color.share) == (rgb, 1.0)
    assert color.spread_de00 == pytest.approx(0, abs=1e-9)


def test_palette_when_no_pixels() -> None:
    """No pixels give no colours."""
    assert palette(np.zeros((0, 3), np.uint8)) == ()


@pytest.mark.parametrize("weights", [np.zeros(3), np.ones(3)], ids=["none", "equal"])
def test_palette_when_no_weight_at_all(weights: Floats) -> None:
    """Pixels without any weight count equally."""
    pixels = np.array([hex_to_rgb(code) for code in (NAVY, NAVY, WHITE)], np.uint8)
    assert [round(color.share, 3) for color in palette(pixels, weights=weights)] == [0.667, 0.333]


# --- what must be found ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("dye", [WHITE, BLACK, GREY, "#36393f", "#e4e0db"])
@pytest.mark.parametrize("folds", [0.0, 0.25])
def test_palette_when_white_black_or_grey(dye: str, folds: float) -> None:
    """White, black or grey cloth is one colour, the right one, also in folds."""
    assert found(cloth(dye, folds=folds), dye)


@pytest.mark.parametrize("dye", [NAVY, RED, "#2b5d3a", GOLD, "#7a4f9a"])
def test_palette_when_deep_folds(dye: str) -> None:
    """Cloth in light from half to twice the mean is one colour, that of the mean light."""
    assert found(cloth(dye, folds=0.4), dye, within=3)


@pytest.mark.parametrize("share", [0.02, 0.012])
@pytest.mark.parametrize("accent", [RED, GOLD, WHITE])
def test_palette_when_accent_is_small(accent: str, share: float) -> None:
    """An accent of 2 %, or of little more than 1 %, is found with its colour and share."""
    colors = palette(cloth(NAVY, accent, shares=[1 - share, share], folds=0.15))
    assert len(colors) == 2
    assert difference(colors[1], accent) < 3
    assert colors[1].share == pytest.approx(share, abs=0.003)


@pytest.mark.parametrize(("dye", "near"), [(NAVY, "#3a2450"), (RED, "#b02858"), ("#2f8f6b", "#2f8f90")])
def test_palette_when_a_small_color_is_near_one_of_two(dye: str, near: str) -> None:
    """An accent must be far from every larger colour: 2 % of violet beside navy and white is none."""
    assert len(palette(cloth(dye, WHITE, near, shares=[0.58, 0.4, 0.02], folds=0.05))) == 2


def test_palette_when_two_greys() -> None:
    """Charcoal and light grey of equal area stay two colours, because nothing fills the path between them."""
    assert found(cloth("#3c3d40", "#a9a9ab", shares=[0.52, 0.48], folds=0.1), "#3c3d40", "#a9a9ab")


def test_palette_when_tone_on_tone() -> None:
    """Navy and light blue of one hue are two dyes."""
    assert found(cloth("#23355f", "#9db3dd", shares=[0.6, 0.4], folds=0.1), "#23355f", "#9db3dd")


def test_palette_when_four_dyes() -> None:
    """Navy, white, red and gold are found in their shares, down to 2 %."""
    colors = palette(cloth(NAVY, WHITE, RED, GOLD, shares=[0.7, 0.22, 0.06, 0.02], folds=0.3))
    assert [round(color.share, 2) for color in colors] == [0.7, 0.22, 0.06, 0.02]
    assert max(difference(color, dye) for color, dye in zip(colors, (NAVY, WHITE, RED, GOLD), strict=True)) < 2.5


def test_palette_when_fine_dark_print() -> None:
    """Small black letters on white cloth, blurred into all greys between, are a colour, although folds are not."""
    dark, light = (np.array(hex_to_rgb(code), float) for code in ("#26262a", WHITE))
    ramp = np.linspace(dark, light, 4000)
    printed = np.concatenate([cloth(WHITE)[:8000], ramp.astype(np.uint8)])
    white, ink = palette(printed)
    assert difference(white, WHITE) < 3
    assert difference(ink, "#4a4a4e") < 8
    assert ink.share > 0.1
    assert found(cloth(WHITE, folds=0.35), WHITE, within=6)


def test_palette_when_small_dye_lies_between_two() -> None:
    """A dye of 4 % between two larger ones in colour is found when it stands out from what is around it."""
    dyes = ("#f4f4f2", "#c0182a", "#dc8890")
    colors = palette(cloth(*dyes, shares=[0.6, 0.36, 0.04]))
    assert len(colors) == 3
    assert difference(colors[2], dyes[2]) < 3


# --- what must not become a colour ----------------------------------------------------------------------------
@pytest.mark.parametrize("quality", [40, 60, 95])
def test_palette_when_jpeg_of_stripes(quality: int) -> None:
    """Two dyes in stripes are two colours, also after a JPEG has blurred their seams."""
    columns = np.arange(240) // 20 % 2
    image = np.array([hex_to_rgb(RED), hex_to_rgb(WHITE)], np.uint8)[np.tile(columns, (240, 1))]
    colors = palette(as_jpeg(image, quality).reshape(-1, 3))
    assert len(colors) == 2
    assert sorted(round(color.share, 1) for color in colors) == [0.5, 0.5]
    assert min(difference(color, RED) for color in colors) < 3


@pytest.mark.parametrize("noise", [4.0, 9.0])
@pytest.mark.parametrize("dye", [NAVY, GREY, "#9c4233"])
def test_palette_when_noisy(dye: str, noise: float) -> None:
    """A sensor's noise adds no colour."""
    assert found(cloth(dye, noise=noise, folds=0.1), dye, within=3)


def test_palette_when_edges_blend() -> None:
    """The blends along a seam, 4 % of the pixels, go to the two colours that they mix."""
    ends = np.array([hex_to_rgb(BLACK), hex_to_rgb(WHITE)], float)
    mixed = np.linspace(ends[0], ends[1], 800).astype(np.uint8)
    assert found(np.concatenate([cloth(BLACK, WHITE, shares=[0.6, 0.4]), mixed]), BLACK, WHITE)


def test_palette_when_specks() -> None:
    """A colour below 1 % is lint, however far it is from the others."""
    assert found(cloth(NAVY, RED, shares=[0.994, 0.006]), NAVY)


def test_palette_when_fewer_colors_are_asked_for() -> None:
    """The largest colours are kept, and the others go to the nearest of them."""
    pixels = cloth(NAVY, WHITE, "#26334f", shares=[0.5, 0.3, 0.2])
    dark, light = palette(pixels, max_colors=2)
    assert (round(dark.share, 2), round(light.share, 2)) == (0.7, 0.3)


def test_palette_when_pixels_weigh_nothing() -> None:
    """Pixels without weight do not count."""
    pixels = cloth(NAVY, RED)
    weights = np.where(np.arange(len(pixels)) < len(pixels) / 2, 255.0, 0.0)
    (color,) = palette(pixels, weights=weights)
    assert difference(color, NAVY) < 2


# --- confidence and spread ------------------------------------------------------------------------------------
def test_spread_when_folds_deepen() -> None:
    """The spread grows with the depth of the folds."""
    spreads = [palette(cloth(RED, folds=folds))[0].spread_de00 or 0.0 for folds in (0.0, 0.1, 0.2, 0.4)]
    assert spreads == sorted(spreads)
    assert spreads[0] < 2 < 5 < spreads[-1]


def test_confidence_when_pixels_are_few() -> None:
    """Confidence grows with the number of pixels."""
    pixels = cloth(RED, folds=0.1)
    sure = [palette(pixels[:: len(pixels) // count])[0].confidence or 0.0 for count in (1, 10, 1000)]
    assert sure == sorted(sure)
    assert sure[0] <= 0.5 < 0.99 < sure[2]


def test_confidence_when_another_color_is_near() -> None:
    """A small colour near another one has less confidence than one that is far from it."""
    near, apart = (palette(cloth(NAVY, other, shares=[0.9, 0.1]))[1].confidence or 0.0 for other in ("#3d4f7a", WHITE))
    assert near < apart


# --- the cheap palette ----------------------------------------------------------------------------------------
def test_medoids_when_two_dyes() -> None:
    """The degraded palette has the pixels' colours and shares, without confidence or spread."""
    colors = histogram_medoids(cloth(NAVY, WHITE, shares=[0.7, 0.3], noise=1.0), max_colors=5)
    assert [round(color.share, 1) for color in colors] == [0.7, 0.3]
    assert max(difference(color, dye) for color, dye in zip(colors, (NAVY, WHITE), strict=True)) < 3
    assert {(color.confidence, color.spread_de00) for color in colors} == {(None, None)}


def test_medoids_when_nothing() -> None:
    """No pixels give no colours."""
    assert histogram_medoids(np.zeros((0, 3), np.uint8), max_colors=5) == ()


def test_shades_are_of_one_hue_when_they_are_green() -> None:
    """A darker green of the same hue is a shade of it. One that is turned by eight degrees is another colour."""
    turn = np.radians([0.0, 8.0])
    lit = np.array([[0.5, -0.15, 0.0]] * 2)
    other = np.stack([np.full(2, 0.25), -0.075 * np.cos(turn), 0.075 * np.sin(turn)], axis=-1)
    assert _are_shades(lit, other).tolist() == [True, False]


def test_colours_keep_their_text_when_a_client_gave_one() -> None:
    """The first text counts of a colour that was given twice."""
    found = palette_from_colors(
        [ColorShare("#1f2a44", 1, "Navy"), ColorShare("#1f2a44", 1, "ink"), ColorShare("#ffffff")]
    )
    assert [color.given for color in found] == ["Navy", UNSET]
