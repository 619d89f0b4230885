"""Phase 2: a photo and its label map to garments with palettes, lighting and warnings; numpy and scipy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline import lighting
from pipeline.messages import notice
from pipeline.palette import extract_palette, histogram_medoids
from pipeline.rle import encode_rle
from pipeline.segmentation import find_regions, resize_labels
from pipeline.swatches import describe
from pipeline.types import (
    ConfidenceMap,
    Extraction,
    Floats,
    Garment,
    LabelMap,
    Lighting,
    Mask,
    Notice,
    Options,
    PaletteColor,
    Pattern,
    Region,
    RgbImage,
)
from pipeline.vector import palette_vector

EXTRACTION_VERSION = "palette-1"
EROSION = 0.012  # of the garment's shorter side: edge pixels are blends with what lies behind
ERODED_LEAST = 0.35  # of the mask: thinner garments are taken whole
CLIPPED, CLIPPED_SHARE = 250, 0.12  # brighter pixels are glare, unless they are a good part of the garment
VISIBLE_SHARE = 0.05  # a colour that the eye counts in a pattern
TINY_PX = 400
LOW_CONFIDENCE = 0.55
CAST_CONFIDENCE, CAST_SHIFT_DE00 = 0.5, 3.0


def extract(pixels: RgbImage, labels: LabelMap, confidence: ConfidenceMap | None, options: Options) -> Extraction:
    """The garments of a photo with their colours.

    pixels: (H, W, 3) sRGB; labels: (H, W); confidence: (h, w) over the same extent or None. With
    `white_balance: apply` colours are those under a neutral light, and the lighting report says so.
    """
    regions = find_regions(labels, confidence, options)
    light = lighting.estimate_light(pixels, labels)
    shift = lighting.expected_shift(_pixels_of(pixels, regions), light)
    corrected = options.white_balance == "apply" and light.cast != "none"
    source = lighting.correct(pixels, light) if corrected else pixels
    sure = None if confidence is None else resize_labels(confidence, (labels.shape[1], labels.shape[0]))
    garments = tuple(_garment(region, source, sure, options) for region in regions)
    report = Lighting(light.cast, light.confidence, shift, corrected)
    return Extraction(garments, report, _warnings(pixels, regions, report, options), EXTRACTION_VERSION)


def histogram_palette(pixels: RgbImage, labels: LabelMap, options: Options) -> tuple[Garment, ...]:
    """The degraded palettes: the fullest histogram bins of each garment's real pixels, with no confidence claimed."""
    regions = find_regions(labels, None, options)
    return tuple(
        _described(region, histogram_medoids(pixels[region.mask], max_colors=options.max_colors), None, options)
        for region in regions
    )


def _garment(region: Region, pixels: RgbImage, sure: ConfidenceMap | None, options: Options) -> Garment:
    rgb, weights = _samples(region.mask, pixels, sure)
    palette = extract_palette(rgb, weights, max_colors=options.max_colors)
    return _described(region, palette, _pattern(palette), options)


def _described(region: Region, palette: Sequence[PaletteColor], pattern: Pattern | None, options: Options) -> Garment:
    colors = describe(palette)
    return Garment(
        id=region.id,
        category=region.category,
        confidence=region.confidence,
        bbox=region.bbox,
        area=region.area,
        pattern=pattern,
        colors=colors,
        mask=encode_rle(region.mask) if "masks" in options.include else None,
        alternatives=region.alternatives if "alternatives" in options.include else None,
        vector=palette_vector(colors) if "vector" in options.include and colors else None,
    )


def _samples(mask: Mask, pixels: RgbImage, sure: ConfidenceMap | None) -> tuple[NDArray[np.uint8], Floats]:
    """The pixels that speak for the garment, (n, 3), and how much each counts, (n,)."""
    rows, columns = ndimage.find_objects(mask.view(np.uint8))[0]
    inside = _eroded(mask[rows, columns])
    rgb = pixels[rows, columns][inside]
    weights = np.ones(len(rgb)) if sure is None else sure[rows, columns][inside] / 255
    glare = rgb.min(axis=1) >= CLIPPED
    if glare.mean() < CLIPPED_SHARE:
        rgb, weights = rgb[~glare], weights[~glare]
    return rgb, weights


def _eroded(mask: Mask) -> Mask:
    turns = round(EROSION * min(mask.shape))
    if not turns:
        return mask
    inner = ndimage.binary_erosion(mask, iterations=turns, border_value=1)
    return inner if inner.sum() >= ERODED_LEAST * mask.sum() else mask


def _pattern(palette: Sequence[PaletteColor]) -> Pattern | None:
    """The pattern by the colours that the eye counts; confidence: how clearly they make up that many."""
    if not palette:
        return None
    shares = [color.share for color in palette]
    count = max(1, sum(share >= VISIBLE_SHARE for share in shares))
    if count == 1:
        return Pattern("solid", 1, round(shares[0], 2))
    if count == 2:
        return Pattern("two_tone", 2, round(sum(shares[:2]), 2))
    return Pattern("multicolor", count, round(min(1.0, 0.5 + 2.5 * shares[2]), 2))


def _warnings(pixels: RgbImage, regions: tuple[Region, ...], light: Lighting, options: Options) -> tuple[Notice, ...]:
    found: list[Notice] = []

    def warn(code: str, value: float | None = None) -> None:
        found.append(notice("warnings", code, options.lang, value=value))

    if lighting.is_dark(pixels):
        warn("LOW_LIGHT")
    if lighting.is_blurred(pixels):
        warn("BLURRED")
    if not regions:
        warn("NO_GARMENT")
    if any(int(region.mask.sum()) < TINY_PX for region in regions):
        warn("TINY_GARMENT")
    if any(region.confidence is not None and region.confidence < LOW_CONFIDENCE for region in regions):
        warn("LOW_CONFIDENCE")
    if light.cast != "none" and light.confidence >= CAST_CONFIDENCE and light.expected_shift_de00 >= CAST_SHIFT_DE00:
        warn("COLOUR_CAST", light.expected_shift_de00)
    return tuple(found)


def _pixels_of(pixels: RgbImage, regions: tuple[Region, ...]) -> NDArray[np.uint8]:
    if not regions:
        return np.zeros((0, 3), np.uint8)
    return pixels[np.logical_or.reduce([region.mask for region in regions])]
