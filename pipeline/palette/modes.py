"""Which bins of a histogram are one colour of cloth: density modes, joined where shading fills the way; numpy only.

Farthest-point seeds and k-means (Lloyd 1982) place a dozen centres, mean shift (Comaniciu & Meer 2002) moves them to
the density's modes, and modes are joined over their saddles, the highest first, as in ToMATo (Chazal et al. 2013).
The shades of one cloth lie on a ray from black, and folds fill the way between them; two dyes leave a valley.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.palette.histogram import Bins, lab_of
from pipeline.types import Floats

SEEDS = 11
LLOYD_STEPS = 5
SHIFT_STEPS = 6
KERNEL = 0.024  # standard deviation of the density's Gaussian, about 2 ΔE00
SAME_MODE = 0.009
NEAR_DE00 = 6.5  # nearer modes are one colour, valley or not
REACH_DE00 = 15.0  # farther ones are joined by way of what lies between, or not at all
WAY = np.linspace(0, 1, 9)[1:-1, None]  # where the density between two modes is looked at
SHADE_VALLEY, OTHER_VALLEY = 0.54, 0.96  # saddle against the lower of two modes, from which on they are one colour
# OKLab lightness that folds of light cloth keep, of its mean; what is light; and how much darkness is no fold's.
FOLD_DEPTH, LIGHT_CLOTH, DARK_SHARE = 0.68, 0.5, 0.1
SHADE_TOLERANCE, SHADE_RATIO = 0.015, 0.085  # how far off one ray two shades may be: in all, and of their chroma


def color_clusters(bins: Bins) -> NDArray[np.intp]:
    """The cluster of every bin, (n,), numbered from 0."""
    centres, nearest = _kmeans(bins)
    modes, density, mode_of = _modes(bins, centres)
    return _without_dark(bins, _numbered(_joined(bins, modes, density)[mode_of[nearest]]))


def nearest_centre(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """The index of the nearest centre, (n,): argmin |p − c|² = argmax p·c − |c|²/2."""
    return np.asarray(np.argmax(points @ centres.T - (centres * centres).sum(axis=1) / 2, axis=1))


def passes(bins: Bins, peak: Floats, others: Floats) -> Floats:
    """The lowest density on the way from a point (3,) to each of others (n, 3), as a part of the point's own, (n,)."""
    way = peak + WAY * (others - peak)[:, None]  # (n, steps, 3)
    density = density_at(bins, np.concatenate((peak[None], way.reshape(-1, 3))))
    return np.asarray(density[1:].reshape(len(others), len(WAY)).min(axis=1) / density[0])


def _numbered(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(labels, return_inverse=True)[1].ravel()


def _without_dark(bins: Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """What is too dark for the folds of light cloth, and too much of it, is a colour of its own: a fine dark print."""
    lightness = bins.space[:, 0]
    middle = np.bincount(cluster, bins.weight * lightness) / np.bincount(cluster, bins.weight)
    dark = (lightness < FOLD_DEPTH * middle[cluster]) & (middle[cluster] > LIGHT_CLOTH)
    part = np.bincount(cluster, bins.weight * dark) / np.bincount(cluster, bins.weight)
    return _numbered(np.where(dark & (part[cluster] >= DARK_SHARE), cluster + cluster.max() + 1, cluster))


# --- centres --------------------------------------------------------------------------------------------------
def _kmeans(bins: Bins) -> tuple[Floats, NDArray[np.intp]]:
    """Centres, (k, 3), each with a bin or more, and each bin's centre, (n,)."""
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
    """The fullest bin, then again and again the one that is farthest from all seeds, for its weight."""
    seeds, root = [int(np.argmax(bins.weight))], np.sqrt(bins.weight)
    apart = np.full(len(bins.weight), np.inf)
    while len(seeds) < min(SEEDS, len(bins.weight)):
        apart = np.minimum(apart, ((bins.space - bins.space[seeds[-1]]) ** 2).sum(axis=1))
        seeds.append(int(np.argmax(apart * root)))
    return seeds


# --- modes ----------------------------------------------------------------------------------------------------
def _modes(bins: Bins, centres: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The density's modes, densest first, (m, 3), their densities, (m,), and each centre's mode, (k,)."""
    for _ in range(SHIFT_STEPS):
        pull = _kernel(bins, centres) * bins.weight
        centres = pull @ bins.space / pull.sum(axis=1, keepdims=True)
    density = density_at(bins, centres)
    between = np.linalg.norm(centres[:, None] - centres, axis=2)
    kept: list[int] = []
    mode_of = np.zeros(len(centres), dtype=np.intp)
    for k in np.argsort(-density, kind="stable").tolist():
        apart = between[k, kept]
        if kept and apart.min() < SAME_MODE:
            mode_of[k] = np.argmin(apart)
        else:
            mode_of[k] = len(kept)
            kept.append(k)
    return centres[kept], density[kept], mode_of


def density_at(bins: Bins, points: Floats) -> Floats:
    return np.asarray(_kernel(bins, points) @ bins.weight)


def _kernel(bins: Bins, points: Floats) -> Floats:
    """exp(−|point − bin|² / 2σ²), (points, bins)."""
    power = (points / KERNEL**2) @ bins.space.T
    power -= (points * points).sum(axis=1)[:, None] / (2 * KERNEL**2)
    power -= (bins.space * bins.space).sum(axis=1) / (2 * KERNEL**2)
    np.minimum(power, 0.0, out=power)
    return np.exp(power, out=power)


# --- joining --------------------------------------------------------------------------------------------------
def _joined(bins: Bins, modes: Floats, density: Floats) -> NDArray[np.intp]:
    """The mode that each mode belongs to, (m,): the densest of its colour."""
    first, second, saddle, bar = _passes(bins, modes, density)
    owner = np.arange(len(modes))
    for k in np.argsort(-saddle, kind="stable").tolist():
        one, two = sorted((owner[first[k]], owner[second[k]]))  # modes come densest first
        if saddle[k] >= bar[k] * density[two]:
            owner[owner == two] = one
    return owner


def _passes(bins: Bins, modes: Floats, density: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """Pairs of modes near each other, the density at the lowest point between them, and how full that must be, (p,)."""
    first, second = np.triu_indices(len(modes), 1)
    lab = lab_of(modes)
    difference = delta_e_2000(lab[first], lab[second])
    near = difference < REACH_DE00
    first, second, difference = first[near], second[near], difference[near]
    way = modes[first, None] + WAY * (modes[second] - modes[first])[:, None]  # (p, steps, 3)
    saddle = density_at(bins, way.reshape(-1, 3)).reshape(len(first), len(WAY)).min(axis=1)
    bar = np.where(_are_shades(modes[first], modes[second]), SHADE_VALLEY, OTHER_VALLEY)
    return first, second, saddle, np.where(difference < NEAR_DE00, 0.0, bar)


def _are_shades(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether pairs of colours, (n, 3) each, lie on one ray from black, (n,)."""
    one, two = (points[:, 1:] / np.maximum(points[:, :1], 0.05) for points in (first, second))
    chroma = np.maximum(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1))
    return np.asarray(np.linalg.norm(one - two, axis=1) < np.maximum(SHADE_TOLERANCE, SHADE_RATIO * chroma))
