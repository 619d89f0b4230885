"""Clusters the bins of a histogram into the colours of the cloth, by the modes of their density.

Farthest-point seeds and k-means (Lloyd 1982) place eleven centres. Mean shift (Comaniciu & Meer 2002) moves them to the
modes of the density. Modes are joined over their saddles, the highest saddle first, as in ToMATo (Chazal et al. 2013).
The shades of one cloth lie on a ray from black, and folds fill the path between them; two dyes leave a valley.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.palette.histogram import Bins, lab_of
from pipeline.types import Floats

# The constants below are fitted: `python -m tests.bench.colour --seeds tune` scores them on the tuning seeds.
# Distances without a unit in their name are in the stretched OKLab of `histogram`.
SEEDS = 11
LLOYD_STEPS = 5
SHIFT_STEPS = 6
# The standard deviation of the density's Gaussian, about 2 ΔE00.
KERNEL_SIGMA = 0.024
# Centres that end nearer than this are at the same mode.
SAME_MODE = 0.009
# Modes nearer than this are one colour, whatever lies between them.
NEAR_DE00 = 6.5
# Modes farther apart than this are not compared. They can still be joined through modes between them.
REACH_DE00 = 15.0
# The points between two modes at which the density is measured, as fractions of the path.
PATH = np.linspace(0, 1, 9)[1:-1, None]
# Two modes are one colour when the density of their saddle reaches this share of the lower mode's density. Two shades
# of one hue need a shallower density than other pairs.
SHADE_VALLEY = 0.54
OTHER_VALLEY = 0.96
# Cloth is light from the second OKLab lightness on. Its folds keep the first share of its mean lightness. Darker pixels
# are a colour of their own when they make up the third value as a share of the cluster.
FOLD_DEPTH, LIGHT_CLOTH, DARK_SHARE = 0.68, 0.5, 0.1
# Two shades of one cloth may be this far off one ray from black: absolutely, and as a share of their chroma.
SHADE_TOLERANCE, SHADE_RATIO = 0.015, 0.085


def color_clusters(bins: Bins) -> NDArray[np.intp]:
    """The cluster of each bin, (n,), numbered from 0. A cluster is one colour of the cloth."""
    centres, nearest = _kmeans(bins)
    modes, density, mode_of = _modes(bins, centres)
    return _without_dark(bins, _numbered(_joined(bins, modes, density)[mode_of[nearest]]))


def nearest_centre(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """The index of the centre (k, 3) that is nearest to each point (n, 3): argmin |p − c|² = argmax p·c − |c|²/2."""
    return np.asarray(np.argmax(points @ centres.T - (centres * centres).sum(axis=1) / 2, axis=1))


def lowest_density(bins: Bins, peak: Floats, others: Floats) -> Floats:
    """The lowest density on the path from a point (3,) to each of others (n, 3), (n,), over the point's own density."""
    path = peak + PATH * (others - peak)[:, None]  # (n, steps, 3)
    density = density_at(bins, np.concatenate((peak[None], path.reshape(-1, 3))))
    return np.asarray(density[1:].reshape(len(others), len(PATH)).min(axis=1) / density[0])


def _numbered(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(labels, return_inverse=True)[1].ravel()


def _without_dark(bins: Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Splits off the dark bins of light cloth where they are too dark and too many for folds: a fine dark print."""
    lightness = bins.space[:, 0]
    mean = np.bincount(cluster, bins.weight * lightness) / np.bincount(cluster, bins.weight)
    dark = (lightness < FOLD_DEPTH * mean[cluster]) & (mean[cluster] > LIGHT_CLOTH)
    share = np.bincount(cluster, bins.weight * dark) / np.bincount(cluster, bins.weight)
    return _numbered(np.where(dark & (share[cluster] >= DARK_SHARE), cluster + cluster.max() + 1, cluster))


# --- centres --------------------------------------------------------------------------------------------------
def _kmeans(bins: Bins) -> tuple[Floats, NDArray[np.intp]]:
    """Centres, (k, 3), each with at least one bin, and the centre of each bin, (n,)."""
    centres = bins.space[_seeds(bins)]
    weighted = bins.space * bins.weight[:, None]
    for _ in range(LLOYD_STEPS):
        member = np.equal(nearest_centre(bins.space, centres), np.arange(len(centres))[:, None]).astype(float)
        mass = member @ bins.weight
        full = mass > 0
        centres = (member[full] @ weighted) / mass[full, None]
    used, nearest = np.unique(nearest_centre(bins.space, centres), return_inverse=True)
    return centres[used], nearest.ravel()


def _seeds(bins: Bins) -> list[int]:
    """The fullest bin, then repeatedly the bin with the largest squared distance to all seeds times √weight."""
    seeds, root = [int(np.argmax(bins.weight))], np.sqrt(bins.weight)
    distance = np.full(len(bins.weight), np.inf)
    while len(seeds) < min(SEEDS, len(bins.weight)):
        distance = np.minimum(distance, ((bins.space - bins.space[seeds[-1]]) ** 2).sum(axis=1))
        seeds.append(int(np.argmax(distance * root)))
    return seeds


# --- modes ----------------------------------------------------------------------------------------------------
def _modes(bins: Bins, centres: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The modes of the density, densest first, (m, 3), their densities, (m,), and the mode of each centre, (k,)."""
    for _ in range(SHIFT_STEPS):
        pull = _kernel(bins, centres) * bins.weight
        centres = pull @ bins.space / pull.sum(axis=1, keepdims=True)
    density = density_at(bins, centres)
    between = np.linalg.norm(centres[:, None] - centres, axis=2)
    kept: list[int] = []
    mode_of = np.zeros(len(centres), dtype=np.intp)
    for k in np.argsort(-density, kind="stable").tolist():
        distance = between[k, kept]
        if kept and distance.min() < SAME_MODE:
            mode_of[k] = np.argmin(distance)
        else:
            mode_of[k] = len(kept)
            kept.append(k)
    return centres[kept], density[kept], mode_of


def density_at(bins: Bins, points: Floats) -> Floats:
    """The density of the bins at points (n, 3), (n,)."""
    return np.asarray(_kernel(bins, points) @ bins.weight)


def _kernel(bins: Bins, points: Floats) -> Floats:
    """exp(−|point − bin|² / 2σ²), (points, bins)."""
    power = (points / KERNEL_SIGMA**2) @ bins.space.T
    power -= (points * points).sum(axis=1)[:, None] / (2 * KERNEL_SIGMA**2)
    power -= (bins.space * bins.space).sum(axis=1) / (2 * KERNEL_SIGMA**2)
    np.minimum(power, 0.0, out=power)
    return np.exp(power, out=power)


# --- joining --------------------------------------------------------------------------------------------------
def _joined(bins: Bins, modes: Floats, density: Floats) -> NDArray[np.intp]:
    """The mode that each mode belongs to, (m,): the densest mode of its colour."""
    first, second, saddle, threshold = _saddles(bins, modes)
    owner = np.arange(len(modes))
    for k in np.argsort(-saddle, kind="stable").tolist():
        # Modes are sorted by density, so the lower index is the denser mode.
        denser, other = sorted((owner[first[k]], owner[second[k]]))
        if saddle[k] >= threshold[k] * density[other]:
            owner[owner == other] = denser
    return owner


def _saddles(bins: Bins, modes: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """The p pairs of modes that are near each other, their saddles and thresholds, (p,) each.

    A saddle is the lowest density on the path between two modes. The threshold is the share of the lower mode's density
    that joins the pair.
    """
    first, second = np.triu_indices(len(modes), 1)
    lab = lab_of(modes)
    difference = delta_e_2000(lab[first], lab[second])
    near = difference < REACH_DE00
    first, second, difference = first[near], second[near], difference[near]
    path = modes[first, None] + PATH * (modes[second] - modes[first])[:, None]  # (p, steps, 3)
    saddle = density_at(bins, path.reshape(-1, 3)).reshape(len(first), len(PATH)).min(axis=1)
    threshold = np.where(_are_shades(modes[first], modes[second]), SHADE_VALLEY, OTHER_VALLEY)
    return first, second, saddle, np.where(difference < NEAR_DE00, 0.0, threshold)


def _are_shades(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether pairs of colours, (n, 3) each, lie on one ray from black, (n,)."""
    # Dividing a and b by the lightness maps each ray to one point.
    first_ray, second_ray = (points[:, 1:] / np.maximum(points[:, :1], 0.05) for points in (first, second))
    chroma = np.maximum(np.linalg.norm(first_ray, axis=1), np.linalg.norm(second_ray, axis=1))
    distance = np.linalg.norm(first_ray - second_ray, axis=1)
    return np.asarray(distance < np.maximum(SHADE_TOLERANCE, SHADE_RATIO * chroma))
