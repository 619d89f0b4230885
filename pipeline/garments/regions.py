"""Finds the garments of a label map, and makes label maps where no network has answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.color.spaces import bytes_to_oklab
from pipeline.garments.confidence import kind_confidence
from pipeline.garments.grouping import Group, group_garments
from pipeline.garments.kinds import FIRST_GARMENT, SKIN
from pipeline.garments.kinds import label_of as kind_label
from pipeline.garments.likeness import color_codes, skin_taken_for_cloth
from pipeline.garments.masks import Ids, connected, enlarged, filled, opened
from pipeline.options import PhotoOptions
from pipeline.parts import CategoryShare, Region
from pipeline.types import CLASSES, GARMENT_CLASSES, UNKNOWN, Category, ConfidenceMap, LabelMap, Mask, RgbImage

# The constants below are taste: they were set by looking at photos.
# Components are found on a map whose long side is at most this long, which keeps the cost constant.
WORK_PX = 256
# The fallback takes the background's colours from a frame this wide, as a share of the shorter side.
BORDER_SHARE = 0.04
# Border pixels are binned by OKLab cubes of this side. A bin is a colour of the background from this share on.
BORDER_BIN = 0.06
BORDER_COLOR_SHARE = 0.03
# A pixel is the garment's when it is this far from every colour of the background, ΔE_OK.
FALLBACK_DISTANCE = 0.09
# Of what differs from the background, components below this share of the largest one are dropped.
FALLBACK_COMPONENT_SHARE = 0.1
# When less than this share of the photo differs from the background, the fallback takes the middle.
MIN_FALLBACK_SHARE = 0.02
# Kinds below this share of a region's pixels are not reported as alternatives.
MIN_ALTERNATIVE_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class _GarmentPixels:
    category: Category
    confidence: float | None
    mask: Mask
    alternatives: tuple[CategoryShare, ...]


def find_regions(
    labels: LabelMap, confidence: ConfidenceMap | None, options: PhotoOptions, *, pixels: RgbImage | None = None
) -> tuple[Region, ...]:
    """The garments of a label map, largest first, ids g1, g2 and so on.

    labels: (H, W). confidence: (h, w) over the same extent, 255 = certain. pixels: (H, W, 3); where the network is
    uncertain, their colours decide between cloth and skin, and between one garment and two. The options `subject` and
    `category` decide the kind of garment; `garments` selects the kinds to report. Pixels labelled UNKNOWN are one
    garment.
    """
    if np.any(labels == UNKNOWN):
        garments = [_GarmentPixels(options.category or "unknown", None, labels == UNKNOWN, ())]
    else:
        garments = _from_network(labels, confidence, options, pixels)
    kept = [garment for garment in garments if garment.category == "unknown" or garment.category in options.garments]
    kept.sort(key=lambda garment: -np.count_nonzero(garment.mask))
    return tuple(_region(f"g{k}", garment) for k, garment in enumerate(kept, start=1))


def labels_from_mask(mask: Mask) -> LabelMap:
    """A given mask (H, W) as a label map: one garment of unknown kind."""
    return np.where(mask, UNKNOWN, 0).astype(np.uint8)


def whole_labels(height_px: int, width_px: int) -> LabelMap:
    """A label map that takes the whole image as the garment."""
    return np.full((height_px, width_px), UNKNOWN, np.uint8)


def fallback_labels(pixels: RgbImage) -> LabelMap:
    """A label map without a network: one garment where the photo (H, W, 3) differs from the colours along its border.

    Holes are filled and small components dropped. When next to nothing differs, the garment is the middle of the photo.
    """
    step = max(1, -(-max(pixels.shape[:2]) // WORK_PX))
    oklab = bytes_to_oklab(pixels[::step, ::step])
    nearest = np.full(oklab.shape[:2], np.inf)
    for color in _border_colors(oklab):
        away = oklab - color
        np.minimum(nearest, np.einsum("hwc,hwc->hw", away, away), out=nearest)
    found = connected(opened(nearest > FALLBACK_DISTANCE**2))
    large = found.sizes_px >= FALLBACK_COMPONENT_SHARE * found.sizes_px[1:].max(initial=1)
    large[0] = False
    differs = filled(large[found.ids])
    if differs.mean() < MIN_FALLBACK_SHARE:
        differs = _middle(*differs.shape)
    height_px, width_px = pixels.shape[:2]
    return resize_labels(labels_from_mask(differs), (width_px, height_px))


def resize_labels(labels: LabelMap, size_px: tuple[int, int]) -> LabelMap:
    """A label map at another size (width, height), by nearest neighbour, so that classes are never blended."""
    if (labels.shape[1], labels.shape[0]) == size_px:
        return labels
    return np.asarray(Image.fromarray(labels).resize(size_px, Image.Resampling.NEAREST))


def _from_network(
    labels: LabelMap, confidence: ConfidenceMap | None, options: PhotoOptions, pixels: RgbImage | None
) -> list[_GarmentPixels]:
    step = max(1, -(-max(labels.shape) // WORK_PX))
    small = np.ascontiguousarray(labels[::step, ::step])
    cloth = labels >= FIRST_GARMENT
    coarse = None if confidence is None else resize_labels(confidence, (small.shape[1], small.shape[0]))
    codes = None
    if pixels is not None and coarse is not None:
        codes = color_codes(pixels[::step, ::step])
        skin = skin_taken_for_cloth(codes, small, coarse / 255)
        small = np.where(skin, SKIN, small).astype(np.uint8)
        cloth &= ~enlarged(skin, step, labels.shape)
    groups, members = group_garments(small, coarse, options, codes=codes)
    # The coarse map misses up to a step of pixels at each edge, so groups first grow by one coarse pixel.
    spread = np.where(groups == 0, _grown(groups), groups)
    full = np.where(cloth, enlarged(spread, step, labels.shape), 0)
    return [_garment_pixels(group, small, groups, coarse, full) for group in members]


def _grown(ids: Ids) -> Ids:
    """The largest id within a pixel of each, (H, W)."""
    grown = ids.copy()
    for first, second in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        before = grown.copy()
        np.maximum(grown[first], before[second], out=grown[first])
        np.maximum(grown[second], before[first], out=grown[second])
    return grown


def _garment_pixels(
    group: Group, small: LabelMap, groups: NDArray[np.int32], confidence: ConfidenceMap | None, full: NDArray[np.int32]
) -> _GarmentPixels:
    inside = groups == group.id
    votes = np.bincount(small[inside], minlength=len(CLASSES))[FIRST_GARMENT : len(CLASSES)]
    shares = votes / max(1, int(votes.sum()))
    others = [
        CategoryShare(name, round(float(share), 3))
        for name, share in zip(GARMENT_CLASSES, shares, strict=True)
        if name != group.category and share >= MIN_ALTERNATIVE_SHARE
    ]
    others.sort(key=lambda other: (-other.share, other.category))
    sure = _confidence(group, inside, small, confidence)
    return _GarmentPixels(group.category, sure, full == group.id, tuple(others))


def _confidence(group: Group, inside: Mask, small: LabelMap, confidence: ConfidenceMap | None) -> float | None:
    """The probability that a group's kind is right. inside, small, confidence: (h, w)."""
    if confidence is None:
        return None
    certainty = confidence[inside] / 255
    # A kind that the caller named is not the network's: then its certainty about the pixels' own kinds counts.
    own = small[inside] == kind_label(group.category)
    support = float((certainty * own).mean()) if own.any() else float(certainty.mean())
    return round(kind_confidence(support), 3)


def _region(region_id: str, garment: _GarmentPixels) -> Region:
    height_px, width_px = garment.mask.shape
    rows, columns = np.flatnonzero(garment.mask.any(axis=1)), np.flatnonzero(garment.mask.any(axis=0))
    left, right = round(float(columns[0]) / width_px, 4), round(float(columns[-1] + 1) / width_px, 4)
    top, bottom = round(float(rows[0]) / height_px, 4), round(float(rows[-1] + 1) / height_px, 4)
    bbox = (left, top, round(right - left, 4), round(bottom - top, 4))
    area = round(float(np.count_nonzero(garment.mask)) / garment.mask.size, 4)
    return Region(region_id, garment.category, garment.confidence, bbox, area, garment.mask, garment.alternatives)


def _border_colors(oklab: NDArray[np.float64]) -> NDArray[np.float64]:
    """The colours that the border consists of, (n, 3): the means of the fullest bins of a coarse histogram."""
    frame = max(1, round(BORDER_SHARE * min(oklab.shape[:2])))
    edge = np.ones(oklab.shape[:2], bool)
    edge[frame:-frame, frame:-frame] = False
    colors = oklab[edge]
    lightness, a, b = np.floor(colors / BORDER_BIN).astype(np.intp).T
    # |a| and |b| of sRGB are below 0.4, so 64 bins a channel are more than enough.
    bins = np.unique((lightness * 64 + a) * 64 + b, return_inverse=True)[1]
    counts = np.bincount(bins)
    means = np.stack([np.bincount(bins, colors[:, axis]) for axis in range(3)], axis=1) / counts[:, None]
    large = counts >= BORDER_COLOR_SHARE * len(colors)
    return means[large] if large.any() else means


def _middle(height_px: int, width_px: int) -> Mask:
    mask = np.zeros((height_px, width_px), bool)
    mask[height_px // 4 : -(-3 * height_px // 4), width_px // 4 : -(-3 * width_px // 4)] = True
    return mask
