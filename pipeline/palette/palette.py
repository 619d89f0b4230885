"""Extracts a palette from pixels, at a cost that does not depend on their number.

A histogram stands for the pixels, and the modes of its density are the colours. Blends along edges go back to the
colours that they mix. A colour is reported as the mean of the pixels around its cluster's median.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.palette.histogram import Bins, histogram, lab_of
from pipeline.palette.modes import color_clusters, density_at, lowest_density, nearest_centre
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
# Taste: the least distance between the colours of the degraded palette.
MEDOID_DISTANCE_DE00 = 15.0
# Fitted: a logistic regression on painted garments and mixes of real cloth (docs/colour.md, confidence) of whether the
# colour lies within 3 ΔE00 of the dye. The constant comes first, then the slopes for log10 of the pixels, log10 of the
# share, the spread in ΔE00, and log10 of the ΔE00 to the next colour.
CONFIDENCE_WEIGHTS = (-9.13, 0.91, 1.74, -0.66, 9.05)
# The regression does not look beyond these values.
MOST_PX, LEAST_SPREAD_DE00, MOST_NEXT_DE00 = 1000.0, 4.0, 60.0


def extract_palette(
    rgb: NDArray[np.uint8], weights: Floats, *, max_colors: int, exposure: Exposure | None = None
) -> tuple[PaletteColor, ...]:
    """The colours of pixels, the largest share first. Shares sum to 1.

    rgb: (n, 3). weights: (n,), 0 and up; the largest weight counts as one pixel. exposure: what the surroundings tell;
    with it, a largest colour that is white cloth is reported as in full light. A colour is the mean of the pixels
    around the geometric median of its cluster. Its spread is the mean ΔE00 of the cluster's pixels to it. Its
    confidence is the chance, 0 to 1, that it lies within 3 ΔE00 of a dye of the cloth.
    """
    bins = histogram(rgb, weights)
    if bins is None:
        return ()
    cluster = _without_blends(bins, color_clusters(bins))
    cluster = _largest(bins, cluster, max_colors)
    return _described(bins, cluster, float(weights.sum() / max(weights.max(), 1e-9)), exposure)


def histogram_medoids(rgb: NDArray[np.uint8], *, max_colors: int) -> tuple[PaletteColor, ...]:
    """The degraded palette: the fullest bins that are apart from each other, without confidence or spread."""
    bins = histogram(rgb, np.ones(len(rgb)))
    if bins is None:
        return ()
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
def _without_blends(bins: Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Gives back the clusters that are too small to count, or that are the blends along an edge of two larger ones."""
    share = _mass(cluster, bins.weight)
    centres = _medians(bins, cluster)
    lab = lab_of(centres)
    between = delta_e_2000(lab[:, None], lab)
    kept: list[int] = []
    for k in np.argsort(-share, kind="stable").tolist():
        nearest = between[k, kept].min() if kept else np.inf
        small = share[k] < MIN_SHARE and (nearest < ACCENT_DE00 or _is_speck(bins, share[k], centres[k]))
        if not kept or not (small or _is_blend(bins, k, kept, share, centres)):
            kept.append(k)
    return _kept_only(bins, cluster, kept)


def _is_speck(bins: Bins, share: float, centre: Floats) -> bool:
    if share >= ACCENT_SHARE:
        return False
    return share < EDGELESS_SHARE or float(density_at(bins, centre[None])[0]) < EDGELESS_DENSITY * share


def _is_blend(bins: Bins, k: int, kept: list[int], share: Floats, centres: Floats) -> bool:
    """Whether a cluster lies between two larger ones, with no valley on the path to one of them."""
    if share[k] >= MOST_BLEND_SHARE or len(kept) < 2:
        return False
    first, second = (np.array(kept)[index] for index in np.triu_indices(len(kept), 1))
    axis = centres[second] - centres[first]
    along = ((centres[k] - centres[first]) * axis).sum(axis=1) / (axis * axis).sum(axis=1)
    beside = np.linalg.norm(centres[k] - centres[first] - along[:, None] * axis, axis=1)
    between = (along > BLEND_RANGE[0]) & (along < BLEND_RANGE[1]) & (beside < BLEND_WIDTH)
    between &= share[k] < BLEND_SHARE * np.minimum(share[first], share[second])
    ends = np.unique(np.concatenate((first[between], second[between])))
    return bool(len(ends)) and bool(lowest_density(bins, centres[k], centres[ends]).max() > BLEND_VALLEY)


def _largest(bins: Bins, cluster: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    share = _mass(cluster, bins.weight)
    return _kept_only(bins, cluster, np.argsort(-share, kind="stable")[:count].tolist())


def _kept_only(bins: Bins, cluster: NDArray[np.intp], kept: list[int]) -> NDArray[np.intp]:
    """Moves each bin of a dropped cluster to the nearest kept cluster. The clusters are numbered as in `kept`."""
    if len(kept) > cluster.max():
        return cluster
    position = np.full(int(cluster.max()) + 1, -1)
    position[kept] = np.arange(len(kept))
    own = position[cluster]
    centres = _means(bins.space, bins.weight, cluster)[kept]
    return np.asarray(np.where(own >= 0, own, nearest_centre(bins.space, centres)))


# --- describing the clusters ----------------------------------------------------------------------------------
def _described(
    bins: Bins, cluster: NDArray[np.intp], total_px: float, exposure: Exposure | None
) -> tuple[PaletteColor, ...]:
    distance = ((bins.space - _medians(bins, cluster)[cluster]) ** 2).sum(axis=1)
    # The weights are relative to the nearest bin's, so that they cannot all vanish.
    nearest = np.full(int(cluster.max()) + 1, np.inf)
    np.minimum.at(nearest, cluster, distance)
    core = bins.weight * np.exp((nearest[cluster] - distance) / (2 * CORE_SIGMA**2))
    rgb, lab = _means(bins.rgb, core, cluster), _means(bins.lab, core, cluster)
    share = _mass(cluster, bins.weight)
    if exposure is not None:
        main = int(np.argmax(share))
        white = white_in_full_light(bins, cluster == main, exposure)
        if white is not None:
            rgb[main], lab[main] = white, srgb_to_lab_d65(white / 255)
    spread = _mass(cluster, bins.weight * delta_e_2000(bins.lab, lab[cluster])) / share
    confidence = _confidence(share * total_px, share, spread, lab)
    colors = [
        PaletteColor(_byte(color), *facts)
        for color, *facts in zip(rgb, share.tolist(), confidence.tolist(), spread.tolist(), strict=True)
    ]
    return tuple(sorted(colors, key=lambda color: (-color.share, color.rgb)))


def _confidence(pixels: Floats, share: Floats, spread: Floats, lab: Floats) -> Floats:
    """The chance that each colour is right, (k,), by a logistic regression. All arguments have one entry a colour."""
    between = delta_e_2000(lab[:, None], lab[None]) + np.diag(np.full(len(lab), MOST_NEXT_DE00))
    values = (
        np.log10(np.clip(pixels, 1.0, MOST_PX)),
        np.log10(share),
        np.maximum(0.0, spread - LEAST_SPREAD_DE00),
        np.log10(np.minimum(between.min(axis=1), MOST_NEXT_DE00)),
    )
    constant, *slopes = CONFIDENCE_WEIGHTS
    chance = 1 / (1 + np.exp(-constant - sum(slope * value for slope, value in zip(slopes, values, strict=True))))
    return np.asarray(chance * pixels / (pixels + 1))


def _medians(bins: Bins, cluster: NDArray[np.intp]) -> Floats:
    """The geometric median of each cluster (Weiszfeld 1937), (k, 3). Folds, glints and edges hardly move it."""
    member = np.equal(cluster, np.arange(cluster.max() + 1)[:, None]).astype(float)  # (k, n): sums as products
    median = _means(bins.space, bins.weight, cluster)
    for _ in range(MEDIAN_STEPS):
        offset = bins.space - median[cluster]
        distance = np.sqrt(np.einsum("nc,nc->n", offset, offset))
        weight = (bins.weight / np.maximum(distance, 0.01))[:, None]
        median = (member @ (weight * bins.space)) / (member @ weight)
    return median


def _means(values: Floats, weight: Floats, cluster: NDArray[np.intp]) -> Floats:
    """The weighted mean of each cluster, (k, 3)."""
    sums = [_mass(cluster, weight * values[:, k]) for k in range(3)]
    return np.asarray(np.stack(sums, axis=1) / _mass(cluster, weight)[:, None])


def _mass(cluster: NDArray[np.intp], weight: Floats) -> Floats:
    return np.asarray(np.bincount(cluster, weight), dtype=float)


def _byte(rgb: Floats) -> tuple[int, int, int]:
    red, green, blue = np.rint(rgb).astype(int).tolist()
    return red, green, blue
