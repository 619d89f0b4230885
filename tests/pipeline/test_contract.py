"""The answer's JSON: the contract's field names and no others, what only `include` brings, equal bytes."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.analysis import Advice, advise, colors_extraction, compose, fallback_segmentation, segments
from pipeline.contract import advice_to_json, segments_to_json
from pipeline.garments.rle import decode_rle
from pipeline.harmony.harmonise import harmonise
from pipeline.messages import catalogue
from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.parts import RleMask
from pipeline.types import DecodedImage, Include, LabelMap, Segmentation, View

EVERYTHING: tuple[Include, ...] = ("masks", "timings", "alternatives", "vector")
WARDROBE = (
    WardrobeItem("w1", (ColorShare("#c19a6b"),), "bottom"),
    WardrobeItem("w2", (ColorShare("#ffffff"),), "shoes"),
    WardrobeItem("w3", (ColorShare("#2f4f4f"),), "outerwear"),
)

# The contract, word for word; `segmenter` and the like stand for whole values.
ADVICE = [
    "mode",
    "degraded",
    "warnings",
    "versions",
    "image",
    "garments",
    "suggestions",
    "common",
    "matches",
    "outfits",
]
VERSIONS = ["api", "segmenter", "palette", "harmony"]
IMAGE = ["width", "height", "analysed_width", "analysed_height", "lighting"]
LIGHTING = ["cast", "confidence", "expected_shift_de00", "corrected"]
GARMENT = ["id", "category", "confidence", "bbox", "area", "pattern", "colors"]
MASK = ["size", "counts", "format"]
PATTERN = ["class", "color_count", "confidence"]
COLOR = [
    "role", "hex", "oklch", "lab", "share", "confidence", "spread_de00", "temperature", "neutral", "names",
    "text_color", "contrast",
]  # fmt: skip
NAMES = ["basic", "iscc_nbs", "fashion"]
SUGGESTION = [
    "summary", "mood", "scheme", "intent", "score", "rating", "for", "components", "colors", "reasons", "how_to_wear",
    "cvd",
]  # fmt: skip
COMPONENTS = ["hue", "lightness", "separation", "vividness"]
CVD = ["protan_min_de00", "deutan_min_de00", "tritan_min_de00", "distinct"]
MATCH = ["item_id", "score", "rating", "for", "components", "reasons"]
OUTFIT = ["item_ids", "score", "rating", "missing", "components", "reasons"]


def _photo() -> tuple[DecodedImage, Segmentation]:
    """A navy top with a white stripe over camel trousers, worn, dark enough for a warning."""
    pixels, labels = np.full((200, 150, 3), 70, np.uint8), np.zeros((200, 150), np.uint8)
    parts = ((1, (90, 60, 50), (10, 60)), (3, (25, 34, 54), (60, 120)), (5, (77, 61, 43), (120, 190)))
    for label, color, (top, bottom) in parts:
        labels[top:bottom, 40:110] = label
        pixels[top:bottom, 40:110] = color
    pixels[80:92, 40:110] = 80
    labels[100:104, 60:90] = 4
    return DecodedImage(pixels, 150, 200), Segmentation(labels, np.full((50, 40), 128, np.uint8), "net:1:fp32:cpu")


def _advice(include: tuple[Include, ...] = ()) -> Advice:
    image, segmentation = _photo()
    return advise(image, segmentation, Options(include=include, wardrobe=WARDROBE))


def _body(advice: Advice, view: View = "advice") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(advice_to_json(advice, "en", view))
    return body


def _keys(values: dict[str, Any]) -> list[str]:
    return list(values)


# --- field names ----------------------------------------------------------------------------------------------
def test_top_level_is_the_contracts_when_nothing_is_included() -> None:
    """The names and their order, but for request_id and meta, which the service adds around them."""
    body = _body(_advice())
    assert _keys(body) == ADVICE
    assert _keys(body["versions"]) == VERSIONS
    assert _keys(body["image"]) == IMAGE
    assert _keys(body["image"]["lighting"]) == LIGHTING
    assert body["mode"] == "image"
    assert body["degraded"] == []


def test_garments_are_the_contracts_when_nothing_is_included() -> None:
    """Every field of garments and their colours, and no other."""
    garments = _body(_advice())["garments"]
    assert [garment["category"] for garment in garments] == ["bottom", "top"]
    for garment in garments:
        assert _keys(garment) == GARMENT
        assert _keys(garment["pattern"]) == PATTERN
        for color in garment["colors"]:
            assert _keys(color) == COLOR
            assert _keys(color["names"]) == NAMES
            assert all(_keys(name) == ["name", "de00"] for name in color["names"].values())
        assert sum(color["share"] for color in garment["colors"]) == pytest.approx(1, abs=1e-3)


def test_suggestions_are_the_contracts_when_nothing_is_included() -> None:
    """Every field of suggestions, reasons and the colour-blind report, and no other."""
    suggestions = _body(_advice())["suggestions"]
    assert len(suggestions) == 8
    for suggestion in suggestions:
        assert _keys(suggestion) == SUGGESTION
        assert _keys(suggestion["for"]) == ["garment_ids", "colors"]
        assert _keys(suggestion["components"]) == COMPONENTS
        assert _keys(suggestion["cvd"]) == CVD
        assert all(_keys(color) == ["hex", "name", "role", "share"] for color in suggestion["colors"])
        for notice in suggestion["reasons"] + suggestion["how_to_wear"]:
            assert _keys(notice) in (["code", "value", "text"], ["code", "text"])


def test_matches_and_outfits_are_the_contracts_when_a_wardrobe_is_given() -> None:
    """Matches name the garments they are for, and nothing of their colours."""
    body = _body(_advice())
    assert body["matches"]
    assert body["outfits"]
    for match in body["matches"]:
        assert _keys(match) == MATCH
        assert _keys(match["for"]) == ["garment_ids"]
        assert _keys(match["components"]) == COMPONENTS
    for outfit in body["outfits"]:
        assert _keys(outfit) == OUTFIT
        assert _keys(outfit["components"]) == COMPONENTS


def test_optional_fields_are_there_when_included() -> None:
    """Masks, alternatives and vectors come only when asked for, each where the contract has it."""
    image, _ = _photo()
    body = _body(_advice(EVERYTHING))
    assert _keys(body) == [*ADVICE, "vector"]
    assert _keys(body["vector"]) == ["version", "values"]
    for garment in body["garments"]:
        assert _keys(garment) == [*GARMENT, "mask", "alternatives", "vector"]
        assert _keys(garment["mask"]) == MASK
        assert all(_keys(other) == ["category", "share"] for other in garment["alternatives"])
        mask = decode_rle(RleMask(tuple(garment["mask"]["size"]), garment["mask"]["counts"], "coco_rle"))
        assert mask.mean() == pytest.approx(garment["area"], abs=1e-4)
        assert mask.shape == image.pixels.shape[:2]
    top = next(garment for garment in body["garments"] if garment["category"] == "top")
    assert [other["category"] for other in top["alternatives"]] == ["outerwear"]
    for suggestion in body["suggestions"]:
        assert _keys(suggestion) == [*SUGGESTION, "alternatives"]
        assert all(_keys(swap) == ["replaces", "hex", "name", "score"] for swap in suggestion["alternatives"])


def test_warnings_are_published_ones_when_a_photo_is_poor() -> None:
    """A warning has a code of the message file and its text."""
    warnings = _body(_advice())["warnings"]
    assert "LOW_LIGHT" in [warning["code"] for warning in warnings]
    for warning in warnings:
        assert warning["code"] in catalogue("en")["warnings"]
        assert warning["text"]


# --- modes and views ------------------------------------------------------------------------------------------
def test_answer_is_the_contracts_when_only_colours_are_given() -> None:
    """Colours mode: no image, one garment g1 of unknown kind without box, area, pattern and mask."""
    options = Options(include=EVERYTHING)
    extracted = colors_extraction((ColorShare("#1f2a44", 0.6), ColorShare("#c19a6b", 0.2)), options)
    harmonised = harmonise(extracted.garments, options)
    body = _body(compose("colors", None, segmenter=None, extracted=extracted, harmonised=harmonised, options=options))
    assert _keys(body) == [*ADVICE, "vector"]
    assert (body["mode"], body["image"], body["versions"]["segmenter"]) == ("colors", None, None)
    (garment,) = body["garments"]
    assert _keys(garment) == [*GARMENT, "vector"]
    assert (garment["id"], garment["category"]) == ("g1", "unknown")
    assert [garment[name] for name in ("confidence", "bbox", "area", "pattern")] == [None] * 4
    assert [color["share"] for color in garment["colors"]] == [0.75, 0.25]


@pytest.mark.parametrize(
    ("view", "missing"),
    [
        ("extract", {"suggestions", "common", "matches", "outfits"}),
        ("harmony", {"image", "garments"}),
        ("advice", set()),
    ],
)
def test_view_leaves_out_the_other_phases_when_one_is_asked(view: View, missing: set[str]) -> None:
    """The one-phase endpoints show their part of the same answer."""
    whole, part = _body(_advice()), _body(_advice(), view)
    assert set(whole) - set(part) == missing
    assert part == {key: value for key, value in whole.items() if key not in missing}


def _labels_of(body: dict[str, Any]) -> LabelMap:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body["labels"]["data"]))))


@pytest.mark.parametrize("include", [(), EVERYTHING])
def test_label_map_is_the_networks_when_only_segments_are_asked(include: tuple[Include, ...]) -> None:
    """Phase 1 alone: an 8-bit PNG of class values, and the same garments as in the advice, without colours."""
    image, segmentation = _photo()
    body = json.loads(
        segments_to_json(segments(image, segmentation, Options(include=include), ("segmentation",)), "en")
    )
    assert _keys(body) == ["mode", "degraded", "warnings", "versions", "image", "labels", "garments"]
    assert body["degraded"] == ["segmentation"]
    assert _keys(body["labels"]) == ["format", "data"]
    assert body["labels"]["format"] == "png"
    np.testing.assert_array_equal(_labels_of(body), segmentation.labels)
    segment = ["id", "category", "confidence", "bbox", "area"]
    wanted = [{key: one[key] for key in segment} for one in _body(_advice())["garments"]]
    assert [{key: one[key] for key in segment} for one in body["garments"]] == wanted
    optional = ["mask", "alternatives"] if include else []
    assert all(_keys(garment) == segment + optional for garment in body["garments"])


def test_nothing_found_is_an_answer_when_there_is_no_garment() -> None:
    """An empty label map: no garments, no suggestions, a warning, in the advice and in the segments."""
    image, _ = _photo()
    empty = Segmentation(np.zeros((200, 150), np.uint8), None, "net:1:fp32:cpu")
    for data in (
        advice_to_json(advise(image, empty, Options()), "en"),
        segments_to_json(segments(image, empty, Options()), "en"),
    ):
        body = json.loads(data)
        assert body["garments"] == []
        assert body.get("suggestions", []) == []
        assert "NO_GARMENT" in [warning["code"] for warning in body["warnings"]]


def test_kind_is_unknown_when_the_mask_is_a_fallback() -> None:
    """Without a network the version says so, and no kind and no confidence is made up."""
    image, _ = _photo()
    body = _body(advise(image, fallback_segmentation(image), Options()))
    assert body["versions"]["segmenter"] == "fallback"
    assert {(garment["category"], garment["confidence"]) for garment in body["garments"]} == {("unknown", None)}


def test_bytes_are_equal_when_the_question_is() -> None:
    """Equal advice is equal bytes: nothing in an answer depends on time, order of sets or chance."""
    assert advice_to_json(_advice(EVERYTHING), "en") == advice_to_json(_advice(EVERYTHING), "en")
    assert b" " not in advice_to_json(_advice(), "en")[:60]
