"""Reads folders of annotated photos: photos/NAME.jpg, labels/NAME.png (class values) and labels.json.

labels.json lies in the folder or above it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.types import Category

KINDS: dict[Category, tuple[str, ...]] = {
    "top": ("blouse", "hoodie", "jumper", "shirt", "sweater", "sweatshirt", "t-shirt", "top", "bodysuit"),
    "outerwear": ("blazer", "cape", "cardigan", "coat", "jacket", "suit", "vest"),
    "bottom": ("jeans", "leggings", "pants", "shorts", "skirt", "tights"),
    "full_body": ("dress", "romper"),
    "shoes": ("boots", "flats", "heels", "loafers", "pumps", "sandals", "shoes", "sneakers", "wedges"),
    "accessory": ("bag", "hat", "purse", "scarf"),
}
# Taste: the rim of a garment is left out, because its pixels blend with the background.
RIM_PX = 3


def garments(folder: Path, *, least_px: int) -> Iterator[tuple[str, Category, NDArray[np.uint8]]]:
    """Yields photo name, kind and pixels (n, 3) of every large enough garment, in the order of file names.

    Raises FileNotFoundError without labels.json.
    """
    values = {name: value for value, name in enumerate(_class_names(folder))}
    kind_of = {values[name]: kind for kind, names in KINDS.items() for name in names if name in values}
    for path in sorted((folder / "labels").glob("*.png")):
        labels = np.asarray(Image.open(path))
        photo = np.asarray(Image.open(folder / "photos" / f"{path.stem}.jpg").convert("RGB"))
        for value in np.unique(labels).tolist():
            mask = labels == value
            if value not in kind_of or np.count_nonzero(mask) < least_px:
                continue
            pixels = photo[ndimage.binary_erosion(mask, iterations=RIM_PX)]
            if len(pixels) >= least_px / 2:
                yield path.stem, kind_of[value], pixels


def _class_names(folder: Path) -> list[str]:
    for place in (folder, folder.parent):
        if (place / "labels.json").exists():
            names: list[str] = json.loads((place / "labels.json").read_text())
            return names
    raise FileNotFoundError(f"no labels.json in {folder} or above it")
