"""Extracts a palette from pixels, at a cost that does not depend on their number.

A histogram stands for the pixels, and the modes of its density are the colours. Blends along edges go back to the
colours that they mix. A colour is reported as the mean of the pixels around its cluster's median.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.palette.density import Density
from pipeline.palette.histogram import Bins, Samples, histograms, lab_of
from pipeline.palette.modes import color_clusters, nearest_centre
from pipeline.palette.whites import Exposure, white_in_full_light
from pipeline.types import Floats, PaletteColor

# The constants below are fitted: `python -m tests.bench.colour --seeds tune` scores them on the tuning seeds.
# Distances without a unit in their name are in the stretched OKLab of `histogram`.
MEDIAN_STEPS = 8
# The standard deviation of the Gaussian that weighs pixels around a cluster's median when its colour is averaged.
CORE_SIGMA = 0.015
# A cluster is a colour from this share on.
MIN_SHARE = 0.025
# A smaller cluster is a colour too, an accent, from this share on and this far from every larger colour.
ACCENT_SHARE = 0.01
ACCENT_DE00 = 15.0
# A cluster may have lost its edges to blends. One below the accent's share still counts from this share on, when the
# density at its median is at least this multiple of its share.
EDGELESS_SHARE = 0.0075
EDGELESS_DENSITY = 0.5
# A blend is smaller than the first share of the smaller colour that it mixes, and than the second share of all pixels.
BLEND_SHARE, MOST_BLEND_SHARE = 0.6, 0.1
# A blend lies in this range of the line between two colours (0 and 1 are the colours), and this near to the line.
BLEND_RANGE, BLEND_WIDTH = (0.12, 0.88), 0.081
# A blend has no valley on the path to one of its colours: the density stays above this share of its own. A dye has one.
BLEND_VALLEY = 0.42
# A cluster of a fine print is made of blends when its weight is below this share of its area.
PRINT_BLEND = 0.3
# Taste: the least distance between the colours of the degraded palette.
MEDOID_DISTANCE_DE00 = 15.0
# Fitted: a logistic regression on painted garments and mixes of real cloth (docs/colour.md, confidence) of whether the
# colour lies within 3 ΔE00 of the dye. The constant comes first, then the slopes for log10 of the pixels, log10 of the
# share, the spread in ΔE00, and log10 of the ΔE00 to the next colour.
CONFIDENCE_WEIGHTS = (-9.13, 0.91, 1.74, -0.66, 9.05)
# Fitted: `python -m tests.bench.colour_prints --fit`. The same for the colours of fine prints, whose dyes are hardly
# seen unblended: a constant, and a slope for the logit.
PRINT_CONFIDENCE_WEIGHTS = (-1.63, 0.56)
# The regression does not look beyond these values.
MOST_PX, LEAST_SPREAD_DE00, MOST_NEXT_DE00 = 1000.0, 4.0, 60.0


def extract_palettes(
    samples: Sequence[Samples], *, max_colors: int, exposures: Sequence[Exposure] | None = None
) -> list[tuple[PaletteColor, ...]]:
    """The colours of each garment's pixels, the largest share first. Shares sum to 1; without pixels there is none.

    exposures: what the surroundings of each garment tell; with them, a largest colour that is white cloth is reported
    as in full light. A colour is the mean of the pixels around the geometric median of its cluster. Its spread is the
    mean ΔE00 of the cluster's pixels to it. Its confidence is the chance, 0 to 1, that it lies within 3 ΔE00 of a dye
    of the cloth. All garments take each step together, because a step costs more than its pixels.
    """
    shown = [k for k, one in enumerate(samples) if len(one.rgb)]
    palettes: list[tuple[PaletteColor, ...]] = [()] * len(samples)
    if not shown:
        return palettes
    bins = histograms([samples[k] for k in shown])
    densities = [Density(bins.of(garment)) for garment in range(len(shown))]
    clusters = _without_blends(bins, densities, _Clusters.of(bins, color_clusters(bins, densities)))
    clusters = _largest(bins, clusters, max_colors)
    described = _described(
        bins, clusters, [samples[k] for k in shown], None if exposures is None else [exposures[k] for k in shown]
    )
    for k, palette in zip(shown, described, strict=True):
        palettes[k] = palette
    return palettes


def histogram_medoids(rgb: NDArray[np.uint8], *, max_colors: int) -> tuple[PaletteColor, ...]:
    """The degraded palette: the fullest bins that are apart from each other, without confidence or spread."""
    if not len(rgb):
        return ()
    bins = histograms([Samples(rgb, np.ones(len(rgb)))])
    chosen: list[int] = []
    distance = np.full((len(bins.weight), 0), np.inf)
    free = np.ones(len(bins.weight), bool)
    while free.any() and len(chosen) < max_colors:
        chosen.append(int(np.argmax(np.where(free, bins.weight, 0))))
        distance = np.column_stack((distance, delta_e_2000(bins.lab, bins.lab[chosen[-1]])))
        free &= distance[:, -1] > MEDOID_DISTANCE_DE00
    shares = np.bincount(np.argmin(distance, axis=1), bins.weight, minlength=len(chosen)).tolist()
    colors = [PaletteColor(_byte(bins.rgb[k]), share, None, None) for k, share in zip(chosen, shares, strict=True)]
    return tuple(sorted(colors, key=lambda color: (-color.share, color.rgb)))


# --- which clusters count -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Clusters:
    """The k clusters of all garments, garment by garment. of_bin: the cluster of each bin, (n,). garment: (k,)."""

    of_bin: NDArray[np.intp]
    garment: NDArray[np.intp]

    @classmethod
    def of(cls, bins: Bins, of_bin: NDArray[np.intp]) -> "_Clusters":
        """Clusters that are numbered garment by garment, as the bins are."""
        garment = np.empty(int(of_bin.max()) + 1, np.intp)
        for k, window in enumerate(bins.windows):
            garment[of_bin[window]] = k
        return cls(of_bin, garment)

    def mass(self, weight: Floats) -> Floats:
        """The sum over each cluster, (k,)."""
        return np.asarray(np.bincount(self.of_bin, weight), float)

    def means(self, values: Floats, weight: Floats) -> Floats:
        """The weighted mean of each cluster, (k, 3)."""
        sums = np.empty((len(self.garment), 3))
        for k in range(3):
            sums[:, k] = np.bincount(self.of_bin, weight * values[:, k])
        return np.asarray(sums / np.bincount(self.of_bin, weight)[:, None])

    def by_share(self, share: Floats) -> list[list[int]]:
        """The clusters of each garment, the largest first."""
        order = np.lexsort((np.arange(len(share)), -share, self.garment))
        ends = np.cumsum(np.bincount(self.garment))
        return [order[start:end].tolist() for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _without_blends(bins: Bins, densities: Sequence[Density], clusters: _Clusters) -> _Clusters:
    """Gives back the clusters that are too small to count, or that are the blends along an edge of two larger ones."""
    share = clusters.mass(bins.weight)
    # In a fine print a cluster's weight may be far from its area. Elsewhere they are equal, and this drops nothing.
    area = clusters.mass(bins.area)
    mixed = (share < PRINT_BLEND * area) | (area < EDGELESS_SHARE)
    centres = _medians(bins, clusters)
    lab = lab_of(centres)
    between = delta_e_2000(lab[:, None], lab).tolist()
    kept: list[list[int]] = []
    for density, ordered in zip(densities, clusters.by_share(share), strict=True):
        own: list[int] = []
        for k in ordered:
            small = share[k] < MIN_SHARE and (
                min((between[k][j] for j in own), default=np.inf) < ACCENT_DE00
                or _is_speck(density, share[k], centres[k])
            )
            if not own or not (small or mixed[k] or _is_blend(density, k, own, share, centres)):
                own.append(k)
        kept.append(own)
    return _kept_only(bins, clusters, kept)


def _is_speck(density: Density, share: float, centre: Floats) -> bool:
    if share >= ACCENT_SHARE:
        return False
    return share < EDGELESS_SHARE or float(density.at(centre[None])[0]) < EDGELESS_DENSITY * share


def _is_blend(density: Density, k: int, kept: list[int], share: Floats, centres: Floats) -> bool:
    """Whether a cluster lies between two larger ones, with no valley on the path to one of them."""
    if share[k] >= MOST_BLEND_SHARE or len(kept) < 2:
        return False
    first, second = (np.array(kept)[index] for index in np.triu_indices(len(kept), 1))
    axis, offset = centres[second] - centres[first], centres[k] - centres[first]
    along = (offset * axis).sum(axis=1) / (axis * axis).sum(axis=1)
    beside = np.sqrt(((offset - along[:, None] * axis) ** 2).sum(axis=1))
    between = (along > BLEND_RANGE[0]) & (along < BLEND_RANGE[1]) & (beside < BLEND_WIDTH)
    between &= share[k] < BLEND_SHARE * np.minimum(share[first], share[second])
    ends = sorted({*first[between].tolist(), *second[between].tolist()})
    if not ends:
        return False
    lowest = density.lowest_between(np.repeat(centres[k][None], len(ends), axis=0), centres[ends])
    return float(lowest.max()) > BLEND_VALLEY * float(density.at(centres[k][None])[0])


def _largest(bins: Bins, clusters: _Clusters, count: int) -> _Clusters:
    kept = [ordered[:count] for ordered in clusters.by_share(clusters.mass(bins.weight))]
    return _kept_only(bins, clusters, kept)


def _kept_only(bins: Bins, clusters: _Clusters, kept: list[list[int]]) -> _Clusters:
    """Moves each bin of a dropped cluster to the garment's nearest kept cluster."""
    flat = [k for own in kept for k in own]
    if len(flat) == len(clusters.garment):
        return clusters
    position = np.full(len(clusters.garment), -1)
    position[flat] = np.arange(len(flat))
    of_bin = position[clusters.of_bin]
    centres, start = clusters.means(bins.space, bins.weight)[flat], 0
    for own, window in zip(kept, bins.windows, strict=True):
        dropped = window.start + np.flatnonzero(of_bin[window] < 0)
        if len(dropped):
            of_bin[dropped] = start + nearest_centre(bins.space[dropped], centres[start : start + len(own)])
        start += len(own)
    return _Clusters(of_bin, clusters.garment[flat])


# --- describing the clusters ----------------------------------------------------------------------------------
def _described(
    bins: Bins, clusters: _Clusters, samples: Sequence[Samples], exposures: Sequence[Exposure] | None
) -> list[tuple[PaletteColor, ...]]:
    """The palette of each garment."""
    offset = bins.space - _medians(bins, clusters)[clusters.of_bin]
    distance = np.einsum("nc,nc->n", offset, offset)
    # The weights are relative to the nearest bin's, so that they cannot all vanish.
    nearest = np.full(len(clusters.garment), np.inf)
    np.minimum.at(nearest, clusters.of_bin, distance)
    core = bins.weight * np.exp((nearest[clusters.of_bin] - distance) / (2 * CORE_SIGMA**2))
    rgb, lab = clusters.means(bins.rgb, core), clusters.means(bins.lab, core)
    share = clusters.mass(bins.area)
    ordered = clusters.by_share(share)
    for garment, exposure in enumerate(exposures or ()):
        main, window = ordered[garment][0], bins.windows[garment]
        white = white_in_full_light(bins.of(garment), clusters.of_bin[window] == main, exposure)
        if white is not None:
            rgb[main], lab[main] = white, srgb_to_lab_d65(white / 255)
    spread = clusters.mass(bins.area * delta_e_2000(bins.lab, lab[clusters.of_bin])) / share
    pixels = share * np.array([one.size_px for one in samples])[clusters.garment]
    printed = np.array([one.unblended is not None for one in samples])[clusters.garment]
    chance = _confidence(clusters.garment, pixels, share, spread, lab, printed)
    colors = [
        PaletteColor(_byte(color), *facts)
        for color, *facts in zip(rgb, share.tolist(), chance.tolist(), spread.tolist(), strict=True)
    ]
    return [tuple(sorted((colors[k] for k in own), key=lambda color: (-color.share, color.rgb))) for own in ordered]


def _confidence(
    garment: NDArray[np.intp], pixels: Floats, share: Floats, spread: Floats, lab: Floats, printed: NDArray[np.bool_]
) -> Floats:
    """The chance that each colour is right, (k,), by a logistic regression. All arguments have one entry a colour."""
    others = (garment[:, None] == garment) & ~np.eye(len(garment), dtype=bool)
    next_de00 = np.where(others, delta_e_2000(lab[:, None], lab), MOST_NEXT_DE00).min(axis=1)
    values = (
        np.log10(np.clip(pixels, 1.0, MOST_PX)),
        np.log10(share),
        np.maximum(0.0, spread - LEAST_SPREAD_DE00),
        np.log10(np.minimum(next_de00, MOST_NEXT_DE00)),
    )
    constant, *slopes = CONFIDENCE_WEIGHTS
    logit = constant + sum(slope * value for slope, value in zip(slopes, values, strict=True))
    print_constant, print_slope = PRINT_CONFIDENCE_WEIGHTS
    logit = np.where(printed, print_constant + print_slope * logit, logit)
    return np.asarray(1 / (1 + np.exp(-logit)) * pixels / (pixels + 1))


def _medians(bins: Bins, clusters: _Clusters) -> Floats:
    """The geometric median of each cluster (Weiszfeld 1937), (k, 3). Folds, glints and edges hardly move it."""
    member = np.equal(clusters.of_bin, np.arange(len(clusters.garment))[:, None]).astype(float)  # sums as products
    median, rows = clusters.means(bins.space, bins.weight), np.empty((len(bins.weight), 4))
    for _ in range(MEDIAN_STEPS):
        offset = bins.space - median[clusters.of_bin]
        distance = np.sqrt(np.einsum("nc,nc->n", offset, offset))
        np.divide(bins.weight, np.maximum(distance, 0.01), out=rows[:, 3])
        np.multiply(bins.space, rows[:, 3:], out=rows[:, :3])
        sums = member @ rows
        median = sums[:, :3] / sums[:, 3:]
    return median


def _byte(rgb: Floats) -> tuple[int, int, int]:
    red, green, blue = np.rint(rgb).astype(int).tolist()
    return red, green, blue
