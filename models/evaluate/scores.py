"""Scores of a network on labelled photos: overlaps with intervals, palette errors and garments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.garments.kinds import BY_LABEL, BY_NAME, FIRST_GARMENT, KINDS
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.palette.extraction import extract
from pipeline.palette.vector import palette_error
from pipeline.parts import Region, Swatch
from pipeline.types import CLASSES, UNKNOWN, Floats, LabelMap, Mask, RgbImage, Segmentation

CLOTHES = tuple(kind.label for kind in KINDS if kind.clothing)
# Taste: true garments below this share of the photo are not scored.
MIN_GARMENT_SHARE = 0.01
# Taste: the CIELAB lightness of clothes and of the background in each slice.
DARK_L, DARK_AROUND_L, LIGHT_L, LIGHT_AROUND_L = 35.0, 50.0, 60.0, 65.0
# Taste: clothes below this share of the photo count as small.
SMALL_SHARE = 0.1
# Taste: bootstrap resamples of an interval.
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """A photo (H, W, 3), its segmentation, and the true labels (H, W) in our classes at the same size."""

    pixels: RgbImage
    found: Segmentation
    truth: LabelMap


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure over a set of photos with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Garments:
    """How well the garments that come from the label maps agree with the truth.

    iou: mean over true clothes of the best overlap with a found garment. class_iou: the same, but 0 when that garment
    is of another kind. purity: area-weighted share of found clothes that belongs to one true class.
    """

    iou: float
    class_iou: float
    purity: float


def clothes(labels: LabelMap) -> Mask:
    """The mask of clothes in a label map, of known kind or not."""
    return np.isin(labels, (*CLOTHES, UNKNOWN))


def confusions(cases: Sequence[Case]) -> Floats:
    """Pixels by truth and prediction for each photo, (photos, 9, 9)."""
    n = len(CLASSES)
    tables = np.zeros((len(cases), n, n))
    for k, case in enumerate(cases):
        known = case.found.labels < n
        codes = case.truth[known].astype(np.int64) * n + case.found.labels[known]
        tables[k] = np.bincount(codes, minlength=n * n).reshape(n, n)
    return tables


def clothes_pixels(cases: Sequence[Case]) -> Floats:
    """Each photo's pixels that are clothes in both truth and prediction, and in either, (photos, 2)."""
    pairs = [(clothes(case.truth), clothes(case.found.labels)) for case in cases]
    return np.array([(np.count_nonzero(a & b), np.count_nonzero(a | b)) for a, b in pairs], float).reshape(-1, 2)


def garment_pixels(cases: Sequence[Case]) -> Floats:
    """As `clothes_pixels`, for garments of any kind."""
    pairs = [(case.truth >= FIRST_GARMENT, case.found.labels >= FIRST_GARMENT) for case in cases]
    return np.array([(np.count_nonzero(a & b), np.count_nonzero(a | b)) for a, b in pairs], float).reshape(-1, 2)


def iou_of_classes(tables: Floats) -> Floats:
    """IoU of each class over the pooled pixels of tables (photos, 9, 9); NaN for a class that is in neither side."""
    table = tables.sum(axis=0)
    unions = table.sum(axis=0) + table.sum(axis=1) - np.diag(table)
    return np.where(unions > 0, np.diag(table) / np.maximum(1, unions), np.nan)


def iou_of_class(label: int, tables: Floats) -> float:
    """IoU of one class; NaN when it is in neither side."""
    return float(iou_of_classes(tables)[label])


def mean_iou(tables: Floats) -> float:
    """The mean IoU of the classes that occur; NaN when none does."""
    ious = iou_of_classes(tables)
    return float(np.nanmean(ious)) if np.isfinite(ious).any() else float("nan")


def pooled_iou(pairs: Floats) -> float:
    """Clothes IoU over the pooled (both, either) pixels; NaN when there are no clothes."""
    both, either = pairs.sum(axis=0)
    return float(both / either) if either else float("nan")


def interval(statistic: Callable[[Floats], float], rows: Floats) -> Interval:
    """A statistic of per-photo rows with its bootstrap interval; the seed is fixed."""
    random = np.random.default_rng(0)
    drawn = [statistic(rows[random.integers(len(rows), size=len(rows))]) for _ in range(RESAMPLES)]
    # A rare class may be on none of the photos drawn.
    known = [value for value in drawn if np.isfinite(value)]
    low, high = np.percentile(known, (2.5, 97.5)) if known else (np.nan, np.nan)
    return Interval(statistic(rows), float(low), float(high))


def palette_errors(cases: Sequence[Case]) -> Floats:
    """ΔE00 between the palettes of each photo's found and true clothes, each taken as one garment.

    Photos without true clothes are left out. Where none were found, the whole photo counts, as in the service.
    """
    errors = []
    for case in cases:
        real = clothes(case.truth)
        if not real.any():
            continue
        seen = clothes(case.found.labels)
        found = seen if seen.any() else np.ones_like(seen)
        errors.append(palette_error(_palette(case.pixels, found), _palette(case.pixels, real)))
    return np.array(errors)


def _palette(pixels: RgbImage, mask: Mask) -> tuple[Swatch, ...]:
    labels = np.where(mask, np.uint8(UNKNOWN), np.uint8(0))
    return extract(pixels, labels, None, Options()).garments[0].colors


def purities(cases: Sequence[Case]) -> Floats:
    """Each product photo's share of garment pixels that have its one true class."""
    shares = []
    for case in cases:
        garment = case.found.labels >= FIRST_GARMENT
        named = np.count_nonzero(case.found.labels[garment] == case.truth.flat[0])
        shares.append(int(named) / max(1, int(np.count_nonzero(garment))))
    return np.array(shares)


def garments(cases: Sequence[Case]) -> Garments:
    """How well the garments that the service would report agree with the truth."""
    overlaps: list[tuple[float, bool]] = []
    pure: list[tuple[float, int]] = []
    for case in cases:
        regions = find_regions(case.found.labels, case.found.confidence, Options(), pixels=case.pixels)
        overlaps += _overlaps(regions, case.truth)
        pure += _region_purities(regions, case.truth)
    return Garments(
        iou=sum(iou for iou, _same in overlaps) / max(1, len(overlaps)),
        class_iou=sum(iou * same for iou, same in overlaps) / max(1, len(overlaps)),
        purity=sum(share * px for share, px in pure) / max(1, sum(px for _share, px in pure)),
    )


def _overlaps(regions: Sequence[Region], truth: LabelMap) -> list[tuple[float, bool]]:
    """Each true garment's best overlap with a found one, and whether that one is of its class."""
    overlaps = []
    for label in CLOTHES:
        real = truth == label
        if real.mean() < MIN_GARMENT_SHARE:
            continue
        each = [(_iou(real, one.mask), one.category == BY_LABEL[label].name) for one in regions]
        overlaps.append(max(each, default=(0.0, False)))
    return overlaps


def _iou(one: Mask, other: Mask) -> float:
    return int(np.count_nonzero(one & other)) / max(1, int(np.count_nonzero(one | other)))


def _region_purities(regions: Sequence[Region], truth: LabelMap) -> list[tuple[float, int]]:
    """For each found garment on true clothes: the share of their commonest class, and their number of pixels."""
    found = []
    for region in regions:
        counts = np.bincount(truth[region.mask], minlength=len(CLASSES))[list(CLOTHES)]
        if region.category in BY_NAME and BY_NAME[region.category].clothing and counts.any():
            found.append((float(counts.max() / counts.sum()), int(counts.sum())))
    return found


def slices(cases: Sequence[Case]) -> dict[str, NDArray[np.bool_]]:
    """Masks of hard photos: by the lightness of the clothes and of the background, and by size."""
    figures = np.array([_lightness_and_size(case) for case in cases]).reshape(-1, 3)
    inside, around, size = figures.T
    return {
        "dark on dark": (inside < DARK_L) & (around < DARK_AROUND_L),
        "light on light": (inside > LIGHT_L) & (around > LIGHT_AROUND_L),
        "small": (size > 0) & (size < SMALL_SHARE),
    }


def _lightness_and_size(case: Case) -> tuple[float, float, float]:
    """Median L* of the true clothes and of the background, and the clothes' share of the photo."""
    real, background = clothes(case.truth), case.truth == 0
    if not real.any() or not background.any():
        return float("nan"), float("nan"), float(real.mean())
    lightness = [float(np.median(srgb_to_lab_d65(case.pixels[mask][::7] / 255)[:, 0])) for mask in (real, background)]
    return lightness[0], lightness[1], float(real.mean())
