"""Draws a photo with its garments: each tinted by its kind, outlined and numbered."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from PIL import Image, ImageFilter

from pipeline.garments.kinds import HAIR, KINDS, SKIN, label_of
from pipeline.garments.rle import decode_rle
from pipeline.parts import Garment
from pipeline.picture.blocks import Picture, chip, flow, line, row, tag
from pipeline.types import CLASSES, UNKNOWN, Mask, RgbImage

# By label. Taste: skin and hair in colours of skin and hair, a garment of unknown kind in a top's blue.
TINTS: dict[int, tuple[int, int, int]] = {
    SKIN: (244, 190, 150),
    HAIR: (140, 90, 60),
    **{kind.label: kind.tint for kind in KINDS},
    UNKNOWN: (40, 110, 235),
}
# Taste: the opacity of the tints, and the sizes of outline and tag.
OPACITY = 0.55
OUTLINE_PX = 3
TAG_PX = 17


def fitted(pixels: RgbImage, size: tuple[int, int]) -> Picture:
    """The photo, resized to a size, px."""
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def overlay(pixels: RgbImage, garments: Sequence[Garment], size: tuple[int, int]) -> Picture:
    """The photo in grey with each garment in the tint of its final kind, its outline and its id.

    pixels: (H, W, 3). The garments must have masks. What belongs to no garment is not tinted.
    """
    table = np.zeros((256, 4), np.uint8)
    for label, tint in TINTS.items():
        table[label] = (*tint, round(255 * OPACITY))
    page = fitted(pixels, size).convert("L").convert("RGBA")
    masks = [(garment, decode_rle(garment.mask)) for garment in garments if garment.mask is not UNSET]
    for garment, mask in masks:
        tinted = table[np.where(mask, label_of(garment.category), 0)]
        page.alpha_composite(Image.fromarray(tinted).resize(size, Image.Resampling.NEAREST))
    for _, mask in masks:
        page.paste("white", mask=_outline(mask, size))
    for garment, mask in masks:
        name = tag(garment.id, TINTS[label_of(garment.category)], TAG_PX)
        page.alpha_composite(name, _place(mask, size, name.size))
    return page


def legend(garments: Sequence[Garment], width_px: int, size_px: int) -> Picture:
    """The kinds of the garments, each with its tint."""
    names = {**dict(enumerate(CLASSES)), UNKNOWN: "garment"}
    kinds = {label_of(garment.category) for garment in garments}
    present = [label for label in TINTS if label in kinds]
    entries = []
    for label in present:
        name = line(names[label].replace("_", " "), size_px)
        entries.append(row([chip(TINTS[label], size_px), name], 8, middle=True))
    return flow(entries, width_px, (20, 4))


def _outline(mask: Mask, size: tuple[int, int]) -> Image.Image:
    """The mask's outline, smooth at any size, because it comes from the blurred mask."""
    plane = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    inner = plane.filter(ImageFilter.GaussianBlur(1.5)).point(lambda value: 255 if value > 127 else 0)
    rim = np.asarray(inner.filter(ImageFilter.MaxFilter(OUTLINE_PX))) - np.asarray(inner)
    return Image.fromarray(rim).filter(ImageFilter.GaussianBlur(0.6))


def _place(mask: Mask, size: tuple[int, int], label_size: tuple[int, int]) -> tuple[int, int]:
    """The tag's position, within the picture: on the garment's pixel that is nearest to the garment's middle."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    scale = size[0] / mask.shape[1], size[1] / mask.shape[0]
    left = int(columns[nearest] * scale[0]) - label_size[0] // 2
    top = int(rows[nearest] * scale[1]) - label_size[1] // 2
    return max(0, min(size[0] - label_size[0], left)), max(0, min(size[1] - label_size[1], top))
