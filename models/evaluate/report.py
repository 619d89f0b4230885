"""One network's figures on labelled photos, and the report's tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from models.evaluate.found import Found, calibration_error, judge, main_kind, reliability
from models.evaluate.scores import (
    Case,
    Garments,
    Interval,
    clothes_pixels,
    confusions,
    garment_pixels,
    garments,
    interval,
    iou_of_class,
    iou_of_classes,
    mean_iou,
    palette_errors,
    pooled_iou,
    purities,
    slices,
)
from pipeline.garments.kinds import FIRST_GARMENT
from pipeline.types import CLASSES


@dataclass(frozen=True, slots=True)
class Cases:
    """What a network answered: on whole photos, close-ups, products, drawings, and sets of other products."""

    whole: list[Case]
    close: list[Case]
    products: list[Case]
    drawings: list[Case]
    sets: dict[str, list[Case]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """One network's figures; models.evaluate.scores defines them.

    kinds: whether the network tells kinds of garment apart; if not, the figures per class mean nothing. full, close_up:
    clothes IoU. product: share of garment pixels of the folder's class. palette: ΔE00, mean and 90th percentile over
    full photos. found: the reported garments of full photos. close_up_skin: close-ups with skin sold as a garment.
    drawings: garment IoU of flat fills. sets: for each set of products, the share whose largest garment has the right
    kind, and their number. slices: clothes IoU and number of photos. times_ms: median per photo, by engine.
    """

    model: str
    kinds: bool
    photos: int
    miou: Interval
    class_iou: dict[str, Interval]
    full: Interval
    close_up: Interval
    product: Interval | None
    palette: Interval
    palette_p90: float
    garments: Garments
    found: Found
    calibration_error: float
    close_up_skin: int
    drawings: float
    sets: dict[str, tuple[float, int]]
    slices: dict[str, tuple[float, int]]
    times_ms: dict[str, float]


def report(name: str, cases: Cases, times_ms: dict[str, float]) -> Report:
    """The figures of one network from its cases."""
    whole, close, products = cases.whole, cases.close, cases.products
    tables, pairs, errors = confusions(whole), clothes_pixels(whole), palette_errors(whole)
    kinds = bool(tables[:, :, 1:].any())
    present = np.flatnonzero(np.isfinite(iou_of_classes(tables)))
    found = judge(whole)
    return Report(
        model=name,
        kinds=kinds,
        photos=len(whole),
        miou=interval(mean_iou, tables),
        class_iou={CLASSES[k]: interval(partial(iou_of_class, k), tables) for k in present.tolist()},
        full=interval(pooled_iou, pairs),
        close_up=interval(pooled_iou, clothes_pixels(close)),
        product=interval(lambda rows: float(rows.mean()), purities(products)) if products and kinds else None,
        palette=interval(lambda rows: float(rows.mean()), errors),
        palette_p90=float(np.percentile(errors, 90)),
        garments=garments(whole),
        found=found,
        calibration_error=calibration_error(found.told),
        close_up_skin=judge(close).skin,
        drawings=pooled_iou(garment_pixels(cases.drawings)),
        sets={key: (float(np.mean([main_kind(one) for one in some])), len(some)) for key, some in cases.sets.items()},
        slices={key: (pooled_iou(pairs[mask]), int(mask.sum())) for key, mask in slices(whole).items()},
        times_ms=times_ms,
    )


def table(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """The reports as rows of text with a column per network; the first row names the networks."""

    def figure(value: Interval | None) -> str:
        return "–" if value is None else f"{value.value:.3f} ({value.low:.3f}–{value.high:.3f})"

    rows = [("", *(one.model for one in reports))]
    rows.append(("clothes IoU, full body", *(figure(one.full) for one in reports)))
    rows.append(("clothes IoU, close-ups", *(figure(one.close_up) for one in reports)))
    rows.append(("mIoU of 9 classes", *(_of_kinds(one, figure(one.miou)) for one in reports)))
    for name in CLASSES:
        rows.append((f"IoU {name}", *(_of_kinds(one, figure(one.class_iou.get(name))) for one in reports)))
    rows.append(("products: share in the folder's class", *(_of_kinds(one, figure(one.product)) for one in reports)))
    rows.append(("palette error, mean ΔE00", *(figure(one.palette) for one in reports)))
    rows.append(("palette error, 90th percentile", *(f"{one.palette_p90:.2f}" for one in reports)))
    rows.append(("garments: overlap", *(f"{one.garments.iou:.3f}" for one in reports)))
    rows.append(
        ("garments: overlap of the right kind", *(_of_kinds(one, f"{one.garments.class_iou:.3f}") for one in reports))
    )
    rows.append(("garments: purity", *(_of_kinds(one, f"{one.garments.purity:.3f}") for one in reports)))
    rows += _found_rows(reports)
    for name in reports[0].slices:
        shown = [
            f"{iou:.3f} ({n} photos)" if n else "– (no photos)" for iou, n in (one.slices[name] for one in reports)
        ]
        rows.append((f"clothes IoU, {name}", *shown))
    for engine in dict.fromkeys(engine for one in reports for engine in one.times_ms):
        times = [f"{one.times_ms[engine]:.0f}" if engine in one.times_ms else "–" for one in reports]
        rows.append((f"network in {engine}, ms per photo", *times))
    return rows


def _found_rows(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """The rows about the garments that the service reports."""
    rows = [
        ("garments of the right kind", *(_of_kinds(one, f"{one.found.right_kind:.3f}") for one in reports)),
        ("the same by pixels alone", *(_of_kinds(one, f"{one.found.seen:.3f}") for one in reports)),
        ("photos with a garment cut into kinds", *(_of_kinds(one, f"{one.found.cut}") for one in reports)),
        ("photos with skin sold as a garment", *(_of_kinds(one, f"{one.found.skin}") for one in reports)),
        ("close-ups with skin sold as a garment", *(_of_kinds(one, f"{one.close_up_skin}") for one in reports)),
        ("error of confidence", *(_of_kinds(one, f"{one.calibration_error:.3f}") for one in reports)),
        ("drawings: garment IoU", *(f"{one.drawings:.3f}" for one in reports)),
    ]
    for name in reports[0].sets:
        shown = [_of_kinds(one, f"{one.sets[name][0]:.3f} ({one.sets[name][1]} photos)") for one in reports]
        rows.append((f"{name}: right kind", *shown))
    return rows


def kinds_table(one: Report) -> list[tuple[str, ...]]:
    """The kinds of true garments (rows) and how the service reports them (columns), as text."""
    names = ["none", *CLASSES[FIRST_GARMENT:]]
    rows = [("true garment", *names)]
    for label in range(FIRST_GARMENT, len(CLASSES)):
        counts = one.found.kinds[label, [0, *range(FIRST_GARMENT, len(CLASSES))]]
        rows.append((CLASSES[label], *(f"{count:.0f}" for count in counts)))
    return rows


def reliability_table(one: Report) -> list[tuple[str, ...]]:
    """Reported garments by confidence, as text: how many, their mean confidence, and the share of right kinds."""
    rows: list[tuple[str, ...]] = [("confidence", "garments", "mean confidence", "right kind")]
    for part in reliability(one.found.told):
        bounds = f"{part.low:.1f} to {part.high:.1f}"
        rows.append((bounds, f"{part.count}", f"{part.confidence:.3f}", f"{part.right:.3f}"))
    return rows


def _of_kinds(one: Report, shown: str) -> str:
    return shown if one.kinds else "–"


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text as a Markdown table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"
