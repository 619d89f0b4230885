"""Prepares training material: pixel-labelled, tagged and product photos become photos with label maps and an index.

    python -m models.train.material OUT --annotated ccp/train --tagged ccp/tagged --products clothing_small/train \\
        --extra clothing_extra

Sources: github.com/bearpaw/clothing-co-parsing (commit fe34fb7) for annotated and tagged photos;
github.com/alexeygrigorev/clothing-dataset-small and clothing-dataset (CC0) for products. OUT gets labels/*.png and
index.jsonl, one line per photo. Nothing of it belongs into the project: most photos show people.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from models.cards import DEFAULT_MODEL, ModelError, load_card
from models.labelled import EXTRA_FOLDERS, FOLDERS, REVIEWED, class_lookup, is_aside
from models.train.teacher import Teacher, product_labels, tagged_labels
from pipeline.types import CLASSES, LabelMap, RgbImage

Source = Literal["annotated", "tagged", "product"]
# Taste: the long side that photos are kept at.
LONG_SIDE_PX: dict[Source, int] = {"annotated": 640, "tagged": 480, "product": 400}
# Folders whose photos have a kind only where REVIEWED names it.
UNSORTED = ("Not_sure", "Other")
# Taste: two passes cost as much as four are worth at this stage.
TEACHER_SIZES_PX = (320, 384)


class Entry(msgspec.Struct, frozen=True):
    """A photo of the index. label: a product's class. aside: kept out of training, for choices between networks."""

    source: Source
    photo: str
    labels: str
    aside: bool
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A photo before it is labelled. tags: our classes on a tagged photo."""

    source: Source
    path: Path
    label: int | None = None
    tags: tuple[int, ...] = ()
    annotation: Path | None = None


def annotated_photos(folder: Path) -> Iterator[Found]:
    """The pixel-labelled photos of FOLDER/photos with FOLDER/labels."""
    for path in sorted((folder / "photos").iterdir()):
        yield Found("annotated", path, annotation=folder / "labels" / f"{path.stem}.png")


def tagged_photos(folder: Path) -> Iterator[Found]:
    """The photos of FOLDER/photos that FOLDER/tags.json names, with their tags in our classes."""
    table = class_lookup(json.loads((folder.parent / "labels.json").read_text()))
    tags = json.loads((folder / "tags.json").read_text())
    for path in sorted((folder / "photos").iterdir()):
        if path.stem in tags:
            yield Found("tagged", path, tags=tuple(sorted({int(table[value]) for value in tags[path.stem]})))


def product_photos(folder: Path, kinds: dict[str, str]) -> Iterator[Found]:
    """The photos of FOLDER/NAME for every known name, and those of unsorted folders that were sorted by eye."""
    for name, kind in kinds.items():
        for path in sorted((folder / name).glob("*.jpg")):
            yield Found("product", path, CLASSES.index(kind))
    reviewed = {one: kind for kind, ids in tomllib.loads(REVIEWED.read_text()).items() for one in ids}
    for name in UNSORTED:
        for path in sorted((folder / name).glob("*.jpg")):
            if path.stem in reviewed:
                yield Found("product", path, CLASSES.index(reviewed[path.stem]))


def read_photo(path: Path, long_side_px: int) -> RgbImage:
    """A photo upright in RGB (H, W, 3), scaled down to a long side by area."""
    with Image.open(path) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    photo.thumbnail((long_side_px, long_side_px), Image.Resampling.BOX)
    return np.asarray(photo)


def labels_of(found: Found, pixels: RgbImage, teacher: Teacher, table: LabelMap) -> LabelMap:
    """The label map (H, W) of a photo: its annotation, or what the teacher sees within its tags or kind."""
    if found.annotation is not None:
        with Image.open(found.annotation) as drawn:
            size_px = (pixels.shape[1], pixels.shape[0])
            return np.asarray(table[np.asarray(drawn.resize(size_px, Image.Resampling.NEAREST))], np.uint8)
    posterior = teacher.posterior(pixels)
    if found.label is not None:
        return product_labels(posterior, found.label)
    return tagged_labels(posterior, found.tags)


def prepare(photos: list[Found], out: Path, teacher: Teacher, table: LabelMap, console: Console) -> None:
    """Writes the label maps that are not there yet, and the index."""
    entries = []
    for found in track(photos, "labels", console=console):
        kept = out / "labels" / found.source / f"{found.path.stem}.png"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            pixels = read_photo(found.path, LONG_SIDE_PX[found.source])
            partial = kept.with_suffix(".partial")
            Image.fromarray(labels_of(found, pixels, teacher, table)).save(partial, format="png")
            partial.rename(kept)
        aside = is_aside(found.path.stem, product=found.source == "product")
        path = str(found.path.resolve())
        entries.append(Entry(found.source, path, str(kept.relative_to(out)), aside, found.label))
    (out / "index.jsonl").write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.train.material OUT …`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.train.material", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--annotated", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--tagged", type=Path, metavar="FOLDER")
    parser.add_argument("--products", type=Path, metavar="FOLDER", help=f"folders {', '.join(FOLDERS)}")
    parser.add_argument("--extra", type=Path, metavar="FOLDER", help=f"folders {', '.join(EXTRA_FOLDERS)}")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID", help="the teacher; default: %(default)s")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(TEACHER_SIZES_PX), help="default: %(default)s px")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads on a CPU; default: %(default)s")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        teacher = Teacher(load_card(options.model), options.sizes, device=options.device, threads=options.threads)
        photos = list(annotated_photos(options.annotated))
        photos += tagged_photos(options.tagged) if options.tagged else []
        photos += product_photos(options.products, FOLDERS) if options.products else []
        photos += product_photos(options.extra, EXTRA_FOLDERS) if options.extra else []
        table = class_lookup(json.loads((options.annotated.parent / "labels.json").read_text()))
        prepare(photos, options.out, teacher, table, console)
    except (ValueError, OSError, ModelError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
