"""JSON schemas of msgspec structs as the OpenAPI document shows them."""

from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin

import msgspec

from pipeline import types
from serve import vocabulary

_WORDS = [word for module in (types, vocabulary) for word in vars(module).values() if get_origin(word) is Literal]
_ORDERS = {frozenset(get_args(word)): list(get_args(word)) for word in _WORDS}


def component_schemas(kinds: Iterable[type]) -> dict[str, dict[str, Any]]:
    """The schemas of structs and of all that they hold, by component name."""
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    return {name: _completed(schema) for name, schema in found.items()}


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the types of enums, and with null as the default of every field that may be left out.

    v1 published such fields as nullable, though answers leave them out: generated clients rely on it.
    """
    for name, shown in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and "default" not in shown:
            text = {"description": shown.pop("description")} if "description" in shown else {}
            schema["properties"][name] = {"anyOf": [shown, {"type": "null"}], "default": None, **text}
    _put_enums_right(schema)
    return schema


def _put_enums_right(value: Any) -> None:
    """Gives enums of strings their type and the order of the source, in place of msgspec's alphabetical one."""
    if isinstance(value, dict):
        if "enum" in value and all(isinstance(one, str) for one in value["enum"]):
            value["type"] = "string"
            value["enum"] = _ORDERS.get(frozenset(value["enum"]), value["enum"])
            if len(value["enum"]) == 1:
                value["const"] = value.pop("enum")[0]
        for name, part in value.items():
            if name != "propertyNames":
                _put_enums_right(part)
    elif isinstance(value, list):
        for part in value:
            _put_enums_right(part)
