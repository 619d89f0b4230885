"""Options as text: what the service takes is taken, what it refuses is refused."""

import json
from typing import Any

import pytest

from pipeline.errors import InvalidOptions
from pipeline.options import parse_options
from pipeline.types import ColorShare, Options, WardrobeItem
from serve.http.schemas import OptionsModel, validate

WHOLE: dict[str, Any] = {
    "segment": "none",
    "subject": "worn",
    "category": "top",
    "garments": ["top", "shoes"],
    "max_colors": 3,
    "schemes": ["complementary", "neutral"],
    "intent": "bold",
    "wheel": "ryb",
    "max_suggestions": 2,
    "wardrobe": [{"id": "a", "hex": "Navy"}, {"id": "b", "colors": ["#fff", {"hex": "red", "share": 0.2}]}],
    "white_balance": "apply",
    "lang": "en",
    "include": ["masks"],
    "cache": "bypass",
    "store": False,
}
BAD: list[dict[str, Any]] = [
    {"colour": 1},
    {"max_colors": 0},
    {"max_colors": 13},
    {"max_colors": "3"},
    {"max_suggestions": 25},
    {"lang": "tlh"},
    {"intent": "loud"},
    {"garments": []},
    {"schemes": []},
    {"wardrobe": [{"id": "a"}]},
    {"wardrobe": [{"id": "a", "hex": "#fff", "colors": ["#fff"]}]},
    {"wardrobe": [{"id": "a", "hex": "#zzz"}]},
    {"wardrobe": [{"id": "a", "hex": "#fff", "size": 3}]},
    {"wardrobe": [{"id": "a", "colors": []}]},
    {"wardrobe": [{"id": "a", "colors": [{"hex": "#fff", "share": 0}]}]},
    {"wardrobe": 3},
]


def test_options_are_the_services_when_all_are_given() -> None:
    """Every field of the service's schema is taken and means the same."""
    assert set(WHOLE) == set(OptionsModel.model_fields)
    assert parse_options(json.dumps(WHOLE)) == validate(OptionsModel, WHOLE).to_core()


def test_options_are_the_defaults_when_none_is_given() -> None:
    """An empty object is the contract's defaults."""
    assert parse_options("{}") == Options()


def test_wardrobe_colours_are_parsed_when_named() -> None:
    """Names and short hex become #rrggbb."""
    first, second = parse_options(json.dumps({"wardrobe": WHOLE["wardrobe"]})).wardrobe
    assert first == WardrobeItem("a", (ColorShare("#000080"),))
    assert second.colors == (ColorShare("#ffffff"), ColorShare("#ff0000", 0.2))


@pytest.mark.parametrize("values", BAD, ids=json.dumps)
def test_options_are_refused_when_the_service_refuses_them(values: dict[str, Any]) -> None:
    """Whatever the service answers with 422 raises here too."""
    with pytest.raises(InvalidOptions):
        validate(OptionsModel, values)
    with pytest.raises(InvalidOptions):
        parse_options(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null"])
def test_options_are_refused_when_the_text_is_no_object(text: str) -> None:
    """Broken JSON and JSON that is no object are one clear error."""
    with pytest.raises(InvalidOptions, match="cannot be read"):
        parse_options(text)
