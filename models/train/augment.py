"""Makes training samples of what the network got wrong: new dyes, flat fills, cut-outs, other grounds, other people.

All functions take photos (H, W, 3) and labels (H, W) of one size, and return new arrays in which the labels are true.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from models.train.teacher import UNKNOWN
from pipeline.garments.kinds import BY_LABEL, FIRST_GARMENT, SKIN, Place
from pipeline.types import CLASSES, LabelMap, Mask, RgbImage

Random = np.random.Generator
Coverage = NDArray[np.float32]  # (H, W, 1), 0..1

# The figures below are taste: they were set by looking at contact sheets.
# A class with a smaller share of the photo is neither dyed nor cut out.
LEAST_SHARE = 0.02
# Where a garment sits on a person, as shares of the person's height.
ON_BODY: dict[Place, tuple[float, float]] = {
    "upper": (0.14, 0.55),
    "lower": (0.45, 0.9),
    "whole": (0.14, 0.9),
    "feet": (0.88, 1.0),
    "accessory": (0.0, 0.12),
}


class Chances(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often each variation is applied, 0 to 1.

    dye: one garment gets another colour or less texture. drawing: flat fills. paste: a cut-out garment on top.
    ground: another background. people: a second person. strip: the photo's edge shows another photo. texture: blurred,
    or sharpened with grain. grey: no colour.
    """

    dye: float = 0.0
    drawing: float = 0.0
    paste: float = 0.0
    ground: float = 0.0
    people: float = 0.0
    strip: float = 0.0
    texture: float = 0.0
    grey: float = 0.0


@dataclass(frozen=True, slots=True)
class CutOut:
    """A part of a photo (h, w, 3) with its coverage 0..255 and its labels (h, w)."""

    pixels: RgbImage
    coverage: NDArray[np.uint8]
    labels: LabelMap


def present(labels: LabelMap) -> list[int]:
    """The garment classes that take a fair share of the photo."""
    counts = np.bincount(labels.ravel(), minlength=256)[: len(CLASSES)]
    return [k for k in range(FIRST_GARMENT, len(CLASSES)) if counts[k] >= LEAST_SHARE * labels.size]


def dyed(pixels: RgbImage, labels: LabelMap, random: Random) -> RgbImage:
    """Gives one garment another brightness or colour, and often less texture, down to none."""
    known = present(labels)
    if not known:
        return pixels
    inside = labels == random.choice(known)
    photo = pixels.astype(np.float32)
    mean = photo[inside].mean(axis=0)
    texture = random.uniform(0.0, 0.35) if random.random() < 0.4 else random.uniform(0.7, 1.2)
    if random.random() < 0.5:
        color = random.uniform(5, 250, 3)
    else:
        color = mean * random.uniform(0.45, 1.7) * random.uniform(0.85, 1.15, 3)
    return _blend(photo, color + (photo - mean) * texture, _feathered(inside))


def drawing(labels: LabelMap, random: Random) -> RgbImage:
    """The photo's outlines as a drawing: one flat colour for each class, sometimes with dark contours."""
    table = random.uniform(0, 255, (256, 3)).astype(np.float32)
    table[0] = random.choice((255.0, 240.0, float(random.uniform(60, 255))))
    if random.random() < 0.4:
        table[0] = random.uniform(80, 255, 3)
    table[SKIN] = np.array((225, 180, 150)) * random.uniform(0.35, 1.1)
    shown = table[labels]
    if random.random() < 0.4:
        edges = ndimage.grey_dilation(labels, size=(3, 3)) != ndimage.grey_erosion(labels, size=(3, 3))
        if random.random() < 0.5:
            edges = ndimage.binary_dilation(edges)
        shown[edges] = random.uniform(0, 60)
    if random.random() < 0.5:
        shown += random.normal(0, random.uniform(0.5, 4), shown.shape)
    picture = Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 0.9)))))


def ground(height_px: int, width_px: int, random: Random) -> RgbImage:
    """A background: planks, tiles, a bedspread, or a plain wall with a gradient of light, (H, W, 3)."""
    rows, columns = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    if random.random() < 0.5:
        rows, columns = columns, rows
    color = random.uniform(40, 235) * random.uniform(0.75, 1.1, 3)
    kind = random.integers(4)
    light = np.zeros((height_px, width_px), np.float32)
    if kind == 0:
        plank = rows // random.uniform(18, 90)
        light += random.normal(0, 14, 256)[plank.astype(int) % 256]
        light += _noise((height_px, width_px), (int(random.integers(3, 8)), 90), 14, random)
    elif kind == 1:
        side = random.uniform(30, 160)
        light -= random.choice((-40.0, 40.0)) * ((rows % side < 2.5) | (columns % side < 2.5))
        light += _noise((height_px, width_px), (20, 20), 5, random)
    elif kind == 2:
        light += _noise((height_px, width_px), (int(random.integers(3, 12)), int(random.integers(3, 12))), 30, random)
        light += random.uniform(0, 12) * np.sin(columns * random.uniform(0.1, 1.5))
    light += (rows / height_px - 0.5) * random.uniform(-50, 50) + random.normal(0, random.uniform(0, 5), light.shape)
    return np.clip(color + light[..., None], 0, 255).astype(np.uint8)


def on_ground(pixels: RgbImage, labels: LabelMap, random: Random) -> RgbImage:
    """The same garments and people before another background."""
    outside = (labels == 0) | (labels == UNKNOWN)
    other = ground(labels.shape[0], labels.shape[1], random)
    return _blend(pixels.astype(np.float32), other.astype(np.float32), _feathered(outside))


def cut_out(pixels: RgbImage, labels: LabelMap, random: Random) -> CutOut | None:
    """One garment of a photo; None when the photo shows none that is large enough."""
    known = present(labels)
    if not known:
        return None
    return _cut(pixels, labels, labels == random.choice(known))


def person(pixels: RgbImage, labels: LabelMap) -> CutOut | None:
    """Everybody on a photo, with all they wear; None when nobody is there."""
    inside = (labels > 0) & (labels != UNKNOWN)
    return _cut(pixels, labels, inside) if inside.mean() >= LEAST_SHARE and np.any(labels == SKIN) else None


def _cut(pixels: RgbImage, labels: LabelMap, inside: Mask) -> CutOut:
    window = ndimage.find_objects(inside.astype(np.uint8))[0]
    coverage = Image.fromarray(inside[window].astype(np.uint8) * 255)
    return CutOut(pixels[window], np.asarray(coverage), labels[window])


def pasted(pixels: RgbImage, labels: LabelMap, piece: CutOut, random: Random) -> tuple[RgbImage, LabelMap]:
    """A garment on top of a photo: mostly where it would be worn when somebody is there, else anywhere."""
    height_px, width_px = labels.shape
    rows = np.flatnonzero(((labels > 0) & (labels != UNKNOWN)).any(axis=1))
    label = int(piece.labels[piece.coverage > 0][0])
    worn = np.count_nonzero(labels == SKIN) > 0.01 * labels.size and random.random() < 0.6
    if worn:
        low, high = ON_BODY[BY_LABEL[label].place]
        tall = rows[-1] - rows[0] + 1
        top, size = rows[0] + low * tall, max(12.0, (high - low) * tall * random.uniform(0.8, 1.25))
        columns = np.flatnonzero((labels[max(0, int(top)) : int(top + size)] > 0).any(axis=0))
        middle = float(columns.mean()) if columns.size else width_px / 2
        middle += random.normal(0, 0.06) * width_px
    else:
        size = random.uniform(0.15, 0.95) * height_px
        top = random.uniform(-0.25, 1.0 - 0.4 * size / height_px) * height_px
        middle = random.uniform(0.1, 0.9) * width_px
    turn = random.uniform(-12, 12) if worn else random.choice((0.0, random.uniform(-35, 35), random.uniform(-180, 180)))
    return _placed(pixels, labels, piece, (float(top), float(middle), float(size)), float(turn), random)


def beside(pixels: RgbImage, labels: LabelMap, other: CutOut, random: Random) -> tuple[RgbImage, LabelMap]:
    """A second person at the left or the right of a photo, partly behind its edge at times."""
    height_px, width_px = labels.shape
    middle = random.choice((random.uniform(0.0, 0.3), random.uniform(0.7, 1.0))) * width_px
    size = random.uniform(0.5, 1.05) * height_px
    return _placed(pixels, labels, other, (height_px - size * random.uniform(0.9, 1.1), middle, size), 0.0, random)


def _placed(
    pixels: RgbImage,
    labels: LabelMap,
    piece: CutOut,
    place: tuple[float, float, float],
    turn_deg: float,
    random: Random,
) -> tuple[RgbImage, LabelMap]:
    """The piece with its top, the middle of its width, and its height at a place, px."""
    top, middle, tall = place
    wide = tall * piece.pixels.shape[1] / piece.pixels.shape[0] * random.uniform(0.75, 1.25)
    size_px = (max(4, round(wide)), max(4, round(tall)))
    parts = [
        Image.fromarray(part).resize(size_px, how).rotate(turn_deg, how, expand=True)
        for part, how in (
            (piece.pixels, Image.Resampling.BILINEAR),
            (piece.coverage, Image.Resampling.BILINEAR),
            (piece.labels, Image.Resampling.NEAREST),
        )
    ]
    corner = (round(middle - parts[0].width / 2), round(top))
    picture, cover, names = Image.fromarray(pixels), Image.new("L", labels.shape[::-1]), Image.fromarray(labels)
    cover.paste(parts[1], corner)
    sharp = cover.point(lambda value: 255 * (value > 127))
    layer = Image.new("RGB", picture.size)
    layer.paste(parts[0], corner)
    named = Image.new("L", picture.size)
    named.paste(parts[2], corner)
    picture.paste(layer, mask=cover.filter(ImageFilter.GaussianBlur(0.7)))
    names.paste(named, mask=sharp)
    return np.asarray(picture), np.asarray(names)


def edged(
    pixels: RgbImage, labels: LabelMap, other: tuple[RgbImage, LabelMap], random: Random
) -> tuple[RgbImage, LabelMap]:
    """A strip of another photo along one edge, as when something stands before the camera (CutMix, Yun et al. 2019)."""
    pixels, labels = pixels.copy(), labels.copy()
    axis, share = int(random.integers(2)), random.uniform(0.08, 0.35)
    length = round(share * labels.shape[axis])
    at_end = random.random() < 0.5
    part = slice(-length, None) if at_end else slice(0, length)
    window = (part, slice(None)) if axis == 0 else (slice(None), part)
    pixels[window], labels[window] = other[0][window], other[1][window]
    return pixels, labels


def textured(pixels: RgbImage, random: Random) -> RgbImage:
    """The same photo out of focus, or with sharp edges and grain.

    Heads on street photos are small, so as portraits they are always smooth. Without this, a network takes a large face
    with wrinkles for knitwear, and the same face out of focus for skin.
    """
    photo = Image.fromarray(pixels)
    if random.random() < 0.3:
        return np.asarray(photo.filter(ImageFilter.GaussianBlur(float(random.uniform(0.5, 2.0)))))
    for _ in range(random.integers(1, 3)):
        edges = ImageFilter.UnsharpMask(float(random.uniform(0.8, 4.0)), int(random.uniform(40, 200)), 0)
        photo = photo.filter(edges)
    height_px, width_px = pixels.shape[:2]
    size = random.uniform(1.0, 3.0)
    cells = (max(2, round(height_px / size)), max(2, round(width_px / size)))
    grain = _noise((height_px, width_px), cells, float(random.uniform(0, 12)), random)
    noisy = np.asarray(photo, np.float32) + grain[..., None]
    return np.asarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _feathered(mask: Mask) -> Coverage:
    return np.asarray(ndimage.uniform_filter(mask.astype(np.float32), 3)[..., None], np.float32)


def _blend(below: NDArray[np.float32], above: NDArray[np.float32], coverage: Coverage) -> RgbImage:
    return np.clip(below + (above - below) * coverage, 0, 255).astype(np.uint8)


def _noise(size_px: tuple[int, int], cells: tuple[int, int], strength: float, random: Random) -> NDArray[np.float32]:
    """Bicubic noise of a size (height, width) through random values at so many rows and columns of cells."""
    coarse = Image.fromarray(random.normal(0, strength, cells).astype(np.float32))
    return np.asarray(coarse.resize(size_px[::-1], Image.Resampling.BICUBIC))
