"""Composes the phases into an answer, for the service and the backfill alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import UNSET, UnsetType

from pipeline.garments.regions import fallback_labels, find_regions, labels_from_mask, whole_labels
from pipeline.garments.rle import encode_rle
from pipeline.harmony import harmonise
from pipeline.options import ColorShare, HarmonyOptions, Options, PhotoOptions
from pipeline.palette import extraction
from pipeline.palette.skin import bare_skin, clothed
from pipeline.palette.swatches import palette_from_colors
from pipeline.palette.vector import palette_vector
from pipeline.parts import (
    Codes,
    Extraction,
    Garment,
    Harmony,
    ImageInfo,
    Lighting,
    Match,
    Outfit,
    PaletteVector,
    Region,
    Segment,
    Suggestion,
    Versions,
    coded,
)
from pipeline.types import DecodedImage, LabelMap, Mode, PhaseName, Segmentation
from pipeline.versions import API_VERSION, EXTRACTION_VERSION


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole answer without the request's id and timings."""

    mode: Mode
    degraded: tuple[PhaseName, ...]
    warnings: Codes
    versions: Versions
    image: ImageInfo | None
    garments: tuple[Garment, ...]
    suggestions: tuple[Suggestion, ...]
    common: Codes
    matches: tuple[Match, ...]
    outfits: tuple[Outfit, ...]
    vector: PaletteVector | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Segments:
    """The answer of phase 1 alone. labels: (H, W). garments: without colours."""

    mode: Mode
    degraded: tuple[PhaseName, ...]
    warnings: Codes
    versions: Versions
    image: ImageInfo
    labels: LabelMap
    garments: tuple[Segment, ...]


def given_segmentation(image: DecodedImage, options: Options) -> Segmentation | None:
    """The label map of a given mask or of `segment: none`. None when the network must segment the photo."""
    if image.mask is not None:
        return without_transparent(Segmentation(labels_from_mask(image.mask), None, "mask"), image)
    if options.segment == "none":
        height_px, width_px = image.pixels.shape[:2]
        return without_transparent(Segmentation(whole_labels(height_px, width_px), None, "whole"), image)
    return None


def without_transparent(segmentation: Segmentation, image: DecodedImage) -> Segmentation:
    """The segmentation with the photo's transparent pixels as background."""
    if image.opaque is None:
        return segmentation
    return replace(segmentation, labels=np.where(image.opaque, segmentation.labels, 0).astype(np.uint8))


def fallback_segmentation(image: DecodedImage) -> Segmentation:
    """The degraded label map when the network fails: pixels that differ from the border's colours are the garment."""
    return without_transparent(Segmentation(fallback_labels(image.pixels), None, "fallback"), image)


def fallback_extraction(image: DecodedImage, segmentation: Segmentation, options: PhotoOptions) -> Extraction:
    """The degraded palettes: histogram medoids of real pixels, without confidence. If that fails too: no colours."""
    try:
        garments = extraction.histogram_palette(image.pixels, segmentation.labels, options)
    except Exception:
        garments = tuple(
            Garment(region.id, region.category, region.confidence, region.bbox, region.area, pattern=None, colors=())
            for region in find_regions(segmentation.labels, None, options)
        )
    return Extraction(garments, None, _warnings(garments), EXTRACTION_VERSION)


def fallback_harmony(garments: tuple[Garment, ...], options: HarmonyOptions) -> Harmony:
    """The degraded suggestions: the same function in this process. If that fails too: the classic neutrals."""
    try:
        return harmonise.harmonise(garments, options)
    except Exception:
        return harmonise.neutral_classics(garments, options)


def colors_extraction(colors: tuple[ColorShare, ...], options: Options) -> Extraction:
    """The garment `g1` of colours mode, made of the given `#rrggbb` colours."""
    swatches = palette_from_colors(colors)
    garment = Garment(
        id="g1",
        category=options.category or "unknown",
        confidence=None,
        bbox=None,
        area=None,
        pattern=None,
        colors=swatches,
        vector=palette_vector(swatches) if "vector" in options.include else UNSET,
    )
    return Extraction((garment,), None, (), EXTRACTION_VERSION)


def compose(
    mode: Mode,
    image: DecodedImage | None,
    *,
    segmenter: str | None,
    extracted: Extraction,
    harmonised: Harmony | None,
    options: Options,
    degraded: tuple[PhaseName, ...] = (),
) -> Advice:
    """Combines the answers of the phases. harmonised: None when the request is for the garments alone."""
    advised = harmonised or Harmony(())
    return Advice(
        mode=mode,
        degraded=degraded,
        warnings=extracted.warnings,
        versions=Versions(API_VERSION, segmenter, extracted.version, advised.version or None),
        image=None if image is None else _image_info(image, extracted.lighting),
        garments=extracted.garments,
        suggestions=advised.suggestions,
        common=advised.common,
        matches=advised.matches,
        outfits=advised.outfits,
        vector=_requested_vector(extracted.garments, options),
    )


def advise(image: DecodedImage, segmentation: Segmentation, options: Options) -> Advice:
    """The advice for a decoded photo and its label map, computed in this process. Raises the phases' errors."""
    segmentation = without_transparent(segmentation, image)
    extracted = extraction.extract(
        image.pixels, segmentation.labels, segmentation.confidence, options, opaque=image.opaque
    )
    harmonised = harmonise.harmonise(extracted.garments, options)
    return compose(
        "image",
        image,
        segmenter=segmentation.version,
        extracted=extracted,
        harmonised=harmonised,
        options=options,
    )


def segments(
    image: DecodedImage, segmentation: Segmentation, options: Options, degraded: tuple[PhaseName, ...] = ()
) -> Segments:
    """The garments of a decoded photo and its label map, without colours."""
    found = find_regions(segmentation.labels, segmentation.confidence, options, pixels=image.pixels)
    regions = clothed(found, bare_skin(image.pixels, segmentation.labels))
    return Segments(
        mode="image",
        degraded=degraded,
        warnings=_warnings(regions),
        versions=Versions(API_VERSION, segmentation.version, None, None),
        image=_image_info(image, None),
        labels=segmentation.labels,
        garments=tuple(_segment(region, options) for region in regions),
    )


def _segment(region: Region, options: Options) -> Segment:
    return Segment(
        id=region.id,
        category=region.category,
        confidence=region.confidence,
        bbox=region.bbox,
        area=region.area,
        mask=encode_rle(region.mask) if "masks" in options.include else UNSET,
        alternatives=region.alternatives if "alternatives" in options.include else UNSET,
    )


def _image_info(image: DecodedImage, lighting: Lighting | None) -> ImageInfo:
    height_px, width_px = image.pixels.shape[:2]
    return ImageInfo(image.width, image.height, width_px, height_px, lighting)


def look_vector(garments: tuple[Garment, ...]) -> PaletteVector | None:
    """One vector for the whole look: all garments' colours, weighted by area. None when no garment has colours."""
    weighted = [(swatch, (garment.area or 1.0) * swatch.share) for garment in garments for swatch in garment.colors]
    return palette_vector([s for s, _ in weighted], weights=[w for _, w in weighted]) if weighted else None


def _warnings(garments: Sequence[Garment | Region]) -> Codes:
    return () if garments else (coded("NO_GARMENT"),)


def _requested_vector(garments: tuple[Garment, ...], options: Options) -> PaletteVector | UnsetType:
    vector = look_vector(garments) if "vector" in options.include else None
    return UNSET if vector is None else vector
