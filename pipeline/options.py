"""Options as JSON text for the commands that run without a server: the service's schema; msgspec only."""

from dataclasses import fields, replace
from typing import Any

import msgspec

from pipeline.color.css import parse_css_color
from pipeline.errors import InvalidOptions
from pipeline.messages import LANGUAGES
from pipeline.types import ColorShare, Options, WardrobeItem

MAX_COLORS = 12
MAX_SUGGESTIONS = 24
Kind = type[Options] | type[WardrobeItem] | type[ColorShare]
_OF_CLASS: dict[Kind, frozenset[str]] = {
    kind: frozenset(field.name for field in fields(kind)) for kind in (Options, WardrobeItem, ColorShare)
}


def parse_options(text: str) -> Options:
    """A JSON object of options, as a client would send it. Raises InvalidOptions for an unknown name or a bad value."""
    try:
        values = msgspec.json.decode(text, type=dict[str, Any])
        values["wardrobe"] = [_item(item) for item in values.get("wardrobe", [])]
        options = msgspec.convert(_known(Options, values), Options)
    except (msgspec.MsgspecError, TypeError, AttributeError) as error:
        raise InvalidOptions(f"The options cannot be read: {error}.") from error
    wardrobe = tuple(replace(item, colors=_parsed(item)) for item in options.wardrobe)
    return _checked(replace(options, wardrobe=wardrobe))


def _item(values: dict[str, Any]) -> dict[str, Any]:
    """A wardrobe item with `hex` written as `colors`, and plain colours as objects."""
    item = dict(values)
    if ("hex" in item) == ("colors" in item):
        raise InvalidOptions("A wardrobe item needs either colors or hex.")
    colors = [item.pop("hex")] if "hex" in item else item["colors"]
    item["colors"] = [_known(ColorShare, color) if isinstance(color, dict) else {"hex": color} for color in colors]
    return _known(WardrobeItem, item)


def _known(kind: Kind, values: dict[str, Any]) -> dict[str, Any]:
    for name in values:
        if name not in _OF_CLASS[kind]:
            raise InvalidOptions(f"'{name[:32]}' is no option; known are {', '.join(sorted(_OF_CLASS[kind]))}.")
    return values


def _parsed(item: WardrobeItem) -> tuple[ColorShare, ...]:
    if not 1 <= len(item.colors) <= MAX_COLORS:
        raise InvalidOptions(f"A wardrobe item has {len(item.colors)} colors; allowed are 1 to {MAX_COLORS}.")
    if any(color.share is not None and not 0 < color.share <= 1 for color in item.colors):
        raise InvalidOptions("A colour's share must be above 0 and at most 1.")
    return tuple(ColorShare(parse_css_color(color.hex), color.share) for color in item.colors)


def _checked(options: Options) -> Options:
    if not 1 <= options.max_colors <= MAX_COLORS:
        raise InvalidOptions(f"max_colors is {options.max_colors}; allowed are 1 to {MAX_COLORS}.")
    if not 0 <= options.max_suggestions <= MAX_SUGGESTIONS:
        raise InvalidOptions(f"max_suggestions is {options.max_suggestions}; allowed are 0 to {MAX_SUGGESTIONS}.")
    if options.lang not in LANGUAGES:
        raise InvalidOptions(f"lang is '{options.lang[:16]}'; allowed are {', '.join(LANGUAGES)}.")
    if not options.garments or not options.schemes:
        raise InvalidOptions("garments and schemes must name at least one each.")
    return options
