"""Draws a photo under its label map: tinted by class, with each garment outlined and numbered."""

from collections.abc import Sequence

import numpy as np
from msgspec import UNSET
from PIL import Image, ImageFilter

from pipeline.garments.kinds import HAIR, KINDS, SKIN, label_of
from pipeline.garments.rle import decode_rle
from pipeline.parts import Garment
from pipeline.picture.blocks import Picture, chip, flow, line, row, tag
from pipeline.types import CLASSES, UNKNOWN, LabelMap, Mask, RgbImage

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


def overlay(pixels: RgbImage, labels: LabelMap, garments: Sequence[Garment], size: tuple[int, int]) -> Picture:
    """The photo in grey under the tints of its label map, with the outline and the id of each garment.

    pixels: (H, W, 3). labels: (H, W). The garments must have masks. The tints show the network's labels, and the
    outlines the garments that were made of them.
    """
    table = np.zeros((256, 4), np.uint8)
    for label, tint in TINTS.items():
        table[label] = (*tint, round(255 * OPACITY))
    page = fitted(pixels, size).convert("L").convert("RGBA")
    page.alpha_composite(Image.fromarray(table[labels]).resize(size, Image.Resampling.NEAREST))
    masks = [(garment, decode_rle(garment.mask)) for garment in garments if garment.mask is not UNSET]
    for _, mask in masks:
        page.paste("white", mask=_outline(mask, size))
    for garment, mask in masks:
        name = tag(garment.id, TINTS[label_of(garment.category)], TAG_PX)
        page.alpha_composite(name, _place(mask, size, name.size))
    return page


def legend(labels: LabelMap, width_px: int, size_px: int) -> Picture:
    """The classes that occur in the label map, each with its tint."""
    names = {**dict(enumerate(CLASSES)), UNKNOWN: "garment"}
    present = [label for label in TINTS if np.any(labels == label)]
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
