"""The one composition of decode, segmentation, extraction and harmony that service and batch share; pure."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.garments.regions import fallback_labels, find_regions, labels_from_mask, whole_labels
from pipeline.harmony import harmonise
from pipeline.messages import notice
from pipeline.palette import extraction
from pipeline.palette.swatches import palette_from_colors
from pipeline.palette.vector import palette_vector
from pipeline.types import (
    ColorShare,
    DecodedImage,
    Extraction,
    Garment,
    Harmony,
    Lighting,
    Match,
    Mode,
    Notice,
    Options,
    Outfit,
    PaletteVector,
    PhaseName,
    Segmentation,
    Suggestion,
)
from pipeline.versions import API_VERSION, EXTRACTION_VERSION, Versions


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The photo as it came (upright, px), as it was analysed (px), and its light."""

    width: int
    height: int
    analysed_width: int
    analysed_height: int
    lighting: Lighting | None


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole answer but for the request's own id and measurements."""

    mode: Mode
    degraded: tuple[PhaseName, ...]
    warnings: tuple[Notice, ...]
    versions: Versions
    image: ImageInfo | None
    garments: tuple[Garment, ...]
    suggestions: tuple[Suggestion, ...]
    matches: tuple[Match, ...]
    outfits: tuple[Outfit, ...]
    vector: PaletteVector | None = None


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


def fallback_extraction(image: DecodedImage, segmentation: Segmentation, options: Options) -> Extraction:
    """The degraded palettes: histogram medoids of the real pixels, with no confidence claimed; else no colours."""
    try:
        garments = extraction.histogram_palette(image.pixels, segmentation.labels, options)
    except Exception:
        garments = tuple(
            Garment(region.id, region.category, region.confidence, region.bbox, region.area, pattern=None, colors=())
            for region in find_regions(segmentation.labels, None, options)
        )
    return Extraction(garments, None, _nothing_found(garments, options), EXTRACTION_VERSION)


def fallback_harmony(garments: tuple[Garment, ...], options: Options) -> Harmony:
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
        vector=palette_vector(swatches) if "vector" in options.include else None,
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
        vector=look_vector(extracted.garments) if "vector" in options.include else None,
    )


def analyse(image: DecodedImage, options: Options, segment: Callable[[DecodedImage], Segmentation]) -> Advice:
    """A decoded photo to advice in one process; `segment` runs the network. Raises what the phases raise."""
    return advise(image, given_segmentation(image, options) or segment(image), options)


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


def _image_info(image: DecodedImage, lighting: Lighting | None) -> ImageInfo:
    height_px, width_px = image.pixels.shape[:2]
    return ImageInfo(image.width, image.height, width_px, height_px, lighting)


def look_vector(garments: tuple[Garment, ...]) -> PaletteVector | None:
    """One vector of the whole look: every garment's colours, weighted by the garment's area."""
    weighted = [(swatch, (garment.area or 1.0) * swatch.share) for garment in garments for swatch in garment.colors]
    return palette_vector([s for s, _ in weighted], weights=[w for _, w in weighted]) if weighted else None


def _nothing_found(garments: tuple[Garment, ...], options: Options) -> tuple[Notice, ...]:
    return () if garments else (notice("warnings", "NO_GARMENT", options.lang),)
