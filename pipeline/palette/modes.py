"""Clusters the bins of a histogram into the colours of the cloth, by the modes of their density.

Farthest-point seeds and k-means (Lloyd 1982) place eleven centres. Mean shift (Comaniciu & Meer 2002) moves them to the
modes of the density. Modes are joined over their saddles, the highest saddle first, as in ToMATo (Chazal et al. 2013).
The shades of one cloth lie on a ray from black, and folds fill the path between them; two dyes leave a valley.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.palette.density import Density
from pipeline.palette.histogram import Bins, lab_of
from pipeline.types import Floats

# The constants below are fitted: `python -m tests.bench.colour --seeds tune` scores them on the tuning seeds.
# Distances without a unit in their name are in the stretched OKLab of `histogram`.
SEEDS = 11
LLOYD_STEPS = 5
SHIFT_STEPS = 6
# Centres that end nearer than this are at the same mode.
SAME_MODE = 0.009
# Modes nearer than this are one colour, whatever lies between them.
NEAR_DE00 = 6.5
# Modes farther apart than this are not compared. They can still be joined through modes between them.
REACH_DE00 = 15.0
# Two modes are one colour when the density of their saddle reaches this share of the lower mode's density. Two shades
# of one hue need a shallower density than other pairs.
SHADE_VALLEY = 0.54
OTHER_VALLEY = 0.96
# Cloth is light from the second OKLab lightness on. Its folds keep the first share of its mean lightness. Darker pixels
# are a colour of their own when they make up the third value as a share of the cluster.
FOLD_DEPTH, LIGHT_CLOTH, DARK_SHARE = 0.68, 0.5, 0.1
# Two shades of one cloth may be this far off one ray from black: absolutely, and as a share of their chroma.
SHADE_TOLERANCE, SHADE_RATIO = 0.015, 0.085


@dataclass(frozen=True, slots=True)
class _Modes:
    """The modes of one garment, densest first.

    points: (m, 3). height: their densities, (m,). of_bin: the mode of each bin, (n,).
    """

    points: Floats
    height: Floats
    of_bin: NDArray[np.intp]


def color_clusters(bins: Bins, densities: Sequence[Density]) -> NDArray[np.intp]:
    """The cluster of each bin, (n,), numbered from 0, garment by garment. A cluster is one colour of the cloth.

    densities: of each garment.
    """
    found = []
    for garment, density in enumerate(densities):
        centres, nearest = _kmeans(bins.of(garment))
        found.append(_modes(density, centres, nearest))
    return _without_dark(bins, _joined(densities, found))


def nearest_centre(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """The index of the centre (k, 3) that is nearest to each point (n, 3): argmin |p − c|² = argmax p·c − |c|²/2."""
    return np.asarray(np.argmax(points @ centres.T - np.einsum("kc,kc->k", centres, centres) / 2, axis=1))


def numbered(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Labels (n,), 0 and up, numbered without gaps in their order."""
    return np.asarray((np.cumsum(np.bincount(labels) > 0) - 1)[labels])


def _without_dark(bins: Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Splits off the dark bins of light cloth where they are too dark and too many for folds: a fine dark print."""
    lightness, mass = bins.space[:, 0], np.bincount(cluster, bins.weight)
    mean = (np.bincount(cluster, bins.weight * lightness) / mass)[cluster]
    dark = (lightness < FOLD_DEPTH * mean) & (mean > LIGHT_CLOTH)
    if not dark.any():
        return cluster
    apart = dark & (np.bincount(cluster, bins.weight * dark) / mass >= DARK_SHARE)[cluster]
    # A cluster and its dark part are neighbours in the order, so that each garment's clusters stay together.
    return numbered(2 * cluster + apart)


# --- centres --------------------------------------------------------------------------------------------------
def _kmeans(bins: Bins) -> tuple[Floats, NDArray[np.intp]]:
    """Centres, (k, 3), each with at least one bin, and the centre of each bin, (n,)."""
    centres = bins.space[_seeds(bins)]
    weighted = np.concatenate((bins.space * bins.weight[:, None], bins.weight[:, None]), axis=1)
    for _ in range(LLOYD_STEPS):
        member = np.equal(nearest_centre(bins.space, centres), np.arange(len(centres))[:, None]).astype(float)
        sums = member @ weighted
        full = sums[:, 3] > 0
        centres = sums[full, :3] / sums[full, 3:]
    nearest = nearest_centre(bins.space, centres)
    return centres[np.bincount(nearest, minlength=len(centres)) > 0], numbered(nearest)


def _seeds(bins: Bins) -> list[int]:
    """The fullest bin, then repeatedly the bin with the largest squared distance to all seeds times √weight."""
    seeds, root = [int(bins.weight.argmax())], np.sqrt(bins.weight)
    distance = np.full(len(bins.weight), np.inf)
    while len(seeds) < min(SEEDS, len(bins.weight)):
        away = bins.space - bins.space[seeds[-1]]
        np.minimum(distance, np.einsum("nc,nc->n", away, away), out=distance)
        seeds.append(int((distance * root).argmax()))
    return seeds


# --- modes ----------------------------------------------------------------------------------------------------
def _modes(density: Density, centres: Floats, nearest: NDArray[np.intp]) -> _Modes:
    """The modes of a garment. centres: (k, 3); nearest: the centre of each bin, (n,)."""
    for _ in range(SHIFT_STEPS):
        centres = density.shifted(centres)
    height = density.at(centres)
    away = centres[:, None] - centres
    between = np.sqrt(np.einsum("jkc,jkc->jk", away, away)).tolist()
    kept: list[int] = []
    mode_of = np.zeros(len(centres), dtype=np.intp)
    for k in np.argsort(-height, kind="stable").tolist():
        distance = [between[k][other] for other in kept]
        if kept and min(distance) < SAME_MODE:
            mode_of[k] = distance.index(min(distance))
        else:
            mode_of[k] = len(kept)
            kept.append(k)
    return _Modes(centres[kept], height[kept], mode_of[nearest])


# --- joining --------------------------------------------------------------------------------------------------
def _joined(densities: Sequence[Density], found: Sequence[_Modes]) -> NDArray[np.intp]:
    """The cluster of each bin of all garments, (n,), numbered from 0: the bins whose modes are of one colour."""
    starts = np.cumsum([0, *(len(modes.points) for modes in found)]).tolist()
    # Each pair of modes of one garment: the garment, and the two modes' places among those of all garments.
    pairs = [
        (garment, starts[garment] + j, starts[garment] + k)
        for garment, modes in enumerate(found)
        for j, k in combinations(range(len(modes.points)), 2)
    ]
    points = np.concatenate([modes.points for modes in found])
    garment, first, second = np.array(pairs, np.intp).reshape(-1, 3).T
    lab = lab_of(points)
    difference = delta_e_2000(lab[first], lab[second])
    near = np.flatnonzero(difference < REACH_DE00)
    garment, first, second = garment[near], first[near], second[near]
    threshold = np.where(_are_shades(points[first], points[second]), SHADE_VALLEY, OTHER_VALLEY)
    threshold[difference[near] < NEAR_DE00] = 0.0
    saddle = np.empty(len(near))
    for one in sorted(set(garment.tolist())):
        own = garment == one
        saddle[own] = densities[one].lowest_between(points[first[own]], points[second[own]])
    owner = _owners(np.concatenate([modes.height for modes in found]), first, second, saddle, threshold)
    mode_of = np.concatenate([modes.of_bin + start for modes, start in zip(found, starts, strict=False)])
    return numbered(owner[mode_of])


def _owners(
    height: Floats, first: NDArray[np.intp], second: NDArray[np.intp], saddle: Floats, threshold: Floats
) -> NDArray[np.intp]:
    """The mode that each of m modes belongs to, (m,): the densest mode of its colour.

    height: (m,). first, second: p pairs of modes. saddle: the lowest density between each two, (p,). threshold: the
    share of the lower mode's density at which they are one colour, (p,).
    """
    owner = list(range(len(height)))
    for k in np.argsort(-saddle, kind="stable").tolist():
        # Each garment's modes are sorted by density, so the lower index is the denser mode.
        denser, other = sorted((owner[first[k]], owner[second[k]]))
        if saddle[k] >= threshold[k] * height[other]:
            owner = [denser if mode == other else mode for mode in owner]
    return np.array(owner, np.intp)


def _are_shades(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether pairs of colours, (n, 3) each, lie on one ray from black, (n,)."""
    # Dividing a and b by the lightness maps each ray to one point.
    first_ray, second_ray = (points[:, 1:] / np.maximum(points[:, :1], 0.05) for points in (first, second))
    chroma = np.sqrt(np.maximum((first_ray**2).sum(axis=1), (second_ray**2).sum(axis=1)))
    distance = np.sqrt(((first_ray - second_ray) ** 2).sum(axis=1))
    return np.asarray(distance < np.maximum(SHADE_TOLERANCE, SHADE_RATIO * chroma))
