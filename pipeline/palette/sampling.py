"""Which pixels speak for a garment, and how much each counts; numpy only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.parts import Region
from pipeline.types import ConfidenceMap, Floats, Mask, RgbImage

SAMPLES_PX = 32_768  # of one garment: more pixels tell nothing more
_PLACES = np.random.default_rng(5).random(SAMPLES_PX)
EROSION = 0.012  # of the garment's shorter side: edge pixels are blends with what lies behind
ERODED_LEAST = 0.35  # of the mask: thinner garments are taken whole
CLIPPED, CLIPPED_SHARE = 250, 0.12  # brighter pixels are glare, unless they are a good part of the garment


def garment_samples(
    region: Region, pixels: RgbImage, sure: ConfidenceMap | None, *, most_px: int = SAMPLES_PX
) -> tuple[NDArray[np.uint8], Floats]:
    """The pixels that speak for the garment, (n, 3), at most `most_px` of them, and how much each counts, (n,).

    Weights are whole numbers, so that sums over pixels do not depend on their order.
    """
    inner, top, left = _eroded(region)
    inside = np.flatnonzero(inner)
    if len(inside) > most_px:  # one of each run of equals, at random places: a fixed step would beat with stripes
        places = (np.arange(most_px) + _PLACES[:most_px]) * (len(inside) / most_px)
        inside = inside[places.astype(np.intp)]
    row, column = np.divmod(inside, inner.shape[1])
    inside = (row + top) * region.mask.shape[1] + column + left
    rgb = np.take(pixels.reshape(-1, 3), inside, axis=0)
    weights = np.ones(len(rgb)) if sure is None else sure.ravel()[inside].astype(float)
    glare = (rgb[:, 0] >= CLIPPED) & (rgb[:, 1] >= CLIPPED) & (rgb[:, 2] >= CLIPPED)
    if 0 < np.count_nonzero(glare) < CLIPPED_SHARE * len(glare):
        rgb, weights = rgb[~glare], weights[~glare]
    return rgb, weights


def _eroded(region: Region) -> tuple[Mask, int, int]:
    """The mask around the garment without its rim, and its top and left; at the photo's border it goes on outside."""
    height_px, width_px = region.mask.shape
    reach_px = round(EROSION * min(region.bbox[2] * width_px, region.bbox[3] * height_px))
    (top, bottom), (left, right) = (np.flatnonzero(region.mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    top, left = max(0, top - reach_px), max(0, left - reach_px)
    mask = region.mask[top : bottom + reach_px + 1, left : right + reach_px + 1]
    inner = _shrunk(_shrunk(mask, reach_px).T, reach_px).T
    kept = inner if np.count_nonzero(inner) >= ERODED_LEAST * np.count_nonzero(mask) else mask
    return kept, top, left


def _shrunk(mask: Mask, reach_px: int) -> Mask:
    """Erosion along the rows' axis by doubling windows, outside counting as inside."""
    inner = np.pad(mask, ((reach_px, reach_px), (0, 0)), constant_values=True)
    span = 1
    while span < 2 * reach_px + 1:
        step = min(span, 2 * reach_px + 1 - span)
        inner = inner[:-step] & inner[step:]
        span += step
    return inner


def look_samples(pixels: RgbImage, regions: Sequence[Region]) -> NDArray[np.uint8]:
    """Every fourth pixel, each way, of all garments together, (n, 3); at least one of each garment."""
    if not regions:
        return np.zeros((0, 3), np.uint8)
    step = 4
    parts = [pixels[::step, ::step][region.mask[::step, ::step]] for region in regions]
    return np.concatenate(parts)
