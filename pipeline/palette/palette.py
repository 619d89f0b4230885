"""Pixels to a palette, at a cost that does not depend on their number; numpy only.

A histogram stands for the pixels, its modes for the colours; blends along edges are given back to the colours that
they are blends of, and each colour is told as the pixels at its middle have it.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.palette.histogram import Bins, histogram, lab_of
from pipeline.palette.modes import color_clusters, density_at, nearest_centre, passes
from pipeline.types import Floats, PaletteColor

MEDIAN_STEPS = 8
MIDDLE = 0.015  # standard deviation, in the stretched space, of the weights of the pixels that tell a colour
MIN_SHARE = 0.025
ACCENT_SHARE, ACCENT_DE00 = 0.01, 15.0  # a smaller colour counts too when it is far from every larger one
EDGELESS_SHARE, EDGELESS_DENSITY = 0.0075, 0.5  # a dense one of 1 % may have lost its edges to blends
BLEND_SHARE, MOST_BLEND_SHARE = 0.6, 0.1  # a blend is smaller: of the smaller colour it lies between, and in all
BLEND_RANGE, BLEND_WIDTH = (0.12, 0.88), 0.081  # where on the way between two colours, and how far beside it
BLEND_VALLEY = 0.42  # the lowest density on the way to one of them, against its own: a dye stands out of what is around
APART_DE00 = 15.0  # between the colours of a cheap palette
# Logistic regression on painted garments and mixes of real cloth (see docs/colour.md): does the colour lie within
# 3 ΔE00 of the dye? Constant, then per log10 of pixels, log10 of share, ΔE00 of spread, log10 of ΔE00 to the next one.
SURE = (-9.13, 0.91, 1.74, -0.66, 9.05)
MOST_PX, LEAST_SPREAD_DE00, MOST_NEXT_DE00 = 1000.0, 4.0, 60.0  # where these stop to matter


def extract_palette(rgb: NDArray[np.uint8], weights: Floats, *, max_colors: int) -> tuple[PaletteColor, ...]:
    """The colours of pixels, largest share first; shares sum to 1.

    rgb: (n, 3); weights: (n,), 0 and up; the largest counts as one pixel. A colour is the mean of the pixels around the
    geometric median of its cluster; spread is the mean ΔE00 of the cluster's pixels to it; confidence is the chance, 0
    to 1, that it lies within 3 ΔE00 of a dye of the cloth.
    """
    bins = histogram(rgb, weights)
    if bins is None:
        return ()
    cluster = _without_blends(bins, color_clusters(bins))
    cluster = _largest(bins, cluster, max_colors)
    return _described(bins, cluster, float(weights.sum() / max(weights.max(), 1e-9)))


def histogram_medoids(rgb: NDArray[np.uint8], *, max_colors: int) -> tuple[PaletteColor, ...]:
    """A cheap palette: the fullest bins that are apart from each other. No confidence or spread is claimed."""
    bins = histogram(rgb, np.ones(len(rgb)))
    if bins is None:
        return ()
    chosen: list[int] = []
    apart = np.full((len(bins.weight), 0), np.inf)
    free = np.ones(len(bins.weight), bool)
    while free.any() and len(chosen) < max_colors:
        chosen.append(int(np.argmax(np.where(free, bins.weight, 0))))
        apart = np.column_stack((apart, delta_e_2000(bins.lab, bins.lab[chosen[-1]])))
        free &= apart[:, -1] > APART_DE00
    shares = np.bincount(np.argmin(apart, axis=1), bins.weight, minlength=len(chosen)).tolist()
    found = [PaletteColor(_byte(bins.rgb[k]), share, None, None) for k, share in zip(chosen, shares, strict=True)]
    return tuple(sorted(found, key=lambda color: (-color.share, color.rgb)))


# --- which clusters count -------------------------------------------------------------------------------------
def _without_blends(bins: Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Clusters too small to count, or lying between two larger ones as the pixels of an edge do, are given back."""
    share = _mass(cluster, bins.weight)
    centres = _medians(bins, cluster)
    lab = lab_of(centres)
    between = delta_e_2000(lab[:, None], lab)
    kept: list[int] = []
    for k in np.argsort(-share, kind="stable").tolist():
        apart = between[k, kept].min() if kept else np.inf
        small = share[k] < MIN_SHARE and (apart < ACCENT_DE00 or _is_speck(bins, share[k], centres[k]))
        if not kept or not (small or _is_blend(bins, k, kept, share, centres)):
            kept.append(k)
    return _kept_only(bins, cluster, kept)


def _is_speck(bins: Bins, share: float, centre: Floats) -> bool:
    if share >= ACCENT_SHARE:
        return False
    return share < EDGELESS_SHARE or float(density_at(bins, centre[None])[0]) < EDGELESS_DENSITY * share


def _is_blend(bins: Bins, k: int, kept: list[int], share: Floats, centres: Floats) -> bool:
    """Whether a cluster lies between two larger ones with no valley on the way to one of them: no dye of its own."""
    if share[k] >= MOST_BLEND_SHARE or len(kept) < 2:
        return False
    first, second = (np.array(kept)[index] for index in np.triu_indices(len(kept), 1))
    axis = centres[second] - centres[first]
    along = ((centres[k] - centres[first]) * axis).sum(axis=1) / (axis * axis).sum(axis=1)
    beside = np.linalg.norm(centres[k] - centres[first] - along[:, None] * axis, axis=1)
    between = (along > BLEND_RANGE[0]) & (along < BLEND_RANGE[1]) & (beside < BLEND_WIDTH)
    between &= share[k] < BLEND_SHARE * np.minimum(share[first], share[second])
    ends = np.unique(np.concatenate((first[between], second[between])))
    return bool(len(ends)) and bool(passes(bins, centres[k], centres[ends]).max() > BLEND_VALLEY)


def _largest(bins: Bins, cluster: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    share = _mass(cluster, bins.weight)
    return _kept_only(bins, cluster, np.argsort(-share, kind="stable")[:count].tolist())


def _kept_only(bins: Bins, cluster: NDArray[np.intp], kept: list[int]) -> NDArray[np.intp]:
    """The bins of clusters that are not kept go, each, to the kept cluster nearest to it; numbered as `kept` is."""
    if len(kept) > cluster.max():
        return cluster
    position = np.full(int(cluster.max()) + 1, -1)
    position[kept] = np.arange(len(kept))
    own = position[cluster]
    centres = _means(bins.space, bins.weight, cluster)[kept]
    return np.asarray(np.where(own >= 0, own, nearest_centre(bins.space, centres)))


# --- what is told of them -------------------------------------------------------------------------------------
def _described(bins: Bins, cluster: NDArray[np.intp], total_px: float) -> tuple[PaletteColor, ...]:
    from_middle = ((bins.space - _medians(bins, cluster)[cluster]) ** 2).sum(axis=1)
    nearest = np.full(int(cluster.max()) + 1, np.inf)
    np.minimum.at(nearest, cluster, from_middle)  # relative to the nearest bin, the weights cannot all vanish
    core = bins.weight * np.exp((nearest[cluster] - from_middle) / (2 * MIDDLE**2))
    rgb, lab = _means(bins.rgb, core, cluster), _means(bins.lab, core, cluster)
    share = _mass(cluster, bins.weight)
    spread = _mass(cluster, bins.weight * delta_e_2000(bins.lab, lab[cluster])) / share
    sure = _confidence(share * total_px, share, spread, lab)
    colors = [
        PaletteColor(_byte(one), *told)
        for one, *told in zip(rgb, share.tolist(), sure.tolist(), spread.tolist(), strict=True)
    ]
    return tuple(sorted(colors, key=lambda color: (-color.share, color.rgb)))


def _confidence(pixels: Floats, share: Floats, spread: Floats, lab: Floats) -> Floats:
    """The chance that each colour is right, (k,), from what is known without the truth."""
    between = delta_e_2000(lab[:, None], lab[None]) + np.diag(np.full(len(lab), MOST_NEXT_DE00))
    known = (
        np.log10(np.clip(pixels, 1.0, MOST_PX)),
        np.log10(share),
        np.maximum(0.0, spread - LEAST_SPREAD_DE00),
        np.log10(np.minimum(between.min(axis=1), MOST_NEXT_DE00)),
    )
    chance = 1 / (1 + np.exp(-SURE[0] - sum(slope * value for slope, value in zip(SURE[1:], known, strict=True))))
    return np.asarray(chance * pixels / (pixels + 1))


def _medians(bins: Bins, cluster: NDArray[np.intp]) -> Floats:
    """The geometric median of each cluster (Weiszfeld 1937), (k, 3): folds, glints and edges hardly move it."""
    member = np.equal(cluster, np.arange(cluster.max() + 1)[:, None]).astype(float)  # (k, n): sums as products
    middle = _means(bins.space, bins.weight, cluster)
    for _ in range(MEDIAN_STEPS):
        away = bins.space - middle[cluster]
        apart = np.sqrt(np.einsum("nc,nc->n", away, away))
        weight = (bins.weight / np.maximum(apart, 0.01))[:, None]
        middle = (member @ (weight * bins.space)) / (member @ weight)
    return middle


def _means(values: Floats, weight: Floats, cluster: NDArray[np.intp]) -> Floats:
    """The weighted mean of each cluster, (k, 3)."""
    sums = [_mass(cluster, weight * values[:, k]) for k in range(3)]
    return np.asarray(np.stack(sums, axis=1) / _mass(cluster, weight)[:, None])


def _mass(cluster: NDArray[np.intp], weight: Floats) -> Floats:
    return np.asarray(np.bincount(cluster, weight), dtype=float)


def _byte(rgb: Floats) -> tuple[int, int, int]:
    red, green, blue = np.rint(rgb).astype(int).tolist()
    return red, green, blue
