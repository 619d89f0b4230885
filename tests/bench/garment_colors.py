"""Counts the main colours of garments in photos: `python -m tests.bench.garment_colors --annotated A --products P`.

Writes pipeline/harmony/garment_colors.csv, the reference population of scores: how many garments have each suggested
colour of the fashion vocabulary as their main colour, by our own segmentation and extraction.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np

from models.train.illuminant import photos
from pipeline.color.difference import delta_e_2000
from pipeline.color.vocabulary import suggested_words
from pipeline.harmony.catalogue import GARMENT_COLORS_FILE
from pipeline.options import PhotoOptions
from pipeline.palette.extraction import extract


def main() -> None:
    """Counts, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotated", type=Path, required=True, help="street photos with labels")
    parser.add_argument("--products", type=Path, required=True, help="product photos by folder")
    given = parser.parse_args()
    words = suggested_words()
    counts: Counter[str] = Counter()
    for pixels, labels in photos(given.annotated, given.products, set()):
        for garment in extract(pixels, labels, None, PhotoOptions()).garments:
            difference = delta_e_2000(np.array(garment.colors[0].lab), words.lab)
            counts[words.names[int(difference.argmin())]] += 1
    with GARMENT_COLORS_FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "garments"))
        writer.writerows((name, counts[name]) for name in words.names)
    print(f"{GARMENT_COLORS_FILE}: {sum(counts.values())} garments")


if __name__ == "__main__":
    main()
