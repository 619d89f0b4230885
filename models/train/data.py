"""Makes training samples from prepared material: labelled photos, drawn by source and kind, cropped and varied."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.evaluate.scores import CLOTHES
from models.train.augment import (
    Chances,
    beside,
    cut_out,
    drawing,
    dyed,
    edged,
    on_ground,
    pasted,
    person,
    textured,
)
from models.train.material import LONG_SIDE_PX, Entry, Source, read_photo
from models.train.teacher import UNKNOWN
from pipeline.garments.kinds import SKIN
from pipeline.types import CLASSES, LabelMap, RgbImage

Random = np.random.Generator
Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom, px
Draw: TypeAlias = Callable[[], tuple[RgbImage, LabelMap]]
FULL_BODY = CLASSES.index("full_body")
# Taste: a photo shows a one-piece when so much of it is one.
FULL_BODY_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo (H, W, 3) and its labels (H, W), in our classes or UNKNOWN; label: a product's class."""

    pixels: RgbImage
    labels: LabelMap
    source: Source = "annotated"
    label: int | None = None


def load_samples(material: Path, *, aside: bool) -> list[Sample]:
    """The samples of a prepared folder, decoded: those to train on, or those kept aside.

    Raises ValueError when the folder was not prepared by models.train.material.
    """
    index = material / "index.jsonl"
    if not index.is_file():
        raise ValueError(f"{material} has no index.jsonl; prepare it with: python -m models.train.material {material}")
    entries: list[Entry] = [msgspec.json.decode(line, type=Entry) for line in index.read_bytes().splitlines()]

    def load(entry: Entry) -> Sample:
        pixels = read_photo(Path(entry.photo), LONG_SIDE_PX[entry.source])
        with Image.open(material / entry.labels) as labels:
            drawn = np.asarray(labels, np.uint8)
        return Sample(pixels, drawn, entry.source, entry.label)

    with ThreadPoolExecutor() as pool:
        return list(pool.map(load, [entry for entry in entries if entry.aside == aside]))


class Material:
    """Samples to draw from.

    shares: how often each source is drawn. kinds: how often each class of product is. full_body: how much more often
    a street photo with a one-piece is drawn than another. Sources and kinds that have no photos are left out.
    """

    def __init__(
        self, samples: Sequence[Sample], shares: Mapping[str, float], kinds: Mapping[str, float], full_body: float
    ) -> None:
        self.samples = samples
        pools: list[tuple[list[int], float, NDArray[np.float64]]] = []
        for source in ("annotated", "tagged"):
            members = [k for k, one in enumerate(samples) if one.source == source]
            worn = [bool((samples[k].labels == FULL_BODY).mean() >= FULL_BODY_SHARE) for k in members]
            pools.append((members, shares.get(source, 0.0), np.where(worn, full_body, 1.0)))
        for kind, share in kinds.items():
            members = [k for k, one in enumerate(samples) if one.label == CLASSES.index(kind)]
            pools.append((members, shares.get("product", 0.0) * share, np.ones(len(members))))
        used = [pool for pool in pools if pool[0] and pool[1] > 0]
        if not used:
            raise ValueError("The material has no photo that the recipe asks for.")
        chances = np.array([share for _members, share, _weights in used])
        self._chances = chances / chances.sum()
        self._pools = [(np.array(members), np.cumsum(weights / weights.sum())) for members, _share, weights in used]

    def draw(self, random: Random) -> Sample:
        """A random sample."""
        members, bounds = self._pools[random.choice(len(self._pools), p=self._chances)]
        return self.samples[int(members[min(len(members) - 1, int(np.searchsorted(bounds, random.random())))])]


def cut(sample: Sample, side_px: int, random: Random) -> tuple[RgbImage, LabelMap]:
    """A random crop of a sample as a square: nearly the whole, a portrait, or a close-up. Half of them are mirrored.

    Labels are taken at the centres of the square's pixels.
    """
    chance = random.random()
    if sample.source == "product":
        box = _whole(sample, random) if chance < 0.8 else _close_up(sample, random)
    elif chance < 0.42:
        box = _whole(sample, random)
    else:
        box = _portrait(sample, random) if chance < 0.7 else _close_up(sample, random)
    size_px = (side_px, side_px)
    # By area, as the network sees photos later; but what is enlarged so would fall into blocks.
    enlarged = min(box[2] - box[0], box[3] - box[1]) < side_px
    how = Image.Resampling.BICUBIC if enlarged else Image.Resampling.BOX
    photo = Image.fromarray(sample.pixels).resize(size_px, how, box=box)
    labels = Image.fromarray(sample.labels).resize(size_px, Image.Resampling.NEAREST, box=box)
    step = -1 if random.random() < 0.5 else 1
    return np.ascontiguousarray(np.asarray(photo)[:, ::step]), np.ascontiguousarray(np.asarray(labels)[:, ::step])


def _whole(sample: Sample, random: Random) -> Box:
    """A crop of 70 to 100 % of each side."""
    height_px, width_px = sample.labels.shape
    width, height = random.uniform(0.7, 1.0, 2) * (width_px, height_px)
    left, top = random.uniform(0, 1, 2) * (width_px - width, height_px - height)
    return left, top, left + width, top + height


def _close_up(sample: Sample, random: Random) -> Box:
    """A crop around a random pixel of a garment, a quarter to three quarters of the foreground's height."""
    height_px, width_px = sample.labels.shape
    wanted = CLOTHES if sample.label is None else (sample.label,)
    rows, columns = np.nonzero(np.isin(sample.labels, wanted))
    if rows.size == 0:
        return _whole(sample, random)
    k = random.integers(rows.size)
    person_rows = np.flatnonzero((sample.labels > 0).any(axis=1))
    height = min(height_px, random.uniform(0.25, 0.75) * (person_rows[-1] - person_rows[0] + 1))
    width = min(width_px, height * random.uniform(0.6, 1.4))
    left = float(np.clip(columns[k] - random.uniform(0.25, 0.75) * width, 0, width_px - width))
    top = float(np.clip(rows[k] - random.uniform(0.25, 0.75) * height, 0, height_px - height))
    return left, top, left + max(8.0, width), top + max(8.0, height)


def _portrait(sample: Sample, random: Random) -> Box:
    """From above the head down to the neck, the chest or the hips, which cuts the garments at the photo's edge."""
    height_px, width_px = sample.labels.shape
    person_rows = np.flatnonzero((sample.labels > 0).any(axis=1))
    if person_rows.size < 32 or not np.any(sample.labels == SKIN):
        return _whole(sample, random)
    tall = person_rows[-1] - person_rows[0] + 1
    top = max(0.0, float(person_rows[0] - random.uniform(0.0, 0.08) * tall))
    bottom = min(float(height_px), top + random.uniform(0.1, 0.5) * tall)
    upper = sample.labels[int(top) : int(bottom)] > 0
    columns = np.flatnonzero(upper.any(axis=0))
    margin = random.uniform(-0.12, 0.35) * (columns[-1] - columns[0] + 1)
    left, right = max(0.0, float(columns[0] - margin)), min(float(width_px), float(columns[-1] + 1 + margin))
    return left, top, max(right, left + 8.0), max(bottom, top + 8.0)


def varied(
    pixels: RgbImage, labels: LabelMap, draw: Draw, chances: Chances, random: Random
) -> tuple[RgbImage, LabelMap]:
    """A sample with the recipe's variations, each by its chance. draw: gives another sample of the same size."""
    on = {name: random.random() < getattr(chances, name) for name in Chances.__struct_fields__}
    if on["ground"]:
        pixels = on_ground(pixels, labels, random)
    if on["people"]:
        other, other_labels = draw()
        someone = person(other, other_labels)
        pixels, labels = beside(pixels, labels, someone, random) if someone else (pixels, labels)
    if on["paste"]:
        piece = cut_out(*draw(), random)
        pixels, labels = pasted(pixels, labels, piece, random) if piece else (pixels, labels)
    if on["dye"]:
        pixels = dyed(pixels, labels, random)
    if on["strip"]:
        pixels, labels = edged(pixels, labels, draw(), random)
    if on["drawing"]:
        labels = np.where(labels == UNKNOWN, np.uint8(0), labels)
        pixels = drawing(labels, random)
    if on["texture"]:
        pixels = textured(pixels, random)
    if on["grey"]:
        pixels = np.repeat(np.asarray(Image.fromarray(pixels).convert("L"))[..., None], 3, axis=2)
    return pixels, labels


def tinted(photos: Tensor, random: Random) -> Tensor:
    """Varies a batch (B, 3, H, W) of 0…1: brightness, contrast, colour of the light, saturation and gamma."""
    n = len(photos)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.tensor(random.uniform(low, high, (n, *shape)), dtype=photos.dtype, device=photos.device)

    light = draw(0.8, 1.2, 3, 1, 1) * draw(0.7, 1.25, 1, 1, 1)
    photos = (photos * light).clamp(1e-4, 1)
    photos = photos ** draw(0.75, 1.35, 1, 1, 1)
    grey = photos.mean(dim=1, keepdim=True)
    photos = grey + (photos - grey) * draw(0.4, 1.5, 1, 1, 1)
    middle = photos.mean(dim=(1, 2, 3), keepdim=True)
    photos = middle + (photos - middle) * draw(0.75, 1.3, 1, 1, 1)
    # Some garments get other dyes: red, green and blue change places.
    swapped = random.random(n) < 0.15
    for k in np.flatnonzero(swapped):
        photos[k] = photos[k, torch.from_numpy(random.permutation(3))]
    return photos.clamp(0, 1)
