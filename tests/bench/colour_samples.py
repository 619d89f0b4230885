"""Writes the pictures of the playground's samples for a gallery: `python -m tests.bench.colour_samples OUT`.

The photos in docs/samples are not among them: the network misses parts of their hats and helmets.
"""

import argparse
import shutil
from pathlib import Path

from serve.http.pages import PLAYGROUND
from tests.bench.sample_photos import scenes


def write_samples(folder: Path) -> None:
    """Writes the pictures into a new folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in scenes():
        shutil.copy(PLAYGROUND / f"sample-{name}.webp", folder / f"{name}.webp")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    write_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
