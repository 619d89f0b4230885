"""Tests advice in every input mode, over real HTTP and with the real network."""

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.cluster.application import photo_form
from tests.cluster.contract import must_be_answer

# Standard: in OKLCH, sRGB red lies at 29 degrees, orange at 53 to 70 and yellow at 110.
ORANGE_HUE_DEG = (30.0, 75.0)


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_the_astronauts_suit_is_orange(client: httpx.Client, astronaut: bytes) -> None:
    """The astronaut's suit is a garment whose main colour is a vivid orange, and gets advice."""
    answer = must_be_answer(client.post("/v1/advice", **photo_form(astronaut)), "AdviceAnswer")
    low_deg, high_deg = ORANGE_HUE_DEG
    suits = [
        garment["id"]
        for garment in answer["garments"]
        for color in garment["colors"]
        if color["role"] == "main" and color["oklch"][1] > 0.1 and low_deg <= color["oklch"][2] <= high_deg
    ]
    assert suits, answer["garments"]
    assert answer["suggestions"]
    assert answer["degraded"] == []
    assert any(set(suits) & set(suggestion["for"]["garment_ids"]) for suggestion in answer["suggestions"])


def test_grace_hoppers_uniform_is_dark_and_neutral(client: httpx.Client, grace_hopper: bytes) -> None:
    """Grace Hopper's uniform is a dark, nearly neutral garment. Skin and hair are not garments."""
    answer = must_be_answer(client.post("/v1/advice", **photo_form(grace_hopper)), "AdviceAnswer")
    mains = [color for one in answer["garments"] for color in one["colors"] if color["role"] == "main"]
    assert any(color["lab"][0] < 25 and color["oklch"][1] < 0.05 for color in mains), mains
    assert answer["suggestions"]
    assert (answer["image"]["width"], answer["image"]["height"]) == (512, 600)


def test_every_optional_part_is_there_when_all_are_included(client: httpx.Client, astronaut: bytes) -> None:
    """`include` adds masks, timings, alternatives and vectors. Without it, the answer has none of them."""
    everything = ["masks", "timings", "alternatives", "vector"]
    answer = must_be_answer(client.post("/v1/advice", **photo_form(astronaut, include=everything)), "AdviceAnswer")
    image, garment = answer["image"], answer["garments"][0]
    assert garment["mask"]["size"] == [image["analysed_height"], image["analysed_width"]]
    assert garment["mask"]["format"] == "coco_rle"
    assert garment["alternatives"]
    assert len(garment["vector"]["values"]) == len(answer["vector"]["values"]) > 0
    assert any(suggestion["alternatives"] for suggestion in answer["suggestions"])
    assert answer["meta"]["timing_ms"].keys() >= {"decode", "segmentation", "extraction", "harmony", "total"}

    bare = client.post("/v1/advice", **photo_form(astronaut)).json()
    assert not {"mask", "alternatives", "vector"} & bare["garments"][0].keys()
    assert "vector" not in bare
    assert "timing_ms" not in bare["meta"]


def test_colours_are_the_garment_when_only_colours_are_given(client: httpx.Client) -> None:
    """Colours become one garment of unknown kind with normalised shares, and no image."""
    body = {"colors": [{"hex": "#1f2a44", "share": 0.6}, {"hex": "#c19a6b", "share": 0.2}]}
    answer = must_be_answer(client.post("/v1/advice", json=body), "AdviceAnswer")
    (garment,) = answer["garments"]
    assert (answer["mode"], answer["image"], garment["id"], garment["category"]) == ("colors", None, "g1", "unknown")
    assert {color["hex"]: color["share"] for color in garment["colors"]} == {"#1f2a44": 0.75, "#c19a6b": 0.25}
    assert answer["suggestions"]
    assert answer["meta"]["cache"]["segmentation"] == "skipped"


def test_the_mask_is_the_garment_when_one_is_given(client: httpx.Client) -> None:
    """Only the masked half of a picture, blue on its left and red on its right, is analysed."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :80], pixels[:, 80:] = (31, 42, 180), (190, 20, 30)
    covered = np.zeros((120, 160), np.uint8)
    covered[10:110, 10:70] = 255
    answer = must_be_answer(client.post("/v1/advice", **photo_form(png(pixels), mask=png(covered))), "AdviceAnswer")
    (garment,) = answer["garments"]
    assert garment["category"] == "unknown"
    assert answer["versions"]["segmenter"] == "mask"
    assert [color["names"]["basic"]["name"] for color in garment["colors"]] == ["blue"]


def test_the_whole_image_is_the_garment_when_segment_is_none(client: httpx.Client, astronaut: bytes) -> None:
    """`segment: none` skips the network, and the garment has the hinted category."""
    form = photo_form(astronaut, segment="none", category="top")
    answer = must_be_answer(client.post("/v1/advice", **form), "AdviceAnswer")
    (garment,) = answer["garments"]
    assert (garment["category"], answer["versions"]["segmenter"]) == ("top", "whole")
    assert answer["meta"]["cache"]["segmentation"] == "skipped"


def test_wardrobe_items_are_ranked_when_a_wardrobe_is_given(client: httpx.Client) -> None:
    """Every match names an item of the wardrobe, best first."""
    wardrobe: list[dict[str, Any]] = [
        {"id": "camel-coat", "hex": "#c19a6b", "category": "outerwear"},
        {"id": "white-shoes", "colors": ["white"], "category": "shoes"},
        {"id": "neon-hat", "hex": "#39ff14", "category": "accessory"},
    ]
    body = {"colors": ["navy"], "options": {"wardrobe": wardrobe}}
    answer = must_be_answer(client.post("/v1/advice", json=body), "AdviceAnswer")
    scores = [match["score"] for match in answer["matches"]]
    assert {match["item_id"] for match in answer["matches"]} <= {item["id"] for item in wardrobe}
    assert answer["matches"]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("path", "schema_name"),
    [
        ("/v1/advice", "AdviceAnswer"),
        ("/v1/segment", "SegmentAnswer"),
        ("/v1/extract", "ExtractAnswer"),
        ("/v1/harmony", "HarmonyAnswer"),
    ],
)
def test_every_endpoint_answers_in_its_shape_when_sent_a_photo(
    client: httpx.Client, astronaut: bytes, path: str, schema_name: str
) -> None:
    """The one-phase endpoints take the same photo and answer their part of the advice."""
    answer = must_be_answer(client.post(path, **photo_form(astronaut)), schema_name)
    assert answer["mode"] == "image"
    assert answer["degraded"] == []


def test_labels_are_a_png_of_classes_when_segmenting(client: httpx.Client, astronaut: bytes) -> None:
    """`segment` answers a label map at analysed size with class values only."""
    answer = must_be_answer(client.post("/v1/segment", **photo_form(astronaut)), "SegmentAnswer")
    labels = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["labels"]["data"]))))
    assert labels.shape == (answer["image"]["analysed_height"], answer["image"]["analysed_width"])
    assert set(np.unique(labels).tolist()) <= set(range(9))
    assert all("colors" not in garment for garment in answer["garments"])
