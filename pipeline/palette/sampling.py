"""Samples the pixels that a garment's palette is made of, with their weights."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.garments.masks import extremes
from pipeline.palette import prints
from pipeline.palette.histogram import Samples
from pipeline.parts import Region
from pipeline.types import ConfidenceMap, Mask, RgbImage

# The constants below are taste.
# More pixels of one garment do not change its palette.
SAMPLES_PX = 32_768
# Where in its stretch of equal length each sample lies, 0..1.
_OFFSETS = np.random.default_rng(5).random(SAMPLES_PX)
# This share of the garment's shorter side is eroded, because edge pixels are blends with the background.
EROSION = 0.012
# A thin garment, of which the erosion leaves less than this share, is not eroded.
ERODED_LEAST = 0.35
# Pixels whose channels all reach this value are glare and left out, unless they are this share of the garment.
CLIPPED = 250
CLIPPED_SHARE = 0.12


def garment_samples(
    region: Region,
    pixels: RgbImage,
    confidence: ConfidenceMap | None,
    *,
    most_px: int = SAMPLES_PX,
    plain: bool = False,
) -> Samples:
    """At most `most_px` pixels from the inner part of a garment.

    pixels: (H, W, 3). confidence: of the network, (H, W). plain: no print is looked for. The weights are whole numbers,
    so that sums over pixels do not depend on their order.
    """
    inner, top, left = _eroded(region)
    height_px, width_px = inner.shape
    window = pixels[top : top + height_px, left : left + width_px]
    unblended = None if plain else prints.unblended(window, inner)
    inside = np.flatnonzero(inner)
    if len(inside) > most_px:
        # Each stretch of equal length gives one pixel, at a random place: a fixed step would alias with stripes.
        places = (np.arange(most_px) + _OFFSETS[:most_px]) * (len(inside) / most_px)
        inside = inside[places.astype(np.intp)]
    if unblended is not None:
        unblended = unblended.ravel()[inside]
    row, column = np.divmod(inside, inner.shape[1])
    inside = (row + top) * region.mask.shape[1] + column + left
    rgb = np.take(pixels.reshape(-1, 3), inside, axis=0)
    weights = np.ones(len(rgb)) if confidence is None else confidence.ravel()[inside].astype(float)
    glare = (rgb[:, 0] >= CLIPPED) & (rgb[:, 1] >= CLIPPED) & (rgb[:, 2] >= CLIPPED)
    if 0 < np.count_nonzero(glare) < CLIPPED_SHARE * len(glare):
        rgb, weights = rgb[~glare], weights[~glare]
        unblended = None if unblended is None else unblended[~glare]
    return Samples(rgb, weights, unblended)


def _eroded(region: Region) -> tuple[Mask, int, int]:
    """The eroded mask within a window around the garment, and the window's top and left.

    At the photo's border the garment counts as going on, so that nothing is eroded there.
    """
    height_px, width_px = region.mask.shape
    reach_px = round(EROSION * min(region.bbox[2] * width_px, region.bbox[3] * height_px))
    (top, bottom), (left, right) = (np.flatnonzero(region.mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    top, left = max(0, top - reach_px), max(0, left - reach_px)
    mask = region.mask[top : bottom + reach_px + 1, left : right + reach_px + 1]
    inner = extremes(extremes(mask, reach_px, np.minimum, axis=0), reach_px, np.minimum, axis=1)
    kept = inner if np.count_nonzero(inner) >= ERODED_LEAST * np.count_nonzero(mask) else mask
    return kept, top, left


def sparse_samples(pixels: RgbImage, regions: Sequence[Region]) -> NDArray[np.uint8]:
    """Every fourth pixel in both directions of all garments together, (n, 3)."""
    if not regions:
        return np.zeros((0, 3), np.uint8)
    step = 4
    parts = [pixels[::step, ::step][region.mask[::step, ::step]] for region in regions]
    return np.concatenate(parts)
