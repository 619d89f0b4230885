"""Pixels to a palette, at a cost that does not depend on their number; numpy only.

A 5-bit RGB histogram stands for the pixels; deterministic farthest-point seeds and weighted k-means (Lloyd 1982) in
OKLab find the clusters; clusters that are shades of one cloth are merged, and blends along edges given back to the
colours that they are blends of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color import delta_e_2000, srgb_to_lab_d65, srgb_to_oklab
from pipeline.types import Floats, PaletteColor

SEEDS = 12
LLOYD_STEPS = 12
MAX_BINS = 2048  # a busier photo is binned more coarsely
STRAY_SHARE = 2e-5  # emptier bins are noise
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
    apart = np.full((len(bins.weight), 0), np.inf)
    free = np.ones(len(bins.weight), bool)
    while free.any() and len(chosen) < max_colors:
        chosen.append(int(np.argmax(np.where(free, bins.weight, 0))))
        apart = np.column_stack((apart, delta_e_2000(bins.lab, bins.lab[chosen[-1]])))
        free &= apart[:, -1] > ACCENT_DE00
    shares = np.bincount(np.argmin(apart, axis=1), bins.weight, minlength=len(chosen)).tolist()
    found = [PaletteColor(_byte(bins.rgb[k]), share, None, None) for k, share in zip(chosen, shares, strict=True)]
    return tuple(sorted(found, key=lambda color: (-color.share, color.rgb)))


def _histogram(rgb: NDArray[np.uint8], weights: Floats) -> _Bins | None:
    if not len(rgb):
        return None
    if not weights.any():
        weights = np.ones(len(rgb))
    channels = [np.ascontiguousarray(rgb[:, k]) for k in range(3)]
    bins = _binned(channels, weights, bits=5)
    return bins if len(bins.weight) <= MAX_BINS else _binned(channels, weights, bits=4)


def _binned(channels: Sequence[NDArray[np.uint8]], weights: Floats, *, bits: int) -> _Bins:
    red, green, blue = ((channel >> (8 - bits)).astype(np.uint16) for channel in channels)
    index = (red << 2 * bits) | (green << bits) | blue
    weight = np.bincount(index, weights)
    kept = np.flatnonzero(weight > STRAY_SHARE * weight.sum())
    means = np.stack([np.bincount(index, weights * channel)[kept] for channel in channels], axis=1) / weight[kept, None]
    share = weight[kept] / weight[kept].sum()
    return _Bins(means, srgb_to_oklab(means / 255), srgb_to_lab_d65(means / 255), share)


def _kmeans(bins: _Bins) -> NDArray[np.intp]:
    """The cluster of every bin, (n,)."""
    centres = bins.oklab[_seeds(bins)]
    nearest = np.full(len(bins.weight), -1)
    weighted = bins.oklab * bins.weight[:, None]
    for _ in range(LLOYD_STEPS):
        updated = _nearest(bins.oklab, centres)
        if np.array_equal(updated, nearest):
            break
        nearest = updated
        member = np.equal(nearest, np.arange(len(centres))[:, None]).astype(float)  # (clusters, n)
        mass = member @ bins.weight
        full = mass > 0
        centres[full] = (member @ weighted)[full] / mass[full, None]
    return np.unique(nearest, return_inverse=True)[1].ravel()


def _nearest(points: Floats, centres: Floats) -> NDArray[np.intp]:
    """The index of the nearest centre, (n,): argmin |p − c|² = argmax p·c − |c|²/2."""
    return np.asarray(np.argmax(points @ centres.T - (centres * centres).sum(axis=1) / 2, axis=1))


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
        pair = _nearest_shades(bins, cluster)
        if pair is None:
            return cluster
        joined = np.where(cluster == pair[1], pair[0], cluster)
        cluster = np.unique(joined, return_inverse=True)[1].ravel()


def _nearest_shades(bins: _Bins, cluster: NDArray[np.intp]) -> tuple[int, int] | None:
    """The nearest two clusters that are colours too alike to tell apart, or one cloth in light and in shadow."""
    oklab, lab = _means(bins.oklab, bins.weight, cluster), _means(bins.lab, bins.weight, cluster)
    first, second = np.triu_indices(len(lab), 1)
    distance = delta_e_2000(lab[first], lab[second])
    alike = distance < NEAR_DE00
    candidate = alike | ((distance < FAR_DE00) & _shade_geometry(oklab[first], oklab[second]))
    for k in np.argsort(np.where(candidate, distance, np.inf), kind="stable")[: candidate.sum()]:
        if alike[k] or _continuity(bins, oklab[first[k]], oklab[second[k]]) > CONTINUITY:
            return int(first[k]), int(second[k])
    return None


def _shade_geometry(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether pairs of OKLab colours, (n, 3) each, can be one cloth in light and in shadow, (n,)."""
    chroma1, chroma2 = np.hypot(first[:, 1], first[:, 2]), np.hypot(second[:, 1], second[:, 2])
    least, most = np.minimum(chroma1, chroma2), np.maximum(chroma1, chroma2)
    turn = np.arctan2(first[:, 2], first[:, 1]) - np.arctan2(second[:, 2], second[:, 1])
    hue_deg = np.abs((np.degrees(turn) + 180) % 360 - 180)
    ratio1, ratio2 = chroma1 / np.maximum(first[:, 0], 1e-3), chroma2 / np.maximum(second[:, 0], 1e-3)
    same_ratio = np.maximum(ratio1, ratio2) < SHADE_RATIO * np.minimum(ratio1, ratio2)
    # The hue of the greyer one of a pair is uncertain, and it must be the darker.
    greyer_is_darker = (chroma1 < chroma2) == (first[:, 0] < second[:, 0])
    half_grey = (least < GREY_CHROMA) & greyer_is_darker & (hue_deg < 3 * SHADE_HUE_DEG)
    return np.asarray(
        (most < GREY_CHROMA) | half_grey | ((least >= GREY_CHROMA) & (hue_deg < SHADE_HUE_DEG) & same_ratio)
    )


def _continuity(bins: _Bins, first: Floats, second: Floats) -> float:
    """How full the straight way between two OKLab colours is, against the emptier end: a fold's shading fills it."""
    axis = second - first
    offset = bins.oklab - first
    along = offset @ axis / (axis @ axis)
    beside2 = (offset * offset).sum(axis=1) - along * along * (axis @ axis)
    near = (beside2 < TUBE * TUBE) & (along > -0.3) & (along < 1.3)
    fill = np.bincount(((along[near] + 0.3) * 5).astype(np.intp), bins.weight[near], minlength=8)
    ends = min(fill[:3].max(), fill[5:].max())
    return float(fill[2:6].min() / ends) if ends > 0 else 0.0


def _dissolve_blends(bins: _Bins, cluster: NDArray[np.intp]) -> NDArray[np.intp]:
    """Clusters too small to count, or lying between two larger ones as the pixels of an edge do, are given back."""
    share: Floats = np.bincount(cluster, bins.weight).astype(float)
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
    nearest = _nearest(bins.oklab, centres)
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
