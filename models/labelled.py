"""Reads folders of labelled photos for training and evaluation, with their labels in our classes.

Annotated photos are in FOLDER/photos, FOLDER/labels and FOLDER/../labels.json, as in clothing-co-parsing. Product
photos are in FOLDER/GARMENT/*.jpg, as in clothing-dataset-small, and have no masks.
"""

import csv
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.types import CLASSES, LabelMap

# The 59 labels of clothing-co-parsing, by our classes.
GROUPS = {
    "background": "null",
    "skin": "skin",
    "hair": "hair",
    "top": "blouse bodysuit bra cardigan hoodie intimate jumper shirt sweater sweatshirt t-shirt tie top vest",
    "outerwear": "blazer cape coat jacket suit",
    "bottom": "jeans leggings panties pants shorts skirt stockings tights",
    "full_body": "dress romper swimwear",
    "shoes": "boots clogs flats heels loafers pumps sandals shoes sneakers socks wedges",
    "accessory": "accessories bag belt bracelet earrings glasses gloves hat necklace purse ring scarf sunglasses "
    "wallet watch",
}
# Our class of each folder of clothing-dataset-small.
FOLDERS = {
    "dress": "full_body",
    "hat": "accessory",
    "longsleeve": "top",
    "outwear": "outerwear",
    "pants": "bottom",
    "shirt": "top",
    "shoes": "shoes",
    "shorts": "bottom",
    "skirt": "bottom",
    "t-shirt": "top",
}
# Our class of each folder of the full clothing-dataset that says a kind.
EXTRA_FOLDERS = {
    "Blazer": "outerwear",
    "Blouse": "top",
    "Body": "top",
    "Dress": "full_body",
    "Hat": "accessory",
    "Hoodie": "top",
    "Longsleeve": "top",
    "Outwear": "outerwear",
    "Pants": "bottom",
    "Polo": "top",
    "Shirt": "top",
    "Shoes": "shoes",
    "Shorts": "bottom",
    "Skirt": "bottom",
    "T-Shirt": "top",
    "Top": "top",
    "Undershirt": "top",
}
# Kinds of photos that no folder of the full data set names, sorted by eye.
REVIEWED = Path(__file__).with_name("reviewed.toml")


def class_lookup(names: Sequence[str]) -> LabelMap:
    """A table (256,) that maps a data set's label values to ours. Raises ValueError for an unknown name.

    names: the data set's labels, in the order of their values.
    """
    table = np.zeros(256, np.uint8)
    for value, name in enumerate(names):
        ours = [group for group, members in GROUPS.items() if name in members.split()]
        if not ours:
            raise ValueError(f"The label '{name}' belongs to none of our classes.")
        table[value] = CLASSES.index(ours[0])
    return table


def every(_stem: str) -> bool:
    """Keeps all photos."""
    return True


def labelled_photos(folder: Path, keep: Callable[[str], bool] = every) -> Iterator[tuple[bytes, LabelMap]]:
    """The files of an annotated folder, by name, with their labels (H, W) in our classes.

    keep: whether a photo of this id is wanted. Raises ValueError when the folder has another layout.
    """
    if not (folder / "photos").is_dir() or not (folder.parent / "labels.json").is_file():
        raise ValueError(f"{folder} is not an annotated folder: it needs photos/, labels/ and ../labels.json.")
    table = class_lookup(json.loads((folder.parent / "labels.json").read_text()))
    for path in (path for path in sorted((folder / "photos").iterdir()) if keep(path.stem)):
        with Image.open(folder / "labels" / f"{path.stem}.png") as labels:
            yield path.read_bytes(), table[np.asarray(labels)]


def product_paths(folder: Path, per_class: int | None = None) -> list[Path]:
    """The photos of the known garment folders, the first per_class of each. Raises ValueError when there are none."""
    found = [path for name in FOLDERS for path in sorted((folder / name).glob("*.jpg"))[:per_class]]
    if not found:
        raise ValueError(f"{folder} has no product photos: it needs folders such as dress/ and shirt/ with .jpg files.")
    return found


def product_photos(folder: Path, keep: Callable[[str], bool] = every) -> Iterator[tuple[bytes, LabelMap]]:
    """Product photos, whose truth (1, 1) is the folder's class everywhere."""
    for path in (path for path in product_paths(folder) if keep(path.stem)):
        yield path.read_bytes(), np.full((1, 1), CLASSES.index(FOLDERS[path.parent.name]), np.uint8)


def extra_photos(folder: Path, keep: Callable[[str], bool]) -> dict[str, list[tuple[bytes, LabelMap]]]:
    """Photos of the full clothing-dataset by what is special about them, each with its truth (1, 1).

    folder: FOLDER/NAME/*.jpg and FOLDER/labels.csv. keep: whether a photo of this id is wanted. The sets are one-pieces
    (dresses, and what was sorted by eye), children's clothes, and the folders that the small data set lacks.
    """
    with (folder / "labels.csv").open() as table:
        children = {row["image"] for row in csv.DictReader(table) if row["kids"] == "True"}
    reviewed = {one: kind for kind, ids in tomllib.loads(REVIEWED.read_text()).items() for one in ids}
    sets: dict[str, list[tuple[bytes, LabelMap]]] = {"one-pieces": [], "children's clothes": [], "other folders": []}
    for path in sorted(folder.glob("*/*.jpg")):
        kind = EXTRA_FOLDERS.get(path.parent.name) or reviewed.get(path.stem)
        if kind is None or not keep(path.stem):
            continue
        one = path.read_bytes(), np.full((1, 1), CLASSES.index(kind), np.uint8)
        new = path.parent.name.lower() not in FOLDERS and path.parent.name in EXTRA_FOLDERS
        for name, member in zip(sets, (kind == "full_body", path.stem in children, new), strict=True):
            if member:
                sets[name].append(one)
    return sets


def is_aside(stem: str, *, product: bool) -> bool:
    """Whether a photo is kept out of training, by its id alone: about a tenth is."""
    if product:
        return int.from_bytes(stem[:6].encode()) % 10 == 7
    return int(stem) % 10 == 7


def close_up_box(truth: LabelMap, random: np.random.Generator) -> tuple[int, int, int, int]:
    """An upper-body crop (left, top, right, bottom), px: from about the shoulders, 30 to 55 % of the person's height.

    truth: (H, W), 0 outside the person. Without a person the crop is the whole photo.
    """
    height_px, width_px = truth.shape
    rows, columns = np.flatnonzero((truth > 0).any(axis=1)), np.flatnonzero((truth > 0).any(axis=0))
    if rows.size < 32 or columns.size < 16:
        return 0, 0, width_px, height_px
    person_px = rows[-1] - rows[0] + 1
    top = int(rows[0] + random.uniform(0.05, 0.2) * person_px)
    bottom = int(min(height_px, top + random.uniform(0.3, 0.55) * person_px))
    margin = random.uniform(-0.1, 0.15) * (columns[-1] - columns[0] + 1)
    left, right = max(0, int(columns[0] - margin)), min(width_px, int(columns[-1] + 1 + margin))
    return left, top, right, bottom
