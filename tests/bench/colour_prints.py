"""Counts whether printed cloth gets several colours and plain cloth one: `python -m tests.bench.colour_prints`.

    python -m tests.bench.colour_prints --data FOLDER --products FOLDER [--part training]

The folders are annotated photos and product photos by kind. `prints.toml` says how a person sees the cloth.
"""

import argparse
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from pipeline.image.decode import decode_image
from pipeline.options import PhotoOptions
from pipeline.palette.extraction import extract
from pipeline.parts import Garment
from tests.bench.tables import write_section

Cloth = Literal["printed", "plain"]
LABELS = Path(__file__).parent / "prints.toml"


def main() -> None:
    """Prints the counts and, for validation, writes them into docs/results/colour.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="annotated photos")
    parser.add_argument("--products", type=Path, required=True, help="product photos by folder")
    parser.add_argument("--part", choices=("training", "validation"), default="validation", help="which labels")
    given = parser.parse_args()
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
            yield from ((cloth, one) for one in extracted.garments if one.category == kind)


if __name__ == "__main__":
    main()
