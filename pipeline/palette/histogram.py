"""Bins pixels by colour, so that the cost of a palette does not depend on their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import linear_to_lab_d65, linear_to_oklab, oklab_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.types import Floats

# Taste: a photo with more bins of 5 bits a channel is binned with 4 bits.
MAX_BINS = 2048
# Taste: bins below this share are noise.
STRAY_SHARE = 1e-4
# Fitted with the constants of `prints`: an unblended pixel counts as much as this many blends when colours are found.
UNBLENDED = 16
# Taste: OKLab with a and b doubled, whose distances are nearer to CIEDE2000. One unit is about 90 ΔE00. The shades of
# one cloth lie on a ray from black, and rays stay rays.
_STRETCH = np.array([1.0, 2.0, 2.0])


@dataclass(frozen=True, slots=True)
class Samples:
    """Pixels of one garment, (n, 3), and their weights, (n,), 0 and up; the largest weight counts as one pixel.

    unblended: (n,), False for the blended pixels of a fine print; None: there are none.
    """

    rgb: NDArray[np.uint8]
    weights: Floats
    unblended: NDArray[np.bool_] | None = None

    @property
    def size_px(self) -> float:
        """How many pixels they count as."""
        return float(self.weights.sum() / max(self.weights.max(initial=0.0), 1e-9))


@dataclass(frozen=True, slots=True)
class Bins:
    """The n non-empty bins of several garments' histograms, garment by garment, each in the order of its colours.

    rgb (0..255), lab, space (stretched OKLab): the bins' mean colours, (n, 3). area, (n,): the bins' shares of the
    garment. weight, (n,): the same, but blends count less. Both sum to 1 for each garment. windows: the bins of each
    garment.
    """

    rgb: Floats
    lab: Floats
    space: Floats
    weight: Floats
    area: Floats
    windows: tuple[slice, ...]

    def of(self, garment: int) -> "Bins":
        """The bins of one garment."""
        window = self.windows[garment]
        weight = self.weight[window]
        found = self.rgb[window], self.lab[window], self.space[window], weight, self.area[window]
        return Bins(*found, (slice(0, len(weight)),))


def histograms(samples: Sequence[Samples]) -> Bins:
    """The bins of garments' pixels; a garment without pixels has none.

    When all weights of a garment are 0, they count as equal. With whole-numbered weights the sums are exact, so that
    the order of the pixels changes nothing.
    """
    means, weights, areas, windows, end = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros(0)], [], 0
    for one in samples:
        mean, weight, area = _histogram(one)
        windows.append(slice(end, end + len(weight)))
        end += len(weight)
        means.append(mean)
        weights.append(weight)
        areas.append(area)
    rgb = np.concatenate(means)
    linear = srgb_to_linear(rgb / 255)
    space = linear_to_oklab(linear) * _STRETCH
    weight, area = np.concatenate(weights), np.concatenate(areas)
    return Bins(rgb, linear_to_lab_d65(linear), space, weight, area, tuple(windows))


def lab_of(space: Floats) -> Floats:
    """Points of the stretched space, (..., 3), as Lab."""
    return srgb_to_lab_d65(np.clip(oklab_to_srgb(space / _STRETCH), 0, 1))


def _histogram(samples: Samples) -> tuple[Floats, Floats, Floats]:
    """The mean sRGB of each bin, (n, 3), 0..255, its weight and its area, (n,)."""
    if not len(samples.rgb):
        return np.zeros((0, 3)), np.zeros(0), np.zeros(0)
    weights = samples.weights if samples.weights.any() else np.ones(len(samples.rgb))
    channels = [np.ascontiguousarray(samples.rgb[:, k]) for k in range(3)]
    found = _binned(channels, weights, samples.unblended, bits=5)
    return found if len(found[0]) <= MAX_BINS else _binned(channels, weights, samples.unblended, bits=4)


def _binned(
    channels: list[NDArray[np.uint8]], weights: Floats, unblended: NDArray[np.bool_] | None, *, bits: int
) -> tuple[Floats, Floats, Floats]:
    red, green, blue = ((channel >> (8 - bits)).astype(np.uint16) for channel in channels)
    index = (red << 2 * bits) | (green << bits) | blue
    counts = weights if unblended is None else weights * np.where(unblended, UNBLENDED, 1)
    area = np.bincount(index, weights)
    kept = np.flatnonzero(area > STRAY_SHARE * area.sum())
    area, means = area[kept], np.empty((len(kept), 3))
    weight = area if unblended is None else np.bincount(index, counts)[kept]
    for k, channel in enumerate(channels):
        means[:, k] = np.bincount(index, counts * channel)[kept]
    return means / weight[:, None], weight / weight.sum(), area / area.sum()
