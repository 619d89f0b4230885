"""Measures a network on labelled photos: overlap by class, garments after voting, time; imports pipeline and torch."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.registry import DEFAULT_MODEL, load_card
from models.segmenter import DTYPES, Segmenter
from pipeline.image import decode_image
from pipeline.segmentation import find_regions, resize_labels
from pipeline.types import CLASSES, LabelMap, Options, Region, RgbImage, Segmentation

# The 59 labels of clothing-co-parsing as our classes.
GROUPS = {
    "background": "null",
    "skin": "skin",
    "hair": "hair",
    "top": "blouse bodysuit bra cardigan hoodie intimate jumper shirt sweater sweatshirt t-shirt tie top vest",
    "outerwear": "blazer cape coat jacket suit",
    "bottom": "jeans leggings panties pants shorts skirt stockings tights",
    "full_body": "dress romper swimwear",
    "shoes": "boots clogs flats heels loafers pumps sandals shoes sneakers socks wedges",
    "accessory": "accessories bag belt bracelet earrings glasses gloves hat necklace purse ring scarf sunglasses "
    "wallet watch",
}
CLOTHES = tuple(CLASSES.index(name) for name in ("top", "outerwear", "bottom", "full_body"))
MIN_GARMENT_SHARE = 0.01  # of the photo: smaller true garments are not asked for


@dataclass(frozen=True, slots=True)
class Scores:
    """How well predictions agree with the truth over a set of photos.

    miou, class_iou, clothes_iou: pixels pooled over the photos; clothes = top, outerwear, bottom and full_body as one;
    classes that neither side has are left out.
    region_iou: mean over true clothes of the best overlap with one found garment; region_class_iou: the same, 0 where
    that garment is of another kind. region_purity: share of found clothes that is of one true class, area-weighted.
    """

    photos: int
    miou: float
    class_iou: dict[str, float]
    clothes_iou: float
    region_iou: float
    region_class_iou: float
    region_purity: float


@dataclass(frozen=True, slots=True)
class Case:
    """A photo (H, W, 3), what was found on it, and the truth (H, W) in our classes, at the prediction's size."""

    pixels: RgbImage
    found: Segmentation
    truth: LabelMap


def class_lookup(names: Sequence[str]) -> LabelMap:
    """A table (256,) from a data set's label values, named in order, to ours. Raises ValueError for an unknown name."""
    table = np.zeros(256, np.uint8)
    for value, name in enumerate(names):
        ours = [group for group, members in GROUPS.items() if name in members.split()]
        if not ours:
            raise ValueError(f"The label '{name}' belongs to none of our classes.")
        table[value] = CLASSES.index(ours[0])
    return table


def score(cases: Sequence[Case]) -> Scores:
    """Scores over a set of photos."""
    n = len(CLASSES)
    confusion = np.zeros((n, n))  # [truth, prediction]
    overlaps: list[tuple[float, bool]] = []
    purities: list[tuple[float, int]] = []
    for case in cases:
        found, truth = case.found, case.truth
        codes = truth.ravel().astype(np.int64) * n + found.labels.ravel()
        confusion += np.bincount(codes, minlength=n * n).reshape(n, n)
        regions = find_regions(found.labels, found.confidence, Options(), pixels=case.pixels)
        overlaps += _overlaps(regions, truth)
        purities += _purities(regions, truth)
    unions = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    by_class = np.diag(confusion)[unions > 0] / unions[unions > 0]
    present = [name for name, union in zip(CLASSES, unions, strict=True) if union > 0]
    both = confusion[np.ix_(CLOTHES, CLOTHES)].sum()
    either = confusion[CLOTHES, :].sum() + confusion[:, CLOTHES].sum() - both
    return Scores(
        photos=len(cases),
        miou=_rounded(by_class.mean()),
        class_iou={name: _rounded(iou) for name, iou in zip(present, by_class, strict=True)},
        clothes_iou=_rounded(both / max(1, either)),
        region_iou=_rounded(sum(iou for iou, _same in overlaps) / max(1, len(overlaps))),
        region_class_iou=_rounded(sum(iou * same for iou, same in overlaps) / max(1, len(overlaps))),
        region_purity=_rounded(sum(share * px for share, px in purities) / max(1, sum(px for _share, px in purities))),
    )


def _overlaps(regions: Sequence[Region], truth: LabelMap) -> list[tuple[float, bool]]:
    """For each true garment: its best overlap with a found one, and whether that is of its class."""
    overlaps = []
    for label in CLOTHES:
        real = truth == label
        if real.mean() < MIN_GARMENT_SHARE:
            continue
        each = [((real & one.mask).sum() / (real | one.mask).sum(), one.category == CLASSES[label]) for one in regions]
        overlaps.append(max(each, default=(0.0, False)))
    return overlaps


def _purities(regions: Sequence[Region], truth: LabelMap) -> list[tuple[float, int]]:
    """For each found garment with clothes under it: the share of their commonest class, and their pixels."""
    purities = []
    for region in regions:
        counts = np.bincount(truth[region.mask], minlength=len(CLASSES))[list(CLOTHES)]
        if region.category in ("top", "outerwear", "bottom", "full_body") and counts.any():
            purities.append((float(counts.max() / counts.sum()), int(counts.sum())))
    return purities


def _predict(segmenter: Segmenter, path: Path, truth_path: Path, table: LabelMap) -> tuple[Case, tuple[float, float]]:
    """One photo through the service's own decoding and the network; times of the network and of the garments, s."""
    image = decode_image(path.read_bytes(), network_px=segmenter.input_px)
    begin = time.perf_counter()
    found = segmenter.segment_photo(image)
    labelled = time.perf_counter()
    find_regions(found.labels, found.confidence, Options(), pixels=image.pixels)
    done = time.perf_counter()
    height_px, width_px = found.labels.shape
    truth = table[resize_labels(np.asarray(Image.open(truth_path)), (width_px, height_px))]
    return Case(image.pixels, found, truth), (labelled - begin, done - labelled)


def _cases(segmenter: Segmenter, folder: Path, limit: int | None) -> tuple[list[Case], NDArray[np.float64]]:
    table = class_lookup(json.loads((folder.parent / "labels.json").read_text()))
    cases, seconds = [], []
    for path in sorted((folder / "photos").iterdir())[:limit]:
        case, taken = _predict(segmenter, path, folder / "labels" / f"{path.stem}.png", table)
        cases.append(case)
        seconds.append(taken)
    return cases, np.array(seconds)


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 3)


def main(arguments: list[str] | None = None) -> int:
    """`python -m models.evaluate FOLDER`; prints the scores as JSON and gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Scores a network on FOLDER/photos and FOLDER/labels; FOLDER/../labels.json names the labels.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--dtype", default="fp32", choices=list(DTYPES), help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="of torch on a CPU; default: %(default)s")
    parser.add_argument("--limit", type=int, help="the first so many photos; default: all")
    asked = parser.parse_args(arguments)
    card = load_card(asked.model, allow_non_commercial=True)
    segmenter = Segmenter(card, device=asked.device, dtype=asked.dtype, threads=asked.threads)
    segmenter.warm_up()
    cases, seconds = _cases(segmenter, asked.folder, asked.limit)
    network_ms, regions_ms = (round(float(ms), 1) for ms in np.median(seconds, axis=0) * 1e3)
    report = {"model": segmenter.version, "threads": asked.threads, "ms": network_ms, "regions_ms": regions_ms}
    sys.stdout.write(json.dumps(report | asdict(score(cases)), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
