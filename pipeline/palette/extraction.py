"""Phase 2: turns a photo and its label map into garments with palettes, a lighting report and warnings."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET

from pipeline.garments.regions import find_regions, resize_labels
from pipeline.garments.rle import encode_rle
from pipeline.options import PhotoOptions
from pipeline.palette import lighting
from pipeline.palette.illuminant import estimate_light
from pipeline.palette.palette import extract_palettes, histogram_medoids
from pipeline.palette.sampling import garment_samples, sparse_samples
from pipeline.palette.skin import bare_skin, clothed, without_skin
from pipeline.palette.swatches import describe
from pipeline.palette.vector import palette_vector
from pipeline.palette.whites import Scene
from pipeline.parts import Coded, Codes, Extraction, Garment, Lighting, Pattern, Region, coded
from pipeline.types import ConfidenceMap, LabelMap, Mask, PaletteColor, RgbImage
from pipeline.versions import EXTRACTION_VERSION

# The thresholds below are taste.
# A pattern counts the colours from this share on.
VISIBLE_SHARE = 0.05
# A garment of fewer pixels at analysed size is warned of as tiny.
TINY_PX = 400
# A garment below this confidence is warned of as uncertain.
LOW_CONFIDENCE = 0.55
# A photo of which less than this share is opaque is a cut-out: a dark garment alone is no dark photo.
CUT_OUT_SHARE = 0.9
# A cast is corrected, and warned of, when it is this certain; the warning needs a shift of
# the garments' colours this large.
CAST_CONFIDENCE = 0.5
CAST_SHIFT_DE00 = 3.0
# Garments fill the photo from this share on.
ALL_CLOTH = 0.95


def extract(
    pixels: RgbImage,
    labels: LabelMap,
    confidence: ConfidenceMap | None,
    options: PhotoOptions,
    *,
    opaque: Mask | None = None,
) -> Extraction:
    """The garments of a photo with their colours.

    pixels: (H, W, 3) sRGB; labels: (H, W); confidence: (h, w) over the same extent or None. opaque: (H, W), False where
    the photo is transparent: such pixels are no evidence of the light. With `white_balance: apply` the colours are
    those under neutral light when a cast is certain enough, and the lighting report says so. Raises ValueError when the
    sizes differ.
    """
    if labels.shape != pixels.shape[:2]:
        raise ValueError(f"The label map is {labels.shape}, but the photo is {pixels.shape[:2]}.")
    bare = bare_skin(pixels, labels)
    regions = clothed(find_regions(labels, confidence, options, pixels=pixels), bare)
    light = estimate_light(pixels, labels, valid=opaque)
    shift = lighting.expected_shift(sparse_samples(pixels, regions), light)
    corrected = options.white_balance == "apply" and light.cast != "none" and light.confidence >= CAST_CONFIDENCE
    source = lighting.correct(pixels, light) if corrected else pixels
    full = None if confidence is None else resize_labels(confidence, (labels.shape[1], labels.shape[0]))
    scene = Scene(source, labels, valid=opaque)
    samples = [garment_samples(without_skin(region, bare), source, full) for region in regions]
    exposures = [scene.exposure_beside(region.mask) for region in regions]
    palettes = extract_palettes(samples, max_colors=options.max_colors, exposures=exposures)
    garments = _garments(regions, palettes, [_pattern(palette) for palette in palettes], options)
    report = Lighting(light.cast, light.confidence, shift, corrected)
    return Extraction(garments, report, _warnings(pixels, regions, report, opaque), EXTRACTION_VERSION)


def histogram_palette(pixels: RgbImage, labels: LabelMap, options: PhotoOptions) -> tuple[Garment, ...]:
    """The degraded palettes, for when `extract` fails: the fullest histogram bins of each garment's pixels.

    They have no confidence, spread or pattern.
    """
    bare = bare_skin(pixels, labels)
    regions = clothed(find_regions(labels, None, options), bare)
    samples = [garment_samples(without_skin(region, bare), pixels, None, plain=True) for region in regions]
    palettes = [histogram_medoids(one.rgb, max_colors=options.max_colors) for one in samples]
    return _garments(regions, palettes, [None] * len(regions), options)


def _garments(
    regions: Sequence[Region],
    palettes: Sequence[Sequence[PaletteColor]],
    patterns: Sequence[Pattern | None],
    options: PhotoOptions,
) -> tuple[Garment, ...]:
    return tuple(
        Garment(
            id=region.id,
            category=region.category,
            confidence=region.confidence,
            bbox=region.bbox,
            area=region.area,
            pattern=pattern,
            colors=colors,
            mask=encode_rle(region.mask) if "masks" in options.include else UNSET,
            alternatives=region.alternatives if "alternatives" in options.include else UNSET,
            vector=palette_vector(colors) if "vector" in options.include and colors else UNSET,
        )
        for region, colors, pattern in zip(regions, describe(palettes), patterns, strict=True)
    )


def _pattern(palette: Sequence[PaletteColor]) -> Pattern | None:
    """The pattern, by the number of visible colours; its confidence grows with the share that decides the number."""
    if not palette:
        return None
    shares = [color.share for color in palette]
    count = max(1, sum(share >= VISIBLE_SHARE for share in shares))
    if count == 1:
        return Pattern("solid", 1, round(shares[0], 2))
    if count == 2:
        return Pattern("two_tone", 2, round(sum(shares[:2]), 2))
    return Pattern("multicolor", count, round(min(1.0, 0.5 + 2.5 * shares[2]), 2))


def _is_cut_out(opaque: Mask | None) -> bool:
    """Whether so much of a photo is transparent that what is left says nothing of the light."""
    return opaque is not None and bool(np.count_nonzero(opaque) < CUT_OUT_SHARE * opaque.size)


def _warnings(pixels: RgbImage, regions: tuple[Region, ...], light: Lighting, opaque: Mask | None) -> Codes:
    found: list[Coded] = []

    def warn(code: str, value: float | None = None) -> None:
        found.append(coded(code, value=value))

    # A photo that is all cloth does not tell dark cloth from little light.
    tells = not _is_cut_out(opaque) and sum(region.area for region in regions) < ALL_CLOTH
    luma = lighting.luma(pixels)
    if tells and lighting.is_dark(luma, valid=opaque):
        warn("LOW_LIGHT")
    if lighting.is_blurred(luma):
        warn("BLURRED")
    if not regions:
        warn("NO_GARMENT")
    if any(np.count_nonzero(region.mask) < TINY_PX for region in regions):
        warn("TINY_GARMENT")
    if any(region.confidence is not None and region.confidence < LOW_CONFIDENCE for region in regions):
        warn("LOW_CONFIDENCE")
    if not light.corrected and light.confidence >= CAST_CONFIDENCE and light.expected_shift_de00 >= CAST_SHIFT_DE00:
        warn("COLOUR_CAST", light.expected_shift_de00)
    return tuple(found)
