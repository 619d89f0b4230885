"""Reasons and advice are true: an independent checker finds no contradiction in palettes and painted garments."""

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from pipeline.analysis import advise, colors_extraction, compose
from pipeline.color.vocabulary import vocabulary
from pipeline.contract import advice_to_json
from pipeline.harmony.harmonise import harmonise
from pipeline.messages import codes
from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.types import GARMENT_CLASSES, DecodedImage, Segmentation
from tests.bench.colour_garments import RECIPES, paint
from tests.pipeline.harmony.truth import contradictions

PALETTES, GARMENTS = 500, 200
# What only a photo of several garments can say.
ELSEWHERE = {"ADD_TO_LOOK"}


def palette_answer(seed: int) -> dict[str, Any]:
    """The answer to one to four colours, half of them words of cloth, with a small wardrobe."""
    draw, words = random.Random(seed), vocabulary("fashion")

    def color() -> str:
        return draw.choice(words.hexes) if draw.random() < 0.5 else f"#{draw.randrange(1 << 24):06x}"

    worn = tuple(ColorShare(color()) for _ in range(draw.choice((1, 1, 2, 3, 4))))
    owned = [worn[0] if draw.random() < 0.03 else ColorShare(color()) for _ in range(8)]
    wardrobe = tuple(
        WardrobeItem(f"w{k}", (one,), draw.choice((*GARMENT_CLASSES, None))) for k, one in enumerate(owned)
    )
    options = Options(
        wardrobe=wardrobe,
        category=draw.choice((None, *GARMENT_CLASSES)),
        intent=draw.choice(("subtle", "balanced", "bold")),
    )
    extracted = colors_extraction(worn, options)
    advice = compose(
        "colors",
        None,
        segmenter=None,
        extracted=extracted,
        harmonised=harmonise(extracted.garments, options),
        options=options,
    )
    answer: dict[str, Any] = json.loads(advice_to_json(advice, "en"))
    return answer


def painted_answer(seed: int) -> dict[str, Any]:
    """The answer to a photo of one painted garment."""
    kind = list(RECIPES)[seed % len(RECIPES)]
    painted = paint(kind, 5000 + seed)
    label = 3 + seed % len(GARMENT_CLASSES)
    labels = np.where(painted.mask, label, 0).astype(np.uint8)
    image = DecodedImage(painted.pixels[::2, ::2], 256, 256)
    advice = advise(image, Segmentation(labels[::2, ::2], None, "painted"), Options())
    answer: dict[str, Any] = json.loads(advice_to_json(advice, "en"))
    return answer


@pytest.fixture(scope="module")
def palette_answers() -> list[dict[str, Any]]:
    return [palette_answer(seed) for seed in range(PALETTES)]


def test_reasons_when_palettes(palette_answers: list[dict[str, Any]]) -> None:
    """No reason and no advice contradicts the colours in the answers to 500 palettes."""
    assert [wrong for answer in palette_answers for wrong in contradictions(answer)] == []


@pytest.mark.parametrize("first", range(0, GARMENTS, 50))
def test_reasons_when_painted_garments(first: int) -> None:
    """No reason and no advice contradicts the colours in the answers to 200 painted garments."""
    assert [wrong for seed in range(first, first + 50) for wrong in contradictions(painted_answer(seed))] == []


def test_codes_when_palettes(palette_answers: list[dict[str, Any]]) -> None:
    """Every published reason and piece of advice occurs in at least 1 % of the answers."""
    counts: Counter[str] = Counter()
    for answer in palette_answers:
        parts = [*answer["suggestions"], *answer["matches"], *answer["outfits"]]
        said = {one["code"] for part in parts for one in (*part["reasons"], *part.get("how_to_wear", ()))}
        counts.update(said | {one["code"] for one in answer["common"]})
    rare = [code for code in (*codes("reasons"), *codes("how_to_wear")) if counts[code] < 0.01 * PALETTES]
    assert set(rare) <= ELSEWHERE


def test_contradictions_when_reasons_are_wrong(palette_answers: list[dict[str, Any]]) -> None:
    """The checker finds what it should: reasons of other suggestions are noticed."""
    answer = json.loads(json.dumps(palette_answers[3]))
    for one in answer["suggestions"]:
        one["reasons"].append({"code": "SHARED_WARMTH", "text": ""})
        one["reasons"].append({"code": "SHARED_COOLNESS", "text": ""})
        one["summary"] = one["summary"].replace(one["colors"][0]["name"], "something")
    assert len(contradictions(answer)) >= len(answer["suggestions"])
