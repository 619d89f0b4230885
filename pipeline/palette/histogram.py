"""Bins pixels by colour, so that the cost of a palette does not depend on their number."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import oklab_to_srgb, srgb_to_lab_d65, srgb_to_oklab
from pipeline.types import Floats

# Taste: a photo with more bins of 5 bits a channel is binned with 4 bits.
MAX_BINS = 2048
# Taste: bins below this share are noise.
STRAY_SHARE = 1e-4
# Taste: OKLab with a and b doubled, whose distances are nearer to CIEDE2000. One unit is about 90 ΔE00. The shades of
# one cloth lie on a ray from black, and rays stay rays.
_STRETCH = np.array([1.0, 2.0, 2.0])


@dataclass(frozen=True, slots=True)
class Bins:
    """The n non-empty bins of a histogram, in the order of their colours.

    rgb (0..255), lab, space (stretched OKLab): the bins' mean colours, (n, 3). weight: (n,), sum 1.
    """

    rgb: Floats
    lab: Floats
    space: Floats
    weight: Floats


def histogram(rgb: NDArray[np.uint8], weights: Floats) -> Bins | None:
    """The bins of pixels (n, 3) with weights (n,), or None without pixels.

    When all weights are 0, they count as equal. With whole-numbered weights the sums are exact, so that the order of
    the pixels changes nothing.
    """
    if not len(rgb):
        return None
    if not weights.any():
        weights = np.ones(len(rgb))
    channels = [np.ascontiguousarray(rgb[:, k]) for k in range(3)]
    bins = _binned(channels, weights, bits=5)
    return bins if len(bins.weight) <= MAX_BINS else _binned(channels, weights, bits=4)


def lab_of(space: Floats) -> Floats:
    """Points of the stretched space, (..., 3), as Lab."""
    return srgb_to_lab_d65(np.clip(oklab_to_srgb(space / _STRETCH), 0, 1))


def _binned(channels: list[NDArray[np.uint8]], weights: Floats, *, bits: int) -> Bins:
    red, green, blue = ((channel >> (8 - bits)).astype(np.uint16) for channel in channels)
    index = (red << 2 * bits) | (green << bits) | blue
    weight = np.bincount(index, weights)
    kept = np.flatnonzero(weight > STRAY_SHARE * weight.sum())
    means = np.stack([np.bincount(index, weights * channel)[kept] for channel in channels], axis=1) / weight[kept, None]
    share = weight[kept] / weight[kept].sum()
    return Bins(means, srgb_to_lab_d65(means / 255), srgb_to_oklab(means / 255) * _STRETCH, share)
