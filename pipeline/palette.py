"""Pixels to a palette, at a cost that does not depend on their number; numpy only.

A 5-bit RGB histogram stands for the pixels; deterministic farthest-point seeds and weighted k-means (Lloyd 1982) in
OKLab find the clusters; clusters that are shades of one cloth are merged, and blends along edges given back to the
colours that they are blends of.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color import delta_e_2000, srgb_to_lab_d65, srgb_to_oklab
from pipeline.types import Floats, PaletteColor

SEEDS = 12
LLOYD_STEPS = 12
NEAR_DE00 = 6.0  # nearer colours are one colour
FAR_DE00 = 45.0  # farther ones are never shades of one
SHADE_HUE_DEG = 14.0
SHADE_RATIO = 1.7  # between the chroma-to-lightness ratios of two shades of one cloth
GREY_CHROMA = 0.035
CONTINUITY = 0.18  # how full the way between two shades must be, against the emptier of the two
TUBE = 0.045  # OKLab radius of that way
BLEND_SHARE = 0.5  # a blend is smaller than this part of the smaller colour that it lies between
MIN_SHARE = 0.03
ACCENT_SHARE, ACCENT_DE00 = 0.01, 15.0
FULL_CONFIDENCE_PX = 400.0
SPREAD_LIMIT_DE00 = 30.0


@dataclass(frozen=True, slots=True)
class _Bins:
    """The histogram's non-empty bins: mean colour in three spaces, (n, 3), and weight (n,), summing to 1."""

    rgb: Floats
    oklab: Floats
    lab: Floats
    weight: Floats


def extract_palette(rgb: NDArray[np.uint8], weights: Floats, *, max_colors: int) -> tuple[PaletteColor, ...]:
    """The colours of pixels, largest share first; shares sum to 1.

    rgb: (n, 3); weights: (n,), 0 and up. Each colour is the medoid of its pixels; spread is their mean ΔE00 to it;
    confidence, 0 to 1, falls with the spread and with fewer than 400 pixels.
    """
    bins = _histogram(rgb, weights)
    if bins is None:
        return ()
    cluster = _kmeans(bins)
    cluster = _merge_shades(bins, cluster)
    cluster = _dissolve_blends(bins, cluster)
    cluster = _keep_largest(bins, cluster, max_colors)
    return _described(bins, cluster, float(weights.sum()))


def histogram_medoids(rgb: NDArray[np.uint8], *, max_colors: int) -> tuple[PaletteColor, ...]:
    """A cheap palette: the fullest bins that are apart from each other. No confidence or spread is claimed."""
    bins = _histogram(rgb, np.ones(len(rgb)))
    if bins is None:
        return ()
    chosen: list[int] = []
    for k in np.argsort(-bins.weight, kind="stable"):
        if len(chosen) == max_colors:
            break
        if not chosen or delta_e_2000(bins.lab[k], bins.lab[chosen]).min() > ACCENT_DE00:
            chosen.append(int(k))
    nearest = np.argmin(delta_e_2000(bins.lab[:, None], bins.lab[None, chosen]), axis=1)
    shares = np.bincount(nearest, bins.weight, minlength=len(chosen))
    found = [
        PaletteColor(_byte(bins.rgb[k]), float(share), None, None) for k, share in zip(chosen, shares, strict=True)
    ]
    return tuple(sorted(found, key=lambda color: -color.share))


def _histogram(rgb: NDArray[np.uint8], weights: Floats) -> _Bins | None:
    total = weights.sum()
    if not len(rgb) or total <= 0:
        return None
    wide = rgb.astype(np.int32) >> 3
    index = (wide[:, 0] << 10) | (wide[:, 1] << 5) | wide[:, 2]
    weight = np.bincount(index, weights, minlength=32768)
    kept = np.flatnonzero(weight > 2e-5 * total)
    if not len(kept):
        kept = np.flatnonzero(weight > 0)
    sums = [np.bincount(index, weights * rgb[:, channel], minlength=32768)[kept] for channel in range(3)]
    means = np.stack(sums, axis=1) / weight[kept, None]
    share = weight[kept] / weight[kept].sum()
    return _Bins(means, srgb_to_oklab(means / 255), srgb_to_lab_d65(means / 255), share)


def _kmeans(bins: _Bins) -> NDArray[np.intp]:
    """The cluster of every bin, (n,)."""
    centres = bins.oklab[_seeds(bins)]
    nearest = np.zeros(len(bins.weight), np.intp)
    for _ in range(LLOYD_STEPS):
        distance = ((bins.oklab[:, None, :] - centres[None]) ** 2).sum(axis=-1)
        updated = np.argmin(distance, axis=1)
        if np.array_equal(updated, nearest):
            break
        nearest = updated
        mass = np.bincount(nearest, bins.weight, minlength=len(centres))
        sums = [np.bincount(nearest, bins.weight * bins.oklab[:, k], minlength=len(centres)) for k in range(3)]
        full = mass > 0
        centres[full] = np.stack(sums, axis=1)[full] / mass[full, None]
    return np.unique(nearest, return_inverse=True)[1].ravel()


def _seeds(bins: _Bins) -> list[int]:
    """The fullest bin, then again and again the one that is farthest from all seeds, for its weight."""
    seeds = [int(np.argmax(bins.weight))]
    nearest = np.full(len(bins.weight), np.inf)
    for _ in range(min(SEEDS, len(bins.weight)) - 1):
        nearest = np.minimum(nearest, ((bins.oklab - bins.oklab[seeds[-1]]) ** 2).sum(axis=-1))
        seeds.append(int(np.argmax(nearest * np.sqrt(bins.weight))))
    return seeds


def _merge_shades(bins: _Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Joins the nearest two clusters that are one cloth, until none are."""
    while True:
        pairs = [pair for pair in _pairs_by_distance(bins, cluster) if _one_cloth(bins, cluster, *pair)]
        if not pairs:
            return cluster
        _, first, second = pairs[0]
        joined = np.where(cluster == second, first, cluster)
        cluster = np.unique(joined, return_inverse=True)[1].ravel()


def _pairs_by_distance(bins: _Bins, cluster: NDArray[np.intp]) -> list[tuple[float, int, int]]:
    lab = _means(bins.lab, bins.weight, cluster)
    distance = delta_e_2000(lab[:, None], lab[None])
    first, second = np.triu_indices(len(lab), 1)
    ordered = np.argsort(distance[first, second], kind="stable")
    return [(float(distance[first[k], second[k]]), int(first[k]), int(second[k])) for k in ordered]


def _one_cloth(bins: _Bins, cluster: NDArray[np.intp], distance_de00: float, first: int, second: int) -> bool:
    if distance_de00 < NEAR_DE00:
        return True
    if distance_de00 > FAR_DE00:
        return False
    centres = _means(bins.oklab, bins.weight, cluster)[[first, second]]
    return _shade_geometry(centres) and _continuity(bins, cluster, first, second) > CONTINUITY


def _shade_geometry(centres: Floats) -> bool:
    """Whether two OKLab colours, (2, 3), can be one cloth in light and in shadow."""
    chroma = np.hypot(centres[:, 1], centres[:, 2])
    if chroma.max() < GREY_CHROMA:
        return True
    turn = np.degrees(np.arctan2(centres[:, 2], centres[:, 1]))
    hue = abs((turn[0] - turn[1] + 180) % 360 - 180)
    if chroma.min() < GREY_CHROMA:  # the hue of the greyer one is uncertain, and it must be the darker
        darker = int(np.argmin(centres[:, 0]))
        return bool(chroma[darker] == chroma.min() and hue < 3 * SHADE_HUE_DEG)
    ratio = chroma / np.maximum(centres[:, 0], 1e-3)
    return bool(hue < SHADE_HUE_DEG and ratio.max() / ratio.min() < SHADE_RATIO)


def _continuity(bins: _Bins, cluster: NDArray[np.intp], first: int, second: int) -> float:
    """How full the straight way between two clusters is, against the emptier end: a fold's shading fills it."""
    centres = _means(bins.oklab, bins.weight, cluster)
    axis = centres[second] - centres[first]
    along = (bins.oklab - centres[first]) @ axis / (axis @ axis)
    beside = np.linalg.norm(bins.oklab - centres[first] - along[:, None] * axis, axis=-1)
    near = (beside < TUBE) & (along > -0.3) & (along < 1.3)
    fill = np.histogram(along[near], bins=8, range=(-0.3, 1.3), weights=bins.weight[near])[0]
    ends = min(fill[:3].max(), fill[5:].max())
    return float(fill[2:6].min() / ends) if ends > 0 else 0.0


def _dissolve_blends(bins: _Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Clusters too small to count, or lying between two larger ones as the pixels of an edge do, are given back."""
    share = np.bincount(cluster, bins.weight)
    centres, lab = _means(bins.oklab, bins.weight, cluster), _means(bins.lab, bins.weight, cluster)
    kept: list[int] = []
    for k in np.argsort(-share, kind="stable"):
        apart = delta_e_2000(lab[k], lab[kept]).min() if kept else np.inf
        small = share[k] < ACCENT_SHARE or (share[k] < MIN_SHARE and apart < ACCENT_DE00)
        if not kept or not (small or _is_blend(int(k), kept, share, centres)):
            kept.append(int(k))
    return _reassigned(bins, cluster, kept)


def _is_blend(k: int, kept: list[int], share: Floats, centres: Floats) -> bool:
    for i, first in enumerate(kept):
        for second in kept[i + 1 :]:
            axis = centres[second] - centres[first]
            length2 = float(axis @ axis)
            along = float((centres[k] - centres[first]) @ axis) / max(length2, 1e-9)
            beside = np.linalg.norm(centres[k] - centres[first] - along * axis)
            between = 0.12 < along < 0.88 and beside < 0.035
            if between and share[k] < BLEND_SHARE * min(share[first], share[second]) and share[k] < 0.12:
                return True
    return False


def _keep_largest(bins: _Bins, cluster: NDArray[np.intp], max_colors: int) -> NDArray[np.intp]:
    share = np.bincount(cluster, bins.weight)
    if len(share) <= max_colors:
        return cluster
    return _reassigned(bins, cluster, [int(k) for k in np.argsort(-share, kind="stable")[:max_colors]])


def _reassigned(bins: _Bins, cluster: NDArray[np.intp], kept: list[int]) -> NDArray[np.intp]:
    """The bins of clusters that are not kept go, each, to the kept cluster nearest to it; numbered anew."""
    centres = _means(bins.oklab, bins.weight, cluster)[kept]
    nearest = np.argmin(((bins.oklab[:, None] - centres[None]) ** 2).sum(axis=-1), axis=1)
    position = np.full(int(cluster.max()) + 1, -1)
    position[kept] = np.arange(len(kept))
    own = position[cluster]
    return np.unique(np.where(own >= 0, own, nearest), return_inverse=True)[1].ravel()


def _described(bins: _Bins, cluster: NDArray[np.intp], total_px: float) -> tuple[PaletteColor, ...]:
    colors = []
    centres = _means(bins.oklab, bins.weight, cluster)
    for k in range(len(centres)):
        inside = np.flatnonzero(cluster == k)
        weight = bins.weight[inside]
        share = float(weight.sum())
        solid = weight >= 0.2 * weight.max()  # a medoid that hardly any pixel has would be no one's colour
        distance = ((bins.oklab[inside] - centres[k]) ** 2).sum(axis=-1)
        medoid = inside[np.argmin(np.where(solid, distance, np.inf))]
        spread = float(np.average(delta_e_2000(bins.lab[inside], bins.lab[medoid]), weights=weight))
        sure = max(0.0, 1 - spread / SPREAD_LIMIT_DE00) * min(1.0, share * total_px / FULL_CONFIDENCE_PX) ** 0.5
        colors.append(PaletteColor(_byte(bins.rgb[medoid]), share, sure, spread))
    return tuple(sorted(colors, key=lambda color: (-color.share, color.rgb)))


def _means(values: Floats, weight: Floats, cluster: NDArray[np.intp]) -> Floats:
    mass = np.bincount(cluster, weight)
    return np.stack([np.bincount(cluster, weight * values[:, k]) / mass for k in range(3)], axis=1)


def _byte(rgb: Floats) -> tuple[int, int, int]:
    red, green, blue = np.rint(rgb).astype(int).tolist()
    return red, green, blue
