"""Counts whether printed cloth gets several colours and plain cloth one: `python -m tests.bench.colour_prints`.

    python -m tests.bench.colour_prints --data FOLDER --products FOLDER [--part training]
    python -m tests.bench.colour_prints --fit

The folders are annotated photos and product photos by kind. `prints.toml` says how a person sees the cloth. `--fit`
fits `PRINT_CONFIDENCE_WEIGHTS` of palette.py anew, to painted garments alone.
"""

import argparse
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np
from sklearn.linear_model import LogisticRegression

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from pipeline.garments.regions import find_regions, labels_from_mask
from pipeline.image.decode import decode_image
from pipeline.options import Options, PhotoOptions
from pipeline.palette import palette
from pipeline.palette.extraction import extract
from pipeline.palette.sampling import garment_samples
from pipeline.parts import Garment
from tests.bench.colour_garments import RECIPES, paint
from tests.bench.colour_metrics import Palette, distances
from tests.bench.tables import write_section

Cloth = Literal["printed", "plain"]
LABELS = Path(__file__).parent / "prints.toml"
# The seeds of painted garments that no table reports, for each kind.
FIT_SEEDS = range(3000, 3060)


def main() -> None:
    """Prints the counts and, for validation, writes them into docs/results/colour.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="annotated photos")
    parser.add_argument("--products", type=Path, help="product photos by folder")
    parser.add_argument("--fit", action="store_true", help="fit the confidence of prints")
    parser.add_argument("--part", choices=("training", "validation"), default="validation", help="which labels")
    given = parser.parse_args()
    if given.fit:
        print("PRINT_CONFIDENCE_WEIGHTS = ({:.2f}, {:.2f})".format(*fitted()))
        return
    if not given.data or not given.products:
        parser.error("--data and --products are needed, or --fit")
    found: dict[Cloth, Counter[str]] = {"printed": Counter(), "plain": Counter()}
    for cloth, garment in labelled(given.data, given.products, given.part):
        several = garment.pattern is not None and garment.pattern.kind != "solid"
        found[cloth]["several colours" if several else "one colour"] += 1
    lines = [
        f"- {cloth}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        for cloth, counts in found.items()
    ]
    print("\n".join(lines))
    if given.part == "validation":
        write_section("bench-prints", "\n".join(lines))


def labelled(data: Path, products: Path, part: str) -> Iterator[tuple[Cloth, Garment]]:
    """Each labelled garment that the default network finds, and how a person sees its cloth."""
    segmenter = open_segmenter(load_card(DEFAULT_MODEL))
    labels: dict[Cloth, list[str]] = tomllib.loads(LABELS.read_text())[part]
    for cloth, entries in labels.items():
        for photo, kind in (entry.split() for entry in entries):
            path = products / f"{photo}.jpg" if "/" in photo else data / "photos" / f"{photo}.jpg"
            image = decode_image(path.read_bytes(), network_px=segmenter.input_px)
            parsed = segmenter.segment_photo(image)
            extracted = extract(image.pixels, parsed.labels, parsed.confidence, PhotoOptions())
            of_kind = [one for one in extracted.garments if one.category == kind]
            if of_kind:
                yield cloth, max(of_kind, key=lambda one: one.area or 0.0)


@patch.object(palette, "PRINT_CONFIDENCE_WEIGHTS", (0.0, 1.0))
def fitted() -> tuple[float, float]:
    """The constant and the slope that turn a plain garment's logit of confidence into that of a print."""
    told, right = [], []
    for one in (paint(kind, seed) for kind in RECIPES for seed in FIT_SEEDS):
        (region,) = find_regions(labels_from_mask(one.mask), None, Options())
        samples = garment_samples(region, one.pixels, None)
        if samples.unblended is not None:
            colors = palette.extract_palettes([samples], max_colors=8)[0]
            found = Palette(np.array([color.rgb for color in colors], float), np.array([c.share for c in colors]))
            told += [np.clip(color.confidence or 0.0, 1e-6, 1 - 1e-6) for color in colors]
            right += (distances(found, Palette(one.rgb, one.share)).min(axis=1) <= 3).tolist()
    chance = np.array(told)
    fit = LogisticRegression(C=np.inf).fit(np.log(chance / (1 - chance))[:, None], right)
    return float(fit.intercept_[0]), float(fit.coef_[0, 0])


if __name__ == "__main__":
    main()
