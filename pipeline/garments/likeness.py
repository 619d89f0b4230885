"""What a photo's own colours say of its labels: cloth that looks like skin, pieces of one look; numpy and scipy."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.garments.kinds import FIRST_GARMENT, HAIR, SKIN, label_of
from pipeline.types import Floats, LabelMap, Mask, RgbImage

SHOES, ACCESSORY = label_of("shoes"), label_of("accessory")
BITS = 4  # of each channel in a histogram
LEVELS = 1 << BITS
PIXEL_OF_SKIN = 0.65  # share of skin and hair in all that the photo has of a colour: such a pixel is skin,
COLOR_OF_SKIN, PIECE_OF_SKIN = 0.5, 0.6  # and an accessory of which so many pixels are above the former
BLUR_LEVELS = 0.7  # two pieces of one cloth need not fill the very same bins

Codes: TypeAlias = NDArray[np.uint16]  # (...) a pixel's histogram bin


def color_codes(pixels: RgbImage) -> Codes:
    """The histogram bin of each pixel, (H, W, 3) to (H, W)."""
    level = (pixels >> (8 - BITS)).astype(np.uint16)
    return np.asarray(level[..., 0] << 2 * BITS | level[..., 1] << BITS | level[..., 2])


def skin_taken_for_cloth(codes: Codes, labels: LabelMap, weight: Floats) -> Mask:
    """Garment pixels that are skin or hair, (H, W): of colours that are mostly theirs in this photo, and next to them.

    codes, labels, weight: (H, W); weight: the network's certainty, 0..1. Shoes stay: next to a bare foot, leather is
    taken for skin as often as not.
    """
    skin = np.zeros(labels.shape, bool)
    if np.any(labels):
        window = ndimage.find_objects((labels > 0).view(np.uint8))[0]
        skin[window] = _skin(codes[window], labels[window], weight[window])
    return skin


def _skin(codes: Codes, labels: LabelMap, weight: Floats) -> Mask:
    body, cloth = (labels == SKIN) | (labels == HAIR), (labels >= FIRST_GARMENT) & (labels != SHOES)
    if not body.any():
        return np.zeros(labels.shape, bool)
    of_body, of_cloth = _mass(codes[body], weight[body]), _mass(codes[cloth], weight[cloth])
    share = (of_body / (of_body + of_cloth + 1e-9))[codes]
    alike = ndimage.binary_opening(cloth & (share > PIXEL_OF_SKIN))  # single pixels of a print are no skin
    alike |= _mostly(share > COLOR_OF_SKIN, labels == ACCESSORY)  # a face taken for a hat or a scarf
    pieces, count = ndimage.label(alike | body)
    beside = np.bincount(pieces[body], minlength=count + 1) > 0
    return np.asarray(alike & beside[pieces])


def _mostly(marked: Mask, region: Mask) -> Mask:
    """The pieces of a region of which a good part is marked."""
    pieces, _ = ndimage.label(region)
    shares = np.bincount(pieces.ravel(), marked.ravel()) / np.bincount(pieces.ravel())
    shares[0] = 0
    return np.asarray((shares > PIECE_OF_SKIN)[pieces])


def histogram(codes: Codes) -> Floats:
    """A piece's colours, (LEVELS³,), summing to 1; two pieces are alike by the sum of the lesser of each bin, 0..1."""
    counts = np.bincount(codes, minlength=LEVELS**3).reshape(LEVELS, LEVELS, LEVELS).astype(np.float64)
    smooth = ndimage.gaussian_filter(counts, BLUR_LEVELS, mode="constant")
    return np.asarray(smooth.ravel() / smooth.sum())


def _mass(codes: Codes, weight: Floats) -> Floats:
    counts = np.bincount(codes, weight, minlength=LEVELS**3).reshape(LEVELS, LEVELS, LEVELS)
    return np.asarray(ndimage.uniform_filter(counts, 3, mode="constant").ravel())
