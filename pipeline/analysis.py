"""The one composition of decode, segmentation, extraction and harmony that service and batch share; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from pipeline.garments.regions import fallback_labels, find_regions, labels_from_mask, whole_labels
from pipeline.garments.rle import encode_rle
from pipeline.harmony import harmonise
from pipeline.options import ColorShare, HarmonyOptions, Options, PhotoOptions
from pipeline.palette import extraction
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
    """The whole answer but for the request's own id and measurements."""

    mode: Mode
    degraded: tuple[PhaseName, ...]
    warnings: Codes
    versions: Versions
    image: ImageInfo | None
    garments: tuple[Garment, ...]
    suggestions: tuple[Suggestion, ...]
    matches: tuple[Match, ...]
    outfits: tuple[Outfit, ...]
    vector: PaletteVector | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Segments:
    """Phase 1 alone: the label map, (H, W), and the garments without colours."""

    mode: Mode
    degraded: tuple[PhaseName, ...]
    warnings: Codes
    versions: Versions
    image: ImageInfo
    labels: LabelMap
    garments: tuple[Segment, ...]


def given_segmentation(image: DecodedImage, options: Options) -> Segmentation | None:
    """The label map where no network is needed: a given mask, or `segment: none`; None when phase 1 must run."""
    if image.mask is not None:
        return Segmentation(labels_from_mask(image.mask), None, "mask")
    if options.segment == "none":
        height_px, width_px = image.pixels.shape[:2]
        return Segmentation(whole_labels(height_px, width_px), None, "whole")
    return None


def fallback_segmentation(image: DecodedImage) -> Segmentation:
    """The degraded label map, when the network cannot be had: what differs from the border's colours."""
    return Segmentation(fallback_labels(image.pixels), None, "fallback")


def fallback_extraction(image: DecodedImage, segmentation: Segmentation, options: PhotoOptions) -> Extraction:
    """The degraded palettes: histogram medoids of the real pixels, with no confidence claimed; else no colours."""
    try:
        garments = extraction.histogram_palette(image.pixels, segmentation.labels, options)
    except Exception:
        garments = tuple(
            Garment(region.id, region.category, region.confidence, region.bbox, region.area, pattern=None, colors=())
            for region in find_regions(segmentation.labels, None, options)
        )
    return Extraction(garments, None, _nothing_found(garments), EXTRACTION_VERSION)


def fallback_harmony(garments: tuple[Garment, ...], options: HarmonyOptions) -> Harmony:
    """The degraded suggestions: the same pure function here, and only if that fails too, the neutral classics."""
    try:
        return harmonise.harmonise(garments, options)
    except Exception:
        return harmonise.neutral_classics(garments, options)


def colors_extraction(colors: tuple[ColorShare, ...], options: Options) -> Extraction:
    """Colours mode's garment `g1`, made of the given colours, `#rrggbb` each."""
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
    """Puts the phases' answers together into one advice; harmonised: None when only the garments are asked for."""
    advised = harmonised or Harmony(())
    return Advice(
        mode=mode,
        degraded=degraded,
        warnings=extracted.warnings,
        versions=Versions(API_VERSION, segmenter, extracted.version, advised.version or None),
        image=None if image is None else _image_info(image, extracted.lighting),
        garments=extracted.garments,
        suggestions=advised.suggestions,
        matches=advised.matches,
        outfits=advised.outfits,
        vector=_asked_vector(extracted.garments, options),
    )


def advise(image: DecodedImage, segmentation: Segmentation, options: Options) -> Advice:
    """A decoded photo and its label map to advice in one process. Raises what the phases raise."""
    extracted = extraction.extract(image.pixels, segmentation.labels, segmentation.confidence, options)
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
    """A decoded photo and its label map to garments without colours."""
    regions = find_regions(segmentation.labels, segmentation.confidence, options, pixels=image.pixels)
    return Segments(
        mode="image",
        degraded=degraded,
        warnings=_nothing_found(regions),
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
    """One vector of the whole look: every garment's colours, weighted by the garment's area."""
    weighted = [(swatch, (garment.area or 1.0) * swatch.share) for garment in garments for swatch in garment.colors]
    return palette_vector([s for s, _ in weighted], weights=[w for _, w in weighted]) if weighted else None


def _nothing_found(found: Sequence[Garment | Region]) -> Codes:
    return () if found else (coded("NO_GARMENT"),)


def _asked_vector(garments: tuple[Garment, ...], options: Options) -> PaletteVector | UnsetType:
    vector = look_vector(garments) if "vector" in options.include else None
    return UNSET if vector is None else vector
