"""Extraction from whole photos: palettes do not depend on the view, and patterns, warnings and light are right."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.garments.regions import find_regions, labels_from_mask, whole_labels
from pipeline.options import Options
from pipeline.palette.extraction import extract, histogram_palette
from pipeline.palette.sampling import SAMPLES_PX, garment_samples
from pipeline.palette.vector import palette_error
from pipeline.parts import Extraction, Garment
from pipeline.types import CLASSES, LabelMap, Mask, RgbImage
from tests.bench.colour_garments import Painted, paint

TOP, SKIN, HAIR = (CLASSES.index(name) for name in ("top", "skin", "hair"))
SIDE_PX = 160


@cache
def painted(kind: str) -> Painted:
    """One painted garment. It is drawn once."""
    return paint(kind, 7)


def only(found: Extraction) -> Garment:
    """The one garment."""
    (garment,) = found.garments
    return garment


def seen(pixels: RgbImage, mask: Mask, **options: Any) -> Garment:
    return only(extract(pixels, labels_from_mask(mask), None, Options(**options)))


def scene(*bands: tuple[int, int, int], wall: tuple[int, int, int] = (205, 205, 205)) -> tuple[RgbImage, LabelMap]:
    """A square top in horizontal bands of equal height before a wall, with a little noise."""
    image = np.full((SIDE_PX, SIDE_PX, 3), wall, float)
    labels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    inside = slice(30, 130)
    labels[inside, inside] = TOP
    which = np.arange(100) * len(bands) // 100
    image[inside, inside] = np.array(bands, float)[which][:, None]
    noisy = image + np.random.default_rng(1).normal(0, 1.5, image.shape)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8), labels


def codes(found: Extraction) -> set[str]:
    return {warning.code for warning in found.warnings}


# --- the same garment, seen otherwise -------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["print", "stripes", "accent", "shaded folds"])
@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, np.rot90], ids=["mirrored", "upside down", "turned"])
def test_palette_when_turned(kind: str, turn: Any) -> None:
    """A mirrored or turned photo has the same palette within 0.5 ΔE00, and as many colours."""
    one = painted(kind)
    straight, turned = seen(one.pixels, one.mask), seen(np.ascontiguousarray(turn(one.pixels)), turn(one.mask))
    assert len(straight.colors) == len(turned.colors)
    assert palette_error(straight.colors, turned.colors) < 0.5


@pytest.mark.parametrize("kind", ["print", "stripes", "accent", "shaded folds"])
@pytest.mark.parametrize("side_px", [256, 1024])
def test_palette_when_resized(kind: str, side_px: int) -> None:
    """Half or twice the size is the same palette within 1.5 ΔE00."""
    one = painted(kind)
    pixels = np.asarray(Image.fromarray(one.pixels).resize((side_px, side_px), Image.Resampling.LANCZOS))
    mask = np.asarray(Image.fromarray(one.mask).resize((side_px, side_px), Image.Resampling.NEAREST))
    assert palette_error(seen(one.pixels, one.mask).colors, seen(pixels, mask).colors) < 1.5


def test_extract_when_repeated() -> None:
    """The same photo has the same answer, to the last digit."""
    one = painted("print")
    assert seen(one.pixels, one.mask) == seen(one.pixels, one.mask)


def test_samples_when_mask_is_large() -> None:
    """The number of sampled pixels is bounded, however large the garment is."""
    labels = whole_labels(2048, 2048)
    (region,) = find_regions(labels, None, Options())
    samples = garment_samples(region, np.full((2048, 2048, 3), 90, np.uint8), None)
    assert len(samples.rgb) == len(samples.weights) == SAMPLES_PX


# --- what belongs to the garment ------------------------------------------------------------------------------
def test_colors_when_wall_skin_and_hair_are_strong() -> None:
    """A green wall, skin and hair inside the picture give the garment no colour."""
    pixels, labels = scene((31, 42, 68), wall=(40, 200, 60))
    pixels[0:28], labels[0:14], labels[14:28] = (224, 172, 140), SKIN, HAIR
    (garment,) = extract(pixels, labels, None, Options()).garments
    assert garment.category == "top"
    assert [swatch.names.fashion.name for swatch in garment.colors] == ["navy"]


def test_colors_when_stripes_have_soft_edges() -> None:
    """The blends that a lens and a JPEG make along every edge of two dyes are no third colour."""
    one = painted("stripes")
    assert len(seen(one.pixels, one.mask).colors) == len(one.share) == 2


def test_mask_when_one_pixel() -> None:
    """A mask of one pixel gives that pixel's colour with low confidence and a warning."""
    mask = np.zeros((64, 64), bool)
    mask[20, 30] = True
    pixels = np.full((64, 64, 3), (192, 24, 42), np.uint8)
    found = extract(pixels, labels_from_mask(mask), None, Options())
    (color,) = only(found).colors
    assert (color.hex, color.share) == ("#c0182a", 1.0)
    assert (color.confidence or 0) <= 0.5
    assert "TINY_GARMENT" in codes(found)


@pytest.mark.parametrize(("value", "name"), [(255, "white"), (0, "black")])
def test_whole_image_when_white_or_black(value: int, name: str) -> None:
    """An all-white picture is a white garment, not glare, and an all-black picture is a black garment."""
    pixels = np.full((80, 80, 3), value, np.uint8)
    (color,) = only(extract(pixels, whole_labels(80, 80), None, Options(segment="none"))).colors
    assert (color.names.basic.name, color.share) == (name, 1.0)


@pytest.mark.parametrize(
    ("bands", "kind", "count"),
    [
        ([(31, 42, 68)], "solid", 1),
        ([(31, 42, 68), (245, 242, 234)], "two_tone", 2),
        ([(31, 42, 68), (245, 242, 234), (192, 24, 42)], "multicolor", 3),
        ([(31, 42, 68), (245, 242, 234), (192, 24, 42), (212, 167, 44)], "multicolor", 4),
    ],
)
def test_pattern_when_bands(bands: list[tuple[int, int, int]], kind: str, count: int) -> None:
    """The pattern counts the colours that an eye sees."""
    pattern = only(extract(*scene(*bands), None, Options())).pattern
    assert pattern is not None
    assert (pattern.kind, pattern.color_count) == (kind, count)


def test_confidence_of_a_pattern_when_three_colours_show() -> None:
    """It grows with the third colour's share, which decides that the pattern is not two-toned."""
    found = []
    for third in (20, 40):
        pixels = np.zeros((60, 200, 3), np.uint8)
        pixels[:, :90], pixels[:, 90 : 200 - third], pixels[:, 200 - third :] = (200, 30, 30), (30, 30, 200), (240,) * 3
        (garment,) = extract(pixels, labels_from_mask(np.ones((60, 200), bool)), None, Options()).garments
        assert garment.pattern
        assert garment.pattern.kind == "multicolor"
        found.append(garment.pattern.confidence)
    assert found == pytest.approx([0.75, 1.0], abs=0.03)


def test_garment_when_parts_are_asked_for() -> None:
    """Mask and vector are in the answer only when they are included."""
    plain = only(extract(*scene((31, 42, 68)), None, Options()))
    full = only(extract(*scene((31, 42, 68)), None, Options(include=("masks", "vector"))))
    assert (plain.mask, plain.vector) == (UNSET, UNSET)
    assert full.mask is not UNSET
    assert full.vector is not UNSET


def test_histogram_palette_when_phase_failed() -> None:
    """The degraded palette has the real colours, without confidence, spread or pattern."""
    (garment,) = histogram_palette(*scene((31, 42, 68), (245, 242, 234)), Options())
    assert {swatch.names.fashion.name for swatch in garment.colors} == {"navy", "off-white"}
    assert garment.pattern is None
    assert {(swatch.confidence, swatch.spread_de00) for swatch in garment.colors} == {(None, None)}


# --- warnings -------------------------------------------------------------------------------------------------
def test_warnings_when_photo_is_good() -> None:
    """A sharp, bright photo under neutral light has no warnings."""
    assert codes(extract(*scene((31, 42, 68), (245, 242, 234)), None, Options())) == set()


def test_warnings_when_photo_is_bad() -> None:
    """Darkness, blur, an empty label map and an uncertain kind each have a warning."""
    pixels, labels = scene((31, 42, 68), (245, 242, 234))
    dark = (pixels * 0.25).astype(np.uint8)
    soft = np.rint(gaussian_filter(pixels.astype(float), (9, 9, 0))).astype(np.uint8)
    unsure = np.full(labels.shape, 90, np.uint8)
    assert "LOW_LIGHT" in codes(extract(dark, labels, None, Options()))
    assert "BLURRED" in codes(extract(soft, labels, None, Options()))
    assert "NO_GARMENT" in codes(extract(pixels, np.zeros_like(labels), None, Options()))
    assert "LOW_CONFIDENCE" in codes(extract(pixels, labels, unsure, Options()))


# --- light ----------------------------------------------------------------------------------------------------
def test_light_when_cast_is_reported_and_when_applied() -> None:
    """A warm cast is reported and changes no colour; with `apply` the colours are those under neutral light."""
    neutral = only(extract(*scene((120, 120, 122)), None, Options()))
    pixels, labels = scene((133, 120, 102), wall=(228, 205, 172))
    told = extract(pixels, labels, None, Options())
    applied = extract(pixels, labels, None, Options(white_balance="apply"))
    assert told.lighting is not None
    assert applied.lighting is not None
    assert (told.lighting.cast, told.lighting.corrected, applied.lighting.corrected) == ("warm", False, True)
    assert "COLOUR_CAST" in codes(told)
    assert "COLOUR_CAST" not in codes(applied)
    assert palette_error(only(told).colors, neutral.colors) > 6
    assert palette_error(only(applied).colors, neutral.colors) < 3
    shift = palette_error(only(told).colors, only(applied).colors)
    assert told.lighting.expected_shift_de00 == pytest.approx(shift, abs=1)


def test_confidence_may_be_smaller_when_the_photo_is_no_square() -> None:
    """A map of half the size covers the same extent, and gives the palette of a map of the whole size."""
    pixels, labels = scene((150, 30, 40), (40, 70, 150))
    pixels, labels = pixels[20:140], labels[20:140]
    small, full = (np.full((120 // part, 160 // part), 220, np.uint8) for part in (2, 1))
    small[30:, :] = full[60:, :] = 120
    one, other = (extract(pixels, labels, confidence, Options()) for confidence in (small, full))
    assert only(one).colors == only(other).colors
