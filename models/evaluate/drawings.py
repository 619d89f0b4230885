"""Draws garments in flat fills, as in clip art, with their true outlines: photos have grain, drawings have none."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from pipeline.types import CLASSES, LabelMap

# Taste: outlines in units of the garment's height, by kind; each is the right half, from the top down.
HALVES: dict[str, tuple[tuple[float, float], ...]] = {
    "top": ((0.1, 0.0), (0.3, 0.04), (0.5, 0.3), (0.4, 0.38), (0.29, 0.26), (0.3, 1.0)),
    "outerwear": ((0.08, 0.0), (0.25, 0.05), (0.42, 0.6), (0.33, 0.62), (0.25, 0.25), (0.3, 1.0)),
    "bottom": ((0.2, 0.0), (0.26, 0.3), (0.24, 1.0), (0.08, 1.0), (0.0, 0.35)),
    "full_body": ((0.07, 0.0), (0.15, 0.02), (0.13, 0.35), (0.32, 1.0)),
}
COUNT = 40
SIDE_PX = 400
# Taste: drawn so many times larger, so that edges are smooth.
FINE = 4


def drawings() -> Iterator[tuple[bytes, LabelMap]]:
    """COUNT drawings as PNG files with their labels (H, W), the same on every run."""
    random = np.random.default_rng(17)
    names = list(HALVES)
    for k in range(COUNT):
        yield _drawing(names[k % len(names)], random)


def _drawing(name: str, random: np.random.Generator) -> tuple[bytes, LabelMap]:
    ground, fill = _apart(random)
    large = SIDE_PX * FINE
    tall = random.uniform(0.5, 0.85) * large
    top, middle = random.uniform(0.05, 0.95 - tall / large) * large, random.uniform(0.42, 0.58) * large
    right = [(middle + x * tall, top + y * tall) for x, y in HALVES[name]]
    left = [(middle - x * tall, top + y * tall) for x, y in HALVES[name]]
    outline = right + left[::-1]
    picture, mask = Image.new("RGB", (large, large), ground), Image.new("L", (large, large))
    ImageDraw.Draw(picture).polygon(outline, fill=fill)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    file = BytesIO()
    picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX).save(file, "PNG")
    inside = np.asarray(mask.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)) > 127
    return file.getvalue(), np.where(inside, np.uint8(CLASSES.index(name)), np.uint8(0))


def _apart(random: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two colours that can be told apart."""
    while True:
        first, second = random.integers(0, 256, (2, 3))
        if random.random() < 0.5:
            first = np.array((255, 255, 255))
        if np.abs(first - second).sum() > 150:
            return tuple(first.tolist()), tuple(second.tolist())
