"""Writes photos that may be shown, the samples: `python -m tests.bench.colour_samples OUT`.

Everything else that a gallery shows is its owner's.
"""

import argparse
import shutil
from pathlib import Path

from serve.http.pages import PLAYGROUND
from tests.bench.sample_photos import scenes

PHOTO = Path(__file__).parents[2] / "docs" / "samples" / "grace_hopper.jpg"


def write_samples(folder: Path) -> None:
    """Writes the photos into a new folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    shutil.copy(PHOTO, folder)
    for name in scenes():
        shutil.copy(PLAYGROUND / f"sample-{name}.webp", folder / f"{name}.webp")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    write_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
