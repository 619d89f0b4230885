"""JSON schemas of our own structs and dataclasses as the OpenAPI document shows them."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

import msgspec

from pipeline import types
from pipeline.options import ColorShare, Options, SentColor, SentItem, WardrobeItem
from serve import vocabulary
from serve.uploads.wanted import WantedUpload

_WORDS = [word for module in (types, vocabulary) for word in vars(module).values() if get_origin(word) is Literal]
_ORDERS = {frozenset(get_args(word)): list(get_args(word)) for word in _WORDS}
# The names that v1's generated clients know.
PUBLISHED: dict[type, str] = {
    SentColor: "ColorModel",
    Options: "OptionsModel",
    SentItem: "WardrobeItemModel",
    WantedUpload: "PresignRequest",
}
_RENAMED = {kind.__name__: name for kind, name in PUBLISHED.items()} | {
    ColorShare.__name__: "ColorModel",
    WardrobeItem.__name__: "WardrobeItemModel",
}


def reference(kind: type) -> dict[str, str]:
    """A reference to the schema of a kind."""
    return {"$ref": f"#/components/schemas/{PUBLISHED.get(kind, kind.__name__)}"}


def answer_schemas(kinds: Iterable[type]) -> dict[str, dict[str, Any]]:
    """The schemas of answers and of all that they hold, by component name.

    Answers may grow within v1, so unknown fields are allowed. A field that answers may leave out is shown with null as
    its default: v1 published it so.
    """
    found = _components(kinds)
    for schema in found.values():
        schema.pop("additionalProperties", None)
        for name, shown in schema.get("properties", {}).items():
            if name not in schema.get("required", ()) and "default" not in shown:
                text = {"description": shown.pop("description")} if "description" in shown else {}
                schema["properties"][name] = {"anyOf": [shown, {"type": "null"}], "default": None, **text}
    return found


def request_schemas(kinds: Iterable[type]) -> dict[str, dict[str, Any]]:
    """The schemas of requests and of all that they hold, by component name, as clients send them.

    An unknown field is refused; a colour may be a text; a wardrobe item has either colours or a hex. Defaults stand in
    the descriptions: generators of TypeScript require a field that has one.
    """
    found = _components([*kinds, SentColor, SentItem])
    for schema in found.values():
        schema["additionalProperties"] = False
        for shown in schema.get("properties", {}).values():
            _describe_default(shown)
    text = found["ColorModel"]["properties"]["hex"]
    for schema in found.values():
        _allow_text(schema, reference(SentColor), text)
    item = found["WardrobeItemModel"]
    both, common = item.pop("properties"), {"type": item.pop("type"), "additionalProperties": False}
    for gone in ("required", "additionalProperties"):
        del item[gone]
    item["oneOf"] = [_with_only(both, common, *names) for names in (("colors", "hex"), ("hex", "colors"))]
    return found


def _describe_default(shown: dict[str, Any]) -> None:
    if "default" not in shown:
        return
    value = shown.pop("default")
    if isinstance(value, str | int) or (isinstance(value, list) and value):
        said = "all of them" if isinstance(value, list) else f"`{msgspec.json.encode(value).decode()}`"
        shown["description"] = f"{shown.get('description', '')} Default: {said}.".strip()


def _components(kinds: Iterable[type]) -> dict[str, dict[str, Any]]:
    _, found = msgspec.json.schema_components(list(kinds), ref_template="#/components/schemas/{name}")
    for kind in (ColorShare, WardrobeItem):
        found.pop(kind.__name__, None)
    _put_right(found)
    named = {_RENAMED.get(name, name): schema for name, schema in found.items()}
    return {name: schema | {"title": name} for name, schema in named.items()}


def _put_right(value: Any) -> None:
    """Gives enums their type and the order of the source, in place of msgspec's alphabetical one, and renames."""
    if isinstance(value, dict):
        _put_enum_right(value)
        if value.get("required") == []:
            del value["required"]
        if isinstance(value.get("default"), tuple):
            value["default"] = list(value["default"])
        if "$ref" in value:
            start, _, name = value["$ref"].rpartition("/")
            value["$ref"] = f"{start}/{_RENAMED.get(name, name)}"
        for part in (part for name, part in value.items() if name != "propertyNames"):
            _put_right(part)
    elif isinstance(value, list):
        for part in value:
            _put_right(part)


def _put_enum_right(schema: dict[str, Any]) -> None:
    if "enum" not in schema or not all(isinstance(one, str) for one in schema["enum"]):
        return
    schema["enum"] = _ORDERS.get(frozenset(schema["enum"]), schema["enum"])
    if "type" not in schema and len(schema["enum"]) == 1:
        schema["const"] = schema.pop("enum")[0]
    schema["type"] = "string"


def _allow_text(value: Any, color: dict[str, str], text: dict[str, Any]) -> None:
    """Shows every list of colours as one of objects or texts."""
    if isinstance(value, dict):
        if value.get("items") == color:
            value["items"] = {"anyOf": [text, color]}
        for part in value.values():
            _allow_text(part, color, text)
    elif isinstance(value, list):
        for part in value:
            _allow_text(part, color, text)


def _with_only(both: dict[str, Any], common: dict[str, Any], given: str, absent: str) -> dict[str, Any]:
    """A wardrobe item with one of its two fields, the other being null."""
    (kind,) = (one for one in both[given]["anyOf"] if one != {"type": "null"})
    properties = {**both, given: kind, absent: {"type": "null"}}
    return {**common, "title": f"PieceWith{given.title()}", "properties": properties, "required": ["id", given]}
