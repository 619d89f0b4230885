"""Tests request schemas: the accepted and refused values of each option, and the pointers of refusals."""

from dataclasses import fields
from typing import Any, get_args

import pytest

from pipeline.color.words import FORMS
from pipeline.errors import FieldError, InvalidFields
from pipeline.fields import read
from pipeline.options import ColorShare, Options, SentOptions, WardrobeItem
from pipeline.types import GARMENT_CLASSES, SCHEMES, GarmentClass
from serve.http.schemas import ColorsRequest, ObjectRequest

ITEM = {"id": "w1", "hex": "#fff"}
WHITE = ColorShare("#ffffff", given="#fff")
NAVY = ColorShare("#1f2a44", given="navy")


def _options(**given: Any) -> Options:
    return read(given, SentOptions, at="/options")


def _refused(model: type, value: Any, at: str = "") -> tuple[FieldError, ...]:
    with pytest.raises(InvalidFields) as caught:
        read(value, model, at=at)
    return caught.value.fields


def _pointers(model: type, value: Any, at: str = "") -> list[str]:
    return [field.pointer for field in _refused(model, value, at)]


# --- options --------------------------------------------------------------------------------------------------
ACCEPTED: list[tuple[str, Any, Any]] = [
    ("segment", "auto", "auto"),
    ("segment", "none", "none"),
    *(("subject", value, value) for value in ("auto", "product", "worn")),
    *(("category", value, value) for value in (*GARMENT_CLASSES, None)),
    ("garments", ["shoes", "top"], ("top", "shoes")),
    ("garments", ["top", "top"], ("top",)),
    ("garments", list(GARMENT_CLASSES), GARMENT_CLASSES),
    ("max_colors", 1, 1),
    ("max_colors", 12, 12),
    ("schemes", ["triadic", "complementary"], ("complementary", "triadic")),
    ("schemes", list(SCHEMES), SCHEMES),
    *(("intent", value, value) for value in ("subtle", "balanced", "bold")),
    *(("wheel", value, value) for value in ("oklch", "ryb")),
    ("max_suggestions", 0, 0),
    ("max_suggestions", 24, 24),
    ("wardrobe", [], ()),
    ("wardrobe", [ITEM], (WardrobeItem("w1", (WHITE,)),)),
    (
        "wardrobe",
        [{"id": "w2", "colors": ["navy", {"hex": "C19A6B", "share": 0.2}], "category": "shoes"}],
        (WardrobeItem("w2", (NAVY, ColorShare("#c19a6b", 0.2, "C19A6B")), "shoes"),),
    ),
    ("wardrobe", [ITEM | {"category": "unknown"}], (WardrobeItem("w1", (WHITE,), "unknown"),)),
    *(("white_balance", value, value) for value in ("report", "apply")),
    ("lang", "en", "en"),
    ("include", [], ()),
    ("include", ["vector", "masks", "masks"], ("masks", "vector")),
    ("include", ["masks", "timings", "alternatives", "vector"], ("alternatives", "masks", "timings", "vector")),
    *(("cache", value, value) for value in ("default", "bypass", "refresh")),
    ("store", True, True),
    ("store", False, False),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("segment", "yes", ""),
    ("subject", "model", ""),
    ("category", "hat", ""),
    ("category", "unknown", ""),
    ("garments", [], ""),
    ("garments", "top", ""),
    ("garments", ["top", "skin"], "/1"),
    ("garments", ["unknown"], "/0"),
    ("garments", ["top"] * 7, ""),
    ("max_colors", 0, ""),
    ("max_colors", 13, ""),
    ("max_colors", "5", ""),
    ("max_colors", 5.5, ""),
    ("max_colors", True, ""),
    ("max_colors", None, ""),
    ("schemes", [], ""),
    ("schemes", ["clash"], "/0"),
    ("intent", "Bold", ""),
    ("wheel", "hsv", ""),
    ("max_suggestions", -1, ""),
    ("max_suggestions", 25, ""),
    ("wardrobe", {}, ""),
    ("wardrobe", [ITEM, ITEM], ""),
    ("wardrobe", [{"id": f"w{k}", "hex": "#fff"} for k in range(501)], ""),
    ("wardrobe", [{"id": "w1"}], "/0"),
    ("wardrobe", [ITEM | {"colors": ["#fff"]}], "/0"),
    ("wardrobe", [{"hex": "#fff"}], "/0/id"),
    ("wardrobe", [ITEM | {"id": ""}], "/0/id"),
    ("wardrobe", [ITEM | {"id": "w" * 129}], "/0/id"),
    ("wardrobe", [ITEM | {"id": 7}], "/0/id"),
    ("wardrobe", [ITEM | {"hex": "#zzz"}], "/0/hex"),
    ("wardrobe", [{"id": "w1", "colors": []}], "/0/colors"),
    ("wardrobe", [{"id": "w1", "colors": ["#fff", "#zzz"]}], "/0/colors/1"),
    ("wardrobe", [{"id": "w1", "colors": [{"hex": "#zzz"}]}], "/0/colors/0/hex"),
    ("wardrobe", [ITEM | {"category": "background"}], "/0/category"),
    ("wardrobe", [ITEM | {"colour": "red"}], "/0/colour"),
    ("white_balance", "auto", ""),
    ("lang", "xx", ""),
    ("lang", 5, ""),
    ("include", ["mask"], "/0"),
    ("include", "masks", ""),
    ("cache", "no-store", ""),
    ("store", "false", ""),
    ("store", 0, ""),
    ("max_colours", 5, ""),
    ("a/b~c", 5, ""),
]


def test_every_option_has_accepted_and_refused_values() -> None:
    """Each option of the core has accepted and refused values here."""
    names = {field.name for field in fields(Options)}
    assert {name for name, _, _ in ACCEPTED} == names
    assert {name for name, _, _ in REFUSED} == names | {"max_colours", "a/b~c"}


def test_the_defaults_are_the_contracts_when_options_are_empty() -> None:
    """No options and empty options mean the core's defaults, which are the contract's."""
    assert _options() == Options()
    assert (Options().max_colors, Options().max_suggestions, Options().intent) == (5, 8, "balanced")
    assert (Options().wheel, Options().cache, Options().store, Options().include) == ("oklch", "default", True, ())


def test_the_class_names_are_the_cores_when_compared() -> None:
    """The kinds that a client can ask for are the label map's garment classes."""
    assert get_args(GarmentClass) == GARMENT_CLASSES


@pytest.mark.parametrize(("name", "value", "core"), ACCEPTED)
def test_an_option_reaches_the_core_when_its_value_is_allowed(name: str, value: Any, core: Any) -> None:
    """An allowed value arrives in its canonical form, and no other option changes with it."""
    assert _options(**{name: value}) == Options(**{name: core})


@pytest.mark.parametrize(("name", "value", "below"), REFUSED)
def test_an_option_is_refused_when_its_value_is_not_allowed(name: str, value: Any, below: str) -> None:
    """A bad value is refused with one pointer into the client's own document."""
    step = name.replace("~", "~0").replace("/", "~1")
    assert _pointers(Options, {name: value}, at="/options") == [f"/options/{step}{below}"]


def test_all_bad_fields_are_named_when_there_are_several() -> None:
    """One answer names every bad field."""
    value = {"max_colors": 13, "x": 1, "wardrobe": [{"id": "a", "hex": "#zzz"}, {"id": "b", "hex": "#yyy"}]}
    assert sorted(_pointers(Options, value, at="/options")) == [
        "/options/max_colors",
        "/options/wardrobe/0/hex",
        "/options/wardrobe/1/hex",
        "/options/x",
    ]


# --- requests -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("colors", "core"),
    [
        (["#1f2a44"], (ColorShare("#1f2a44", given="#1f2a44"),)),
        (["1F2A44", "navy"], (ColorShare("#1f2a44", given="1F2A44"), NAVY)),
        ([{"hex": "navy"}], (NAVY,)),
        (
            [{"hex": "#fff", "share": 1}, "Red"],
            (ColorShare("#ffffff", 1.0, "#fff"), ColorShare("#b5121b", given="Red")),
        ),
        (["rgb(31, 42, 68)"], (ColorShare("#1f2a44", given="rgb(31, 42, 68)"),)),
        (["#fff"] * 12, (WHITE,) * 12),
    ],
)
def test_colours_reach_the_core_when_they_are_written(colors: Any, core: tuple[ColorShare, ...]) -> None:
    """A request has 1 to 12 colours: hex, words or functions, or objects of one with a share."""
    assert read({"colors": colors}, ColorsRequest).colors == core


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        ({}, ["/colors"]),
        ({"colors": None}, ["/colors"]),
        ({"colors": "navy"}, ["/colors"]),
        ({"colors": []}, ["/colors"]),
        ({"colors": ["#fff"] * 13}, ["/colors"]),
        ({"colors": ["#zzz"]}, ["/colors/0"]),
        ({"colors": ["#fff", "transparent", "#ff"]}, ["/colors/1", "/colors/2"]),
        ({"colors": ["url(http://x)"]}, ["/colors/0"]),
        ({"colors": [7]}, ["/colors/0"]),
        ({"colors": [None]}, ["/colors/0"]),
        ({"colors": [["#fff"]]}, ["/colors/0"]),
        ({"colors": [{"hex": "#zzz"}]}, ["/colors/0/hex"]),
        ({"colors": [{"share": 0.5}]}, ["/colors/0/hex"]),
        ({"colors": [{"hex": "#fff", "share": 0}]}, ["/colors/0/share"]),
        ({"colors": [{"hex": "#fff", "share": -0.1}]}, ["/colors/0/share"]),
        ({"colors": [{"hex": "#fff", "share": 1.01}]}, ["/colors/0/share"]),
        ({"colors": [{"hex": "#fff", "share": "0.5"}]}, ["/colors/0/share"]),
        ({"colors": [{"hex": "#fff", "share": float("inf")}]}, ["/colors/0/share"]),
        ({"colors": [{"hex": "#fff", "name": "white"}]}, ["/colors/0/name"]),
        ({"colors": ["#fff"], "option": {}}, ["/option"]),
        ({"colors": ["#fff"], "options": None}, ["/options"]),
        ({"colors": ["#fff"], "options": []}, ["/options"]),
        ({"colors": ["#fff"], "options": {"max_colors": 13}}, ["/options/max_colors"]),
        ([], [""]),
        ("navy", [""]),
        (None, [""]),
    ],
)
def test_a_request_is_refused_when_its_colours_are_bad(value: Any, pointers: list[str]) -> None:
    """Anything but 1 to 12 CSS colours, and any unknown field, is refused with its pointer."""
    assert _pointers(ColorsRequest, value) == pointers


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"object_key": ""}, "/object_key"),
        ({"object_key": "k" * 513}, "/object_key"),
        ({"object_key": 5}, "/object_key"),
        ({"object_key": "k", "colors": ["#fff"]}, "/colors"),
        ({"object_key": "k", "options": {"x": 1}}, "/options/x"),
    ],
)
def test_an_object_request_is_refused_when_its_fields_are_bad(value: Any, pointer: str) -> None:
    """An object key is a string of 1 to 512 characters, and a request has one input only."""
    assert _pointers(ObjectRequest, value) == [pointer]


# --- what a refusal says --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"colors": ["#fff"], "options": {"max_colors": 13}}, "Input should be less than or equal to 12. Given: 13."),
        ({"colors": ["#fff"] * 13}, "Input should have 1 to 12 items. Given: 13 items."),
        ({"colors": ["#fff"], "options": {"x": 1}}, "Unknown field."),
        (
            {"colors": ["#zzz"]},
            f"'#zzz' is not a known colour. Allowed are {FORMS}. Given: '#zzz'.",
        ),
        ({"colors": ["#fff"], "options": {"lang": "xx"}}, "Allowed: en. Given: 'xx'."),
        ({"colors": ["#fff"], "options": 5}, "Input should be a JSON object. Given: 5."),
    ],
)
def test_a_message_names_the_actual_and_the_allowed_value(value: Any, message: str) -> None:
    """A message names the given and the allowed value."""
    assert [field.message for field in _refused(ColorsRequest, value)] == [message]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"colors": [5]},
        {"colors": ["#fff"], "options": []},
        {"colors": ["#fff"], "options": {"wardrobe": [5]}},
        {"colors": ["x" * 10_000], "y" * 10_000: 1},
        {"colors": ["#fff"], "options": {"max_colors": 10**4000, "lang": "z" * 10_000, "intent": "q" * 10_000}},
    ],
)
def test_a_message_reveals_nothing_of_ours(value: Any) -> None:
    """A message contains no class name of ours, and at most the beginning of the client's own text."""
    for field in _refused(ColorsRequest, value):
        assert not [name for name in ("Model", "Request", "msgspec", "serve.") if name in field.message]
        assert len(field.message) < 300
        assert len(field.pointer) < 200
