"""Judges the garments that the service would report: kinds, cuts, skin sold as cloth, and what confidence means."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.evaluate.scores import CLOTHES, MIN_GARMENT_SHARE, Case
from pipeline.garments.kinds import BY_NAME, FIRST_GARMENT, HAIR, SKIN
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.parts import Region
from pipeline.types import CLASSES, Floats, LabelMap

# Taste: a true garment is cut when a second kind takes this share of what was found of it.
CUT_SHARE = 0.25
# Taste: a garment is skin when skin and hair are this share of its pixels.
SKIN_SHARE = 0.5
# Taste: the bounds of the bins of a reliability table.
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Told:
    """A reported garment. right: whether most of its true pixels are of its kind. label: its kind's label."""

    label: int
    confidence: float | None
    right: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Garments whose confidence lies between two bounds: how many, their mean confidence, and how many are right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Found:
    """How the reported garments of some photos agree with the truth.

    kinds: (9, 9), true garments of at least 1 % of the photo by true class and by the kind that took most of them;
    column 0: not found. seen: the share of these garments, shoes and accessories left out, of which the network's
    pixels alone mostly say the right kind. cut: photos with a garment in several kinds. skin: photos with skin or hair
    sold as a garment.
    shown: photos with a true person. told: every reported garment.
    """

    photos: int
    kinds: Floats
    seen: float
    cut: int
    skin: int
    shown: int
    told: tuple[Told, ...]

    @property
    def right_kind(self) -> float:
        """The share of true garments that have the right kind, shoes and accessories left out; NaN without any."""
        rows = self.kinds[list(CLOTHES)]
        return float(np.trace(rows[:, list(CLOTHES)]) / rows.sum()) if rows.sum() else float("nan")


def judge(cases: Sequence[Case]) -> Found:
    """Finds the garments of each case as the service does, and compares them with the truth."""
    kinds, told, seen = np.zeros((len(CLASSES), len(CLASSES))), list[Told](), list[bool]()
    cut, skin, shown = 0, 0, 0
    for case in cases:
        regions = find_regions(case.found.labels, case.found.confidence, Options(), pixels=case.pixels)
        labels = reported_labels(regions, case.truth.shape)
        cuts = False
        for label in range(FIRST_GARMENT, len(CLASSES)):
            real = case.truth == label
            if real.mean() < MIN_GARMENT_SHARE:
                continue
            counts = np.bincount(labels[real], minlength=len(CLASSES))
            kinds[label, int(counts[1:].argmax()) + 1 if counts[1:].any() else 0] += 1
            if label in CLOTHES:
                cuts |= bool(np.sort(counts[1:])[-2] >= CUT_SHARE * max(1, int(counts[1:].sum())))
                pixels = np.bincount(case.found.labels[real], minlength=len(CLASSES))[FIRST_GARMENT : len(CLASSES)]
                seen.append(int(pixels.argmax()) + FIRST_GARMENT == label)
        cut += cuts
        skin += any(_is_skin(case.truth, region) for region in regions)
        shown += bool(np.any(case.truth == SKIN))
        told += [_told(case.truth, region) for region in regions]
    share = float(np.mean(seen)) if seen else float("nan")
    return Found(len(cases), kinds, share, cut, skin, shown, tuple(told))


def reported_labels(regions: Sequence[Region], shape: tuple[int, ...]) -> LabelMap:
    """A label map (H, W) of what the service reports: each garment in its final kind, and nothing else."""
    labels = np.zeros(shape, np.uint8)
    for region in regions:
        kind = BY_NAME.get(region.category)
        if kind is not None:
            labels[region.mask] = kind.label
    return labels


def _is_skin(truth: LabelMap, region: Region) -> bool:
    return float(np.isin(truth[region.mask], (SKIN, HAIR)).mean()) >= SKIN_SHARE


def _told(truth: LabelMap, region: Region) -> Told:
    kind = BY_NAME.get(region.category)
    label = kind.label if kind else 0
    return Told(label, region.confidence, int(np.bincount(truth[region.mask]).argmax()) == label and label > 0)


def reliability(told: Sequence[Told]) -> tuple[Bin, ...]:
    """The garments by confidence, in bins that are not empty."""
    known = [(one.confidence, one.right) for one in told if one.confidence is not None]
    bins = []
    for low, high in pairwise(BINS):
        members = [(sure, right) for sure, right in known if low <= sure < high or (high == 1.0 and sure == 1.0)]
        if members:
            sure, right = np.mean(members, axis=0)
            bins.append(Bin(low, high, len(members), float(sure), float(right)))
    return tuple(bins)


def calibration_error(told: Sequence[Told]) -> float:
    """The expected calibration error (Guo et al., ICML 2017): the bins' mean gap of confidence and share right."""
    bins = reliability(told)
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / total if total else float("nan")


def main_kind(case: Case) -> bool:
    """Whether the largest reported garment of a product photo has the photo's one true kind."""
    regions = find_regions(case.found.labels, case.found.confidence, Options(), pixels=case.pixels)
    kind = BY_NAME.get(regions[0].category) if regions else None
    return kind is not None and kind.label == int(case.truth.flat[0])
