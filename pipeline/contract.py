"""Advice as the contract's JSON: field names, what is left out, canonical bytes; msgspec and Pillow."""

import base64
import io
from typing import Any

import msgspec
from PIL import Image

from pipeline.analysis import Advice
from pipeline.garments.regions import find_regions
from pipeline.garments.rle import encode_rle
from pipeline.messages import notice
from pipeline.types import DecodedImage, LabelMap, Options, PhaseName, Region, Segmentation, View
from pipeline.versions import API_VERSION

_ENCODER = msgspec.json.Encoder()
_LEFT_OUT: dict[View, tuple[str, ...]] = {
    "advice": (),
    "extract": ("suggestions", "matches", "outfits"),
    "harmony": ("image", "garments", "vector"),
}
_OPTIONAL_OF_GARMENT = ("mask", "alternatives", "vector")


def advice_to_dict(advice: Advice) -> dict[str, Any]:
    """The answer without `request_id` and `meta`, as plain JSON values, keys in the contract's order.

    Fields that a client must ask for (`include`) are absent, not null, when not asked for.
    """
    body: dict[str, Any] = msgspec.to_builtins(advice)
    body["garments"] = [_garment(garment) for garment in body["garments"]]
    body["suggestions"] = [_suggestion(suggestion) for suggestion in body["suggestions"]]
    body["warnings"] = [_notice(warning) for warning in body["warnings"]]
    body["matches"] = [_match(match) for match in body["matches"]]
    for listed in (*body["matches"], *body["outfits"]):
        listed["reasons"] = [_notice(reason) for reason in listed["reasons"]]
    return _without_none(body, ("vector",))


def advice_to_json(advice: Advice, view: View = "advice") -> bytes:
    """The part of the advice that a view shows, as UTF-8 JSON; equal advice gives equal bytes."""
    body = advice_to_dict(advice)
    return _ENCODER.encode({key: value for key, value in body.items() if key not in _LEFT_OUT[view]})


def segments_to_json(
    image: DecodedImage, segmentation: Segmentation, options: Options, degraded: tuple[PhaseName, ...]
) -> bytes:
    """Phase 1 alone: the label map as an 8-bit PNG of class values, and the garments without colours."""
    regions = find_regions(segmentation.labels, segmentation.confidence, options, pixels=image.pixels)
    height_px, width_px = segmentation.labels.shape
    body = {
        "mode": "image",
        "degraded": degraded,
        "warnings": [] if regions else [_notice(msgspec.to_builtins(notice("warnings", "NO_GARMENT", options.lang)))],
        "versions": {"api": API_VERSION, "segmenter": segmentation.version, "palette": None, "harmony": None},
        "image": {
            "width": image.width,
            "height": image.height,
            "analysed_width": width_px,
            "analysed_height": height_px,
            "lighting": None,
        },
        "labels": {"format": "png", "data": _png_base64(segmentation.labels)},
        "garments": [_segment(region, options) for region in regions],
    }
    return _ENCODER.encode(body)


def _segment(region: Region, options: Options) -> dict[str, Any]:
    segment: dict[str, Any] = {
        "id": region.id,
        "category": region.category,
        "confidence": region.confidence,
        "bbox": region.bbox,
        "area": region.area,
    }
    if "masks" in options.include:
        segment["mask"] = msgspec.to_builtins(encode_rle(region.mask))
    if "alternatives" in options.include:
        segment["alternatives"] = msgspec.to_builtins(region.alternatives)
    return segment


def _png_base64(labels: LabelMap) -> str:
    buffer = io.BytesIO()
    Image.fromarray(labels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _garment(garment: dict[str, Any]) -> dict[str, Any]:
    if garment["pattern"] is not None:
        pattern = garment["pattern"]
        garment["pattern"] = {
            "class": pattern["kind"],
            "color_count": pattern["color_count"],
            "confidence": pattern["confidence"],
        }
    return _without_none(garment, _OPTIONAL_OF_GARMENT)


def _suggestion(suggestion: dict[str, Any]) -> dict[str, Any]:
    ordered = {
        "scheme": suggestion["scheme"],
        "intent": suggestion["intent"],
        "score": suggestion["score"],
        "for": suggestion["target"],
        "components": suggestion["components"],
        "colors": suggestion["colors"],
        "reasons": [_notice(reason) for reason in suggestion["reasons"]],
        "how_to_wear": [_notice(advice) for advice in suggestion["how_to_wear"]],
        "cvd": suggestion["cvd"],
        "alternatives": suggestion["alternatives"],
    }
    return _without_none(ordered, ("alternatives",))


def _match(match: dict[str, Any]) -> dict[str, Any]:
    return {
        "item_id": match["item_id"],
        "score": match["score"],
        "for": {"garment_ids": match["target"]["garment_ids"]},
        "components": match["components"],
        "reasons": match["reasons"],
    }


def _notice(notice: dict[str, Any]) -> dict[str, Any]:
    ordered = {"code": notice["code"], "value": notice["value"], "text": notice["text"]}
    return _without_none(ordered, ("value",))


def _without_none(values: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None or key not in optional}
