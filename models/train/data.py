"""Makes training samples: photos with label maps, cropped, mirrored and tinted so that the labels stay true.

Product photos have no masks: a teacher network gives their outline, skin and hair, and the folder's name the garment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from models.evaluate.scores import CLOTHES
from models.labelled import FOLDERS, labelled_photos
from models.segmenter import SegmentationInput, Segmenter
from pipeline.errors import ColorMatchError
from pipeline.types import CLASSES, LabelMap, RgbImage

# The loss ignores this label.
UNKNOWN = 255
BODY = (CLASSES.index("skin"), CLASSES.index("hair"))
# Taste: with this share of skin and hair in the foreground, someone wears the garment.
WORN_SHARE = 0.05
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo (H, W, 3) and its labels (H, W), in our classes or UNKNOWN; product: it shows a single garment."""

    pixels: RgbImage
    labels: LabelMap
    product: bool = False


def annotated_samples(folder: Path, long_side_px: int) -> Iterator[Sample]:
    """The annotated photos of a folder, scaled down. Raises ValueError for unknown labels."""
    for data, truth in labelled_photos(folder):
        photo = _photo(BytesIO(data), long_side_px)
        yield Sample(np.asarray(photo), np.asarray(Image.fromarray(truth).resize(photo.size, Image.Resampling.NEAREST)))


def product_samples(paths: Sequence[Path], long_side_px: int, teacher: Segmenter, cache: Path) -> Iterator[Sample]:
    """Product photos with labels by a teacher network, which are cached in the folder `cache`."""
    for path in paths:
        photo = _photo(path, long_side_px)
        pixels = np.asarray(photo)
        kept = cache / teacher.version.replace(":", "-") / path.parent.name / f"{path.stem}-{long_side_px}.png"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(".partial")
            Image.fromarray(_seen_by(teacher, pixels)).save(partial, format="png")
            partial.rename(kept)
        yield Sample(pixels, named_by_folder(np.asarray(Image.open(kept)), path.parent.name), product=True)


def named_by_folder(seen: LabelMap, folder: str) -> LabelMap:
    """A teacher's labels (H, W) with every garment named after the folder.

    Skin and hair stay where someone wears the garment. A little of them on a garment that lies flat is the teacher's
    error, and becomes UNKNOWN.
    """
    labels = np.where(seen > 0, np.uint8(CLASSES.index(FOLDERS[folder])), np.uint8(0))
    body = np.isin(seen, BODY)
    worn = body.sum() >= WORN_SHARE * (seen > 0).sum()
    return np.where(body, seen if worn else np.uint8(UNKNOWN), labels)


def _seen_by(teacher: Segmenter, pixels: RgbImage) -> LabelMap:
    height_px, width_px = pixels.shape[:2]
    (found,) = teacher.segment([SegmentationInput(pixels, width_px, height_px)])
    if isinstance(found, ColorMatchError):
        raise found
    return found.labels


def _photo(source: Path | BytesIO, long_side_px: int) -> Image.Image:
    with Image.open(source) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    photo.thumbnail((long_side_px, long_side_px), Image.Resampling.BOX)
    return photo


def cut(sample: Sample, size_px: tuple[int, int], random: Random) -> tuple[RgbImage, LabelMap]:
    """A random crop of a sample at a size (width, height): nearly the whole or a close-up, half of them mirrored."""
    box = _whole(sample, random) if sample.product or random.random() < 0.45 else _close_up(sample, random)
    photo = Image.fromarray(sample.pixels).resize(size_px, Image.Resampling.BOX, box=box)
    labels = Image.fromarray(sample.labels).resize(size_px, Image.Resampling.NEAREST, box=box)
    step = -1 if random.random() < 0.5 else 1
    return np.asarray(photo)[:, ::step], np.asarray(labels)[:, ::step]


def _whole(sample: Sample, random: Random) -> tuple[float, float, float, float]:
    """A crop of 70 to 100 % of each side."""
    height_px, width_px = sample.labels.shape
    width, height = random.uniform(0.7, 1.0, 2) * (width_px, height_px)
    left, top = random.uniform(0, 1, 2) * (width_px - width, height_px - height)
    return left, top, left + width, top + height


def _close_up(sample: Sample, random: Random) -> tuple[float, float, float, float]:
    """A crop around a random pixel of clothing, a quarter to three quarters of the person's height."""
    height_px, width_px = sample.labels.shape
    rows, columns = np.nonzero(np.isin(sample.labels, CLOTHES))
    if rows.size == 0:
        return _whole(sample, random)
    k = random.integers(rows.size)
    person = np.flatnonzero((sample.labels > 0).any(axis=1))
    height = min(height_px, random.uniform(0.25, 0.75) * (person[-1] - person[0] + 1))
    width = min(width_px, height * random.uniform(0.6, 1.4))
    left = float(np.clip(columns[k] - random.uniform(0.25, 0.75) * width, 0, width_px - width))
    top = float(np.clip(rows[k] - random.uniform(0.25, 0.75) * height, 0, height_px - height))
    return left, top, left + max(8.0, width), top + max(8.0, height)


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
