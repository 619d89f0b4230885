"""Palette error, and an embedding whose distances rank palettes as the error does; numpy only.

A palette is a distribution of colour over Lab. Random Fourier features (Rahimi & Recht 2007) of a Gaussian mixture of
kernels turn it into a vector: the Euclidean distance of two vectors is their maximum mean discrepancy (Gretton et al.
2012), near 0 for equal palettes whatever their number of colours.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from pipeline.color import delta_e_2000
from pipeline.types import Floats, PaletteVector, Swatch

VECTOR_VERSION = "rff-lab-64-1"
DIMENSIONS = 64
KERNEL_WIDTHS = (60.0,)  # ΔE76; of the widths tried (12 to 90) the one that ranks random palettes best


def palette_error(first: Sequence[Swatch], second: Sequence[Swatch]) -> float:
    """The share-weighted symmetric mean ΔE00 to the nearest colour (after Pan & Westland 2018)."""
    one, two = np.array([s.lab for s in first]), np.array([s.lab for s in second])
    distance = delta_e_2000(one[:, None], two[None])
    forth = np.average(distance.min(axis=1), weights=[s.share for s in first])
    back = np.average(distance.min(axis=0), weights=[s.share for s in second])
    return float((forth + back) / 2)


def palette_vector(swatches: Sequence[Swatch], *, weights: Sequence[float] | None = None) -> PaletteVector:
    """64 numbers for a palette; weights: other than the swatches' shares, any positive scale."""
    lab = np.array([swatch.lab for swatch in swatches])
    mass = np.array([swatch.share for swatch in swatches] if weights is None else weights)
    frequencies, phases = _features()
    values = mass / mass.sum() @ np.cos(lab @ frequencies.T + phases) * np.sqrt(2 / DIMENSIONS)
    return PaletteVector(VECTOR_VERSION, tuple(round(float(value), 5) + 0.0 for value in values))


@cache
def _features() -> tuple[Floats, Floats]:
    """Frequencies (64, 3) per ΔE76, and phases (64,): drawn once from a fixed seed."""
    random = np.random.default_rng(20041)
    widths = np.repeat(KERNEL_WIDTHS, DIMENSIONS // len(KERNEL_WIDTHS))
    return random.standard_normal((DIMENSIONS, 3)) / widths[:, None], random.uniform(0, 2 * np.pi, DIMENSIONS)
