"""Options as text, read by a command and by the service: the same values are taken, and the same are refused."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InvalidOptions
from pipeline.options import ColorShare, Options, WardrobeItem, parse_options
from pipeline.types import GARMENT_CLASSES, SCHEMES
from serve.api import photo_question
from serve.http.multipart import Part
from tests.serve.application import photo_bytes

PHOTO = photo_bytes()

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


def test_all_options_are_read_when_all_are_given() -> None:
    """Every field of the options is read, and means what it says."""
    assert set(WHOLE) == {field.name for field in fields(Options)}
    found = parse_options(json.dumps(WHOLE))
    assert (found.segment, found.intent, found.max_colors, found.store) == ("none", "bold", 3, False)
    assert (found.garments, found.schemes) == (("top", "shoes"), ("complementary", "neutral"))


def test_options_are_the_defaults_when_none_is_given() -> None:
    """An empty object is the contract's defaults."""
    assert parse_options("{}") == Options()


def test_wardrobe_colours_are_parsed_when_named() -> None:
    """Words and short hex become #rrggbb, and the text stays beside it."""
    first, second = parse_options(json.dumps({"wardrobe": WHOLE["wardrobe"]})).wardrobe
    assert first == WardrobeItem("a", (ColorShare("#1f2a44", given="Navy"),))
    assert second.colors == (ColorShare("#ffffff", given="#fff"), ColorShare("#b5121b", 0.2, "red"))


@pytest.mark.parametrize("values", BAD, ids=json.dumps)
def test_options_are_refused_when_a_value_is_bad(values: dict[str, Any]) -> None:
    """A command refuses what the service answers with 422."""
    with pytest.raises(InvalidOptions):
        parse_options(json.dumps(values))


# --- two doors, one reader ------------------------------------------------------------------------------------
IDS = st.sampled_from(["a", "b", "w" * 128, "", "w" * 129, "a\tb", 7])
COLORS = st.sampled_from(["navy", "#FFF", "c19a6b", "#zzz", "", 5, None])
SHARES = st.sampled_from([0.2, 1, 0, -0.5, 1.5, "0.5", None])
SENT_COLORS = st.one_of(
    COLORS, st.fixed_dictionaries({"hex": COLORS}, optional={"share": SHARES, "name": st.just("x")})
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "hex": COLORS,
        "colors": st.lists(SENT_COLORS, max_size=13),
        "category": st.sampled_from(["top", "unknown", "skin", None, 3]),
        "size": st.just(3),
    },
)
WORDS = st.sampled_from(["auto", "none", "worn", "product", "top", "shoes", "neutral", "triadic", "bold", "ryb", "en"])
NUMBERS = st.one_of(st.integers(-1, 26), st.sampled_from([3.0, 3.5, True, "3", None, 10**30]))
LISTS = st.lists(st.one_of(WORDS, st.sampled_from(["masks", "vector", "timings", 5])), max_size=8)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "segment": WORDS,
    "subject": WORDS,
    "category": st.one_of(WORDS, st.none()),
    "garments": st.one_of(LISTS, st.lists(st.sampled_from(GARMENT_CLASSES), max_size=7), st.none()),
    "max_colors": NUMBERS,
    "schemes": st.one_of(LISTS, st.lists(st.sampled_from(SCHEMES), max_size=8)),
    "intent": WORDS,
    "wheel": WORDS,
    "max_suggestions": NUMBERS,
    "wardrobe": st.one_of(st.lists(ITEMS, max_size=3), st.just([{"id": f"w{k}", "hex": "#fff"} for k in range(501)])),
    "white_balance": st.sampled_from(["report", "apply", "auto"]),
    "lang": st.sampled_from(["en", "de", "tlh", 5]),
    "include": LISTS,
    "cache": st.sampled_from(["default", "bypass", "refresh", "no-store"]),
    "store": st.sampled_from([True, False, 0, "false"]),
    "colour": st.just(1),
}


def _by_command(values: dict[str, Any]) -> Options | None:
    try:
        return parse_options(json.dumps(values))
    except InvalidOptions:
        return None


def _by_service(values: dict[str, Any]) -> Options | None:
    parts = {"image": Part(PHOTO, "image/png"), "options": Part(json.dumps(values).encode())}
    try:
        return photo_question(parts, "advice", "tenant").options
    except InvalidOptions:
        return None


@settings(max_examples=1500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(VALUES)), st.none(), max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
    )
)
def test_commands_and_service_agree_when_options_are_any(values: dict[str, Any]) -> None:
    """Whatever a client may write: both doors take it and mean the same, or both refuse it."""
    assert _by_command(values) == _by_service(values)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null"])
def test_options_are_refused_when_the_text_is_no_object(text: str) -> None:
    """Broken JSON and JSON that is no object are one clear error."""
    with pytest.raises(InvalidOptions, match="cannot be read"):
        parse_options(text)
