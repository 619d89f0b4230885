"""The density of a garment's colours."""

import numpy as np

from pipeline.palette.histogram import Bins
from pipeline.types import Floats

# Fitted: `python -m tests.bench.colour --seeds tune` scores it on the tuning seeds. The standard deviation of the
# density's Gaussian, about 2 ΔE00.
KERNEL_SIGMA = 0.024
# The points between two colours at which the density is measured, as fractions of the path.
PATH = np.linspace(0, 1, 9)[1:-1, None]


class Density:
    """A Gaussian around each bin of one garment, in the histogram's space, weighted by the bin."""

    def __init__(self, bins: Bins) -> None:
        """bins: of one garment."""
        self._weight = bins.weight
        self._weighted = np.concatenate((bins.space * bins.weight[:, None], bins.weight[:, None]), axis=1)  # (n, 4)
        # A point's row times a bin's column is −|point − bin|² / 2σ²: a product in place of all differences.
        self._columns = np.empty((5, len(bins.weight)))
        self._columns[:3] = bins.space.T / KERNEL_SIGMA
        self._columns[3] = -0.5 * np.einsum("cn,cn->n", self._columns[:3], self._columns[:3])
        self._columns[4] = 1.0

    def at(self, points: Floats) -> Floats:
        """The density at points (m, 3), (m,)."""
        return np.asarray(self._kernel(points) @ self._weight)

    def shifted(self, points: Floats) -> Floats:
        """Points (m, 3) after a step of mean shift: each moves to the mean of the bins around it."""
        sums = self._kernel(points) @ self._weighted
        return np.asarray(sums[:, :3] / sums[:, 3:])

    def lowest_between(self, first: Floats, second: Floats) -> Floats:
        """The lowest density on the path between each two points, (m, 3) each, (m,)."""
        path = first[:, None] + PATH * (second - first)[:, None]  # (m, steps, 3)
        return np.asarray(self.at(path.reshape(-1, 3)).reshape(len(path), len(PATH)).min(axis=1))

    def _kernel(self, points: Floats) -> Floats:
        rows = np.empty((len(points), 5))
        rows[:, :3] = points / KERNEL_SIGMA
        rows[:, 3] = 1.0
        rows[:, 4] = -0.5 * np.einsum("mc,mc->m", rows[:, :3], rows[:, :3])
        power = rows @ self._columns
        np.minimum(power, 0.0, out=power)
        return np.asarray(np.exp(power, out=power))
