"""Checks labels against the photo's colours: finds skin labelled as cloth, and describes cloth by histograms."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.garments.kinds import FIRST_GARMENT, HAIR, SKIN, label_of
from pipeline.garments.masks import box, connected, opened
from pipeline.types import Floats, LabelMap, Mask, RgbImage

SHOES, ACCESSORY = label_of("shoes"), label_of("accessory")
# The constants below are taste: they were set by looking at photos.
# A histogram keeps this many bits of each channel.
BITS = 4
LEVELS = 1 << BITS
# A pixel is skin when skin and hair make up this share of all pixels of its colour in the photo.
SKIN_SHARE_OF_COLOR = 0.65
# An accessory is skin when the second share of its pixels has a colour of which the first share is skin and hair.
ACCESSORY_SKIN_SHARE_OF_COLOR = 0.5
ACCESSORY_SKIN_SHARE = 0.6
# Histograms are blurred by this standard deviation, since two parts of one cloth need not fill the very same bins.
BLUR_LEVELS = 0.7

Codes: TypeAlias = NDArray[np.uint16]  # (...), the histogram bin of each pixel


def color_codes(pixels: RgbImage) -> Codes:
    """The histogram bin of each pixel, (H, W, 3) to (H, W)."""
    red, green, blue = ((pixels[..., k] >> (8 - BITS)).astype(np.uint16) for k in range(3))
    return np.asarray(red << 2 * BITS | green << BITS | blue)


def skin_taken_for_cloth(codes: Codes, labels: LabelMap, weight: Floats) -> Mask:
    """Garment pixels that are really skin or hair, (H, W).

    Such pixels border on skin or hair, and most pixels of their colour in this photo are skin or hair. codes, labels,
    weight: (H, W); weight: the network's certainty, 0..1. Shoes are left alone: leather next to a bare foot has the
    skin's colours as often as not.
    """
    skin = np.zeros(labels.shape, bool)
    window = box(labels > 0)
    if window is not None:
        skin[window] = _skin(codes[window], labels[window], weight[window])
    return skin


def _skin(codes: Codes, labels: LabelMap, weight: Floats) -> Mask:
    body, cloth = (labels == SKIN) | (labels == HAIR), (labels >= FIRST_GARMENT) & (labels != SHOES)
    if not body.any():
        return np.zeros(labels.shape, bool)
    body_mass, cloth_mass = _mass(codes[body], weight[body]), _mass(codes[cloth], weight[cloth])
    share = (body_mass / (body_mass + cloth_mass + 1e-9))[codes]
    # The opening drops single pixels, which belong to a print.
    alike = opened(cloth & (share > SKIN_SHARE_OF_COLOR))
    # Networks take a forehead for a hat, or a neck for a scarf.
    alike |= _mostly(share > ACCESSORY_SKIN_SHARE_OF_COLOR, labels == ACCESSORY)
    found = connected(alike | body)
    with_body = np.bincount(found.ids[body], minlength=len(found.sizes_px)) > 0
    return np.asarray(alike & with_body[found.ids])


def _mostly(marked: Mask, region: Mask) -> Mask:
    """The components of a region that are marked in large part."""
    found = connected(region)
    shares = np.bincount(found.ids.ravel(), marked.ravel()) / np.maximum(found.sizes_px, 1)
    shares[0] = 0
    return np.asarray((shares > ACCESSORY_SKIN_SHARE)[found.ids])


def histogram(codes: Codes) -> Floats:
    """The blurred colour histogram of some pixels, (LEVELS³,), summing to 1.

    Two histograms overlap by the sum over the smaller value of each bin, 0 to 1.
    """
    counts = np.bincount(codes, minlength=LEVELS**3).reshape(LEVELS, LEVELS, LEVELS).astype(np.float64)
    smooth = _spread(counts, _BLUR)
    return np.asarray(smooth.ravel() / smooth.sum())


def _mass(codes: Codes, weight: Floats) -> Floats:
    counts = np.bincount(codes, weight, minlength=LEVELS**3).astype(np.float64)
    return _spread(counts.reshape(LEVELS, LEVELS, LEVELS), _NEAREST).ravel()


def _spread(counts: Floats, band: Floats) -> Floats:
    """A histogram (LEVELS, LEVELS, LEVELS), spread along each of its axes by a band (LEVELS, LEVELS)."""
    return np.asarray(np.tensordot(band, band @ counts @ band, axes=1))


def _band(weights: Floats) -> Floats:
    """The matrix by which each level becomes a weighted sum of its neighbours, (LEVELS, LEVELS).

    weights: (2·n + 1,), of the neighbours n levels below to n above.
    """
    middle = len(weights) // 2
    return np.asarray(sum(np.diag(np.full(LEVELS - abs(k), w), k) for k, w in enumerate(weights, start=-middle)))


def _normal(reach: int) -> Floats:
    """Weights of a normal distribution, (2·reach + 1,), summing to 1."""
    weights = np.exp(-((np.arange(-reach, reach + 1) / BLUR_LEVELS) ** 2) / 2)
    return np.asarray(weights / weights.sum())


_NEAREST, _BLUR = _band(np.full(3, 1 / 3)), _band(_normal(3))
