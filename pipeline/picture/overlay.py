"""Draws a photo with its garments: each in its own colours, outlined and numbered; the rest is dimmed."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from PIL import Image, ImageFilter

from pipeline.garments.kinds import HAIR, KINDS, SKIN, label_of
from pipeline.garments.rle import decode_rle
from pipeline.parts import Garment
from pipeline.picture.blocks import INK, PAPER, Picture, chip, flow, line, row, tag
from pipeline.types import UNKNOWN, Category, Mask, RgbImage

# By label. Taste: skin and hair in colours of skin and hair, a garment of unknown kind in a top's blue.
TINTS: dict[int, tuple[int, int, int]] = {
    SKIN: (244, 190, 150),
    HAIR: (140, 90, 60),
    **{kind.label: kind.tint for kind in KINDS},
    UNKNOWN: (40, 110, 235),
}
# The kinds in the words of look.js.
WORDS: dict[Category, str] = {
    "top": "top",
    "outerwear": "jacket",
    "bottom": "bottoms",
    "full_body": "dress",
    "shoes": "shoes",
    "accessory": "accessory",
    "unknown": "garment",
}
# Taste: how much of the paper shows through what is no garment, and the sizes of outline and tag.
DIMMED = 0.6
OUTLINE_PX = 3
TAG_PX = 17


def fitted(pixels: RgbImage, size: tuple[int, int]) -> Picture:
    """The photo, resized to a size, px."""
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def overlay(pixels: RgbImage, garments: Sequence[Garment], size: tuple[int, int]) -> Picture:
    """The dimmed photo with each garment in its own colours, its outline and its id.

    pixels: (H, W, 3). The garments must have masks.
    """
    shown = fitted(pixels, size)
    page = Image.blend(shown.convert("L").convert("RGBA"), Image.new("RGBA", size, PAPER), DIMMED)
    masks = [(garment, decode_rle(garment.mask)) for garment in garments if garment.mask is not UNSET]
    for _, mask in masks:
        page.paste(shown, mask=_plane(mask, size))
    for _, mask in masks:
        page.paste(INK, mask=_outline(mask, size))
    for garment, mask in masks:
        name = tag(garment.id, TINTS[label_of(garment.category)], TAG_PX)
        page.alpha_composite(name, _place(mask, size, name.size))
    return page


def legend(garments: Sequence[Garment], width_px: int, size_px: int) -> Picture:
    """The kinds of the garments, each with the tint of its tag."""
    entries = []
    for category, word in WORDS.items():
        if any(garment.category == category for garment in garments):
            tint = TINTS[label_of(category)]
            entries.append(row([chip(tint, size_px), line(word, size_px)], 8, middle=True))
    return flow(entries, width_px, (20, 4))


def _outline(mask: Mask, size: tuple[int, int]) -> Image.Image:
    """The mask's outline, smooth at any size, because it comes from the blurred mask."""
    inner = _plane(mask, size).filter(ImageFilter.GaussianBlur(1.5)).point(lambda value: 255 if value > 127 else 0)
    rim = np.asarray(inner.filter(ImageFilter.MaxFilter(OUTLINE_PX))) - np.asarray(inner)
    return Image.fromarray(rim).filter(ImageFilter.GaussianBlur(0.6))


def _plane(mask: Mask, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)


def _place(mask: Mask, size: tuple[int, int], label_size: tuple[int, int]) -> tuple[int, int]:
    """The tag's position, within the picture: on the garment's pixel that is nearest to the garment's middle."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    scale = size[0] / mask.shape[1], size[1] / mask.shape[0]
    left = int(columns[nearest] * scale[0]) - label_size[0] // 2
    top = int(rows[nearest] * scale[1]) - label_size[1] // 2
    return max(0, min(size[0] - label_size[0], left)), max(0, min(size[1] - label_size[1], top))
