"""Writes photos that may be shown, samples and painted garments: `python -m tests.bench.colour_samples OUT`.

Everything else that a gallery shows is its owner's.
"""

import argparse
import shutil
from pathlib import Path

from PIL import Image

from tests.bench.colour_garments import paint

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
PAINTED = {"a print": ("print", 2), "checks": ("checks", 1), "stripes": ("stripes", 3), "an accent": ("accent", 5)}


def write_samples(folder: Path) -> None:
    """Writes the photos into a new folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for path in SAMPLES.glob("*.jpg"):
        shutil.copy(path, folder)
    for name, (kind, seed) in PAINTED.items():
        Image.fromarray(paint(kind, seed).pixels).save(folder / f"painted, {name}.png")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    write_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
