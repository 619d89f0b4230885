"""Advice as the contract's JSON: field names, what is left out, canonical bytes; msgspec only."""

from typing import Any

import msgspec

from pipeline.analysis import Advice

_ENCODER = msgspec.json.Encoder()
_OPTIONAL_OF_GARMENT = ("mask", "alternatives", "vector")


def advice_to_dict(advice: Advice) -> dict[str, Any]:
    """The answer without `request_id` and `meta`, as plain JSON values, keys in the contract's order.

    Fields that a client must ask for (`include`) are absent, not null, when not asked for.
    """
    body: dict[str, Any] = msgspec.to_builtins(advice)
    body["garments"] = [_garment(garment) for garment in body["garments"]]
    body["suggestions"] = [_suggestion(suggestion) for suggestion in body["suggestions"]]
    body["warnings"] = [_notice(warning) for warning in body["warnings"]]
    for match in body["matches"]:
        match["for"] = {"garment_ids": match.pop("target")["garment_ids"]}
    for listed in (*body["matches"], *body["outfits"]):
        listed["reasons"] = [_notice(reason) for reason in listed["reasons"]]
    return _without_none(body, ("vector",))


def advice_to_json(advice: Advice) -> bytes:
    """`advice_to_dict` as UTF-8 JSON; equal advice gives equal bytes."""
    return _ENCODER.encode(advice_to_dict(advice))


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


def _notice(notice: dict[str, Any]) -> dict[str, Any]:
    ordered = {"code": notice["code"], "value": notice["value"], "text": notice["text"]}
    return _without_none(ordered, ("value",))


def _without_none(values: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None or key not in optional}
