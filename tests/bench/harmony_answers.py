"""Measures what answers say about photos: `python -m tests.bench.harmony_answers --data FOLDER [--products FOLDER]`.

Counts statements that an independent checker contradicts, and how scores, ratings and moods are spread. The folders are
annotated photos, and product photos by kind; the default network labels the products.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.train.illuminant import photos
from pipeline.analysis import advise
from pipeline.contract import advice_to_json
from pipeline.harmony.pair_score import CALM_CHROMA, points_from_hexes
from pipeline.options import Options
from pipeline.types import DecodedImage, Segmentation
from tests.bench.tables import write_section
from tests.pipeline.harmony.truth import contradictions

PHOTOS = 200


def answers(data: Path, products: Path) -> Iterator[dict[str, Any]]:
    """The answers to at most PHOTOS photos, half of them of products."""
    found = list(photos(data, products, set(), most_products=PHOTOS // 2))
    for pixels, labels in found[: PHOTOS // 2] + found[-PHOTOS // 2 :]:
        image = DecodedImage(pixels, pixels.shape[1], pixels.shape[0])
        answer: dict[str, Any] = json.loads(
            advice_to_json(advise(image, Segmentation(labels, None, "bench"), Options()), "en")
        )
        yield answer


def main() -> None:
    """Prints the figures and writes them into docs/results/colour.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="annotated photos")
    parser.add_argument("--products", type=Path, required=True, help="product photos by folder")
    given = parser.parse_args()
    found = list(answers(given.data, given.products))
    wrong = [one for answer in found for one in contradictions(answer)]
    suggestions = [one for answer in found for one in answer["suggestions"]]
    scores = np.array([one["score"] for one in suggestions])
    low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75))
    bands = np.histogram(scores, np.linspace(0, 1, 11))[0] / len(scores)
    ratings, moods = (Counter(one[name] for one in suggestions) for name in ("rating", "mood"))
    three = sum(len({one["mood"] for one in answer["suggestions"][:3]}) == 3 for answer in found)
    muted = sum(_is_muted(answer) for answer in found)
    codes = Counter(code["code"] for one in suggestions for code in (*one["reasons"], *one["how_to_wear"]))
    lines = (
        f"{len(found)} photos, {len(suggestions)} suggestions; statements that the colours contradict: {len(wrong)}",
        f"scores: quartiles {low:.2f}, {middle:.2f}, {high:.2f}; the fullest band of 0.1 holds {max(bands):.0%}",
        f"ratings: {_shares(ratings)}",
        f"moods: {_shares(moods)}; all three are among the first three suggestions of {three} photos",
        f"the first daring one leaves only muted colours on {muted} photos",
        f"the most frequent codes: {_shares(Counter(dict(codes.most_common(6))), len(suggestions))}",
    )
    text = "\n".join(f"- {line}" for line in lines)
    print(text, *wrong[:20], sep="\n")
    write_section("bench-harmony answers", text)


def _is_muted(answer: dict[str, Any]) -> bool:
    """Whether the first daring suggestion and its garments have no strong colour."""
    daring = next(one for one in answer["suggestions"] if one["mood"] == "daring")
    garments = {garment["id"]: garment for garment in answer["garments"]}
    worn = [color for name in daring["for"]["garment_ids"] for color in garments[name]["colors"]]
    hexes = [color["hex"] for color in (*worn, *daring["colors"])]
    return bool(points_from_hexes(hexes).oklch[:, 1].max() < CALM_CHROMA)


def _shares(counts: Counter[str], total: int = 0) -> str:
    total = total or sum(counts.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in counts.most_common())


if __name__ == "__main__":
    main()
