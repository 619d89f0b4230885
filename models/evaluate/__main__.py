"""Reports the quality of several networks on labelled photos, side by side."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.cards import DEFAULT_MODEL, ModelError, load_card
from models.evaluate.scores import (
    Case,
    Garments,
    Interval,
    clothes_pixels,
    confusions,
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
from models.evaluate.sheet import contact_sheet
from models.labelled import FOLDERS, close_up_box, labelled_photos, product_photos
from models.segmenter import DTYPES, SegmentationInput, Segmenter
from pipeline.errors import ColorMatchError
from pipeline.garments.regions import whole_labels
from pipeline.image.decode import decode_image
from pipeline.types import CLASSES, LabelMap, RgbImage, Segmentation

# The baseline without a network: every pixel is the garment.
WHOLE_IMAGE = "whole image"
PROTOTYPE = "u2netp-parse-224"
# Taste: enough photos for a stable median time.
TIMED_PHOTOS = 20


@dataclass(frozen=True, slots=True)
class Report:
    """One network's figures; models.evaluate.scores defines them.

    kinds: whether the network tells kinds of garment apart; if not, the figures per class mean nothing. full, close_up:
    clothes IoU. product: share of garment pixels of the folder's class. palette: ΔE00, mean and 90th percentile over
    full photos. slices: clothes IoU and number of photos. network_ms: median per photo.
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
    slices: dict[str, tuple[float, int]]
    network_ms: float | None


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos that networks are measured on: files of whole photos and of products, with labels in our classes."""

    whole: list[tuple[bytes, LabelMap]]
    products: list[tuple[bytes, LabelMap]]


def load_photos(annotated: Path, products: Path | None, limit: int | None) -> Photos:
    """The photos of the folders. Raises ValueError when a folder is not laid out as the command's help says."""
    whole = list(labelled_photos(annotated))[:limit]
    return Photos(whole, list(product_photos(products))[:limit] if products else [])


def predict(segmenter: Segmenter | None, photos: Sequence[tuple[bytes, LabelMap]], *, close: bool) -> Iterator[Case]:
    """Segments photos with a network, or with none, after decoding them as the service does.

    close: segments a seeded upper-body crop of each photo with a person instead.
    """
    size = segmenter.input_px if segmenter else None
    for k, (data, truth) in enumerate(photos):
        image = decode_image(data, network_px=size)
        height_px, width_px = image.pixels.shape[:2]
        at_size = np.asarray(Image.fromarray(truth).resize((width_px, height_px), Image.Resampling.NEAREST))
        if not close:
            yield Case(image.pixels, _segment(segmenter, image.pixels, image.network), at_size)
            continue
        left, top, right, bottom = close_up_box(at_size, np.random.default_rng(k))
        pixels = np.ascontiguousarray(image.pixels[top:bottom, left:right])
        yield Case(pixels, _segment(segmenter, pixels, None), at_size[top:bottom, left:right])


def _segment(segmenter: Segmenter | None, pixels: RgbImage, network: RgbImage | None) -> Segmentation:
    height_px, width_px = pixels.shape[:2]
    if segmenter is None:
        return Segmentation(whole_labels(height_px, width_px), None, WHOLE_IMAGE)
    given = pixels if network is None else network
    (found,) = segmenter.segment([SegmentationInput(given, width_px, height_px)])
    if isinstance(found, ColorMatchError):
        raise found
    return found


def report(name: str, whole: Sequence[Case], close: Sequence[Case], products: Sequence[Case]) -> Report:
    """The figures of one network from its cases; the caller fills in `network_ms`."""
    tables, pairs, errors = confusions(whole), clothes_pixels(whole), palette_errors(whole)
    kinds = bool(tables[:, :, 1:].any())
    present = np.flatnonzero(np.isfinite(iou_of_classes(tables)))
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
        slices={key: (pooled_iou(pairs[mask]), int(mask.sum())) for key, mask in slices(whole).items()},
        network_ms=None,
    )


def timed(segmenters: dict[str, Segmenter], photos: Sequence[tuple[bytes, LabelMap]]) -> dict[str, float]:
    """The networks' median time per photo, ms. They take turns, so that other load on the machine hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in segmenters}
    for data, _truth in photos[:TIMED_PHOTOS]:
        for name, segmenter in segmenters.items():
            image = decode_image(data, network_px=segmenter.input_px)
            begin = time.perf_counter()
            segmenter.segment_photo(image)
            taken[name].append(time.perf_counter() - begin)
    return {name: float(np.median(seconds) * 1e3) for name, seconds in taken.items()}


def table(reports: Sequence[Report], times: dict[str, float]) -> list[tuple[str, ...]]:
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
    for name in reports[0].slices:
        shown = [
            f"{iou:.3f} ({n} photos)" if n else "– (no photos)" for iou, n in (one.slices[name] for one in reports)
        ]
        rows.append((f"clothes IoU, {name}", *shown))
    rows.append(
        ("network, ms per photo", *(f"{times[one.model]:.0f}" if one.model in times else "–" for one in reports))
    )
    return rows


def _of_kinds(one: Report, shown: str) -> str:
    return shown if one.kinds else "–"


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.evaluate FOLDER …`: prints the report and returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        photos = load_photos(options.folder, options.products, options.limit)
        cards = [load_card(one, allow_non_commercial=True) for one in options.model or (DEFAULT_MODEL, PROTOTYPE)]
        segmenters = {
            card.id: Segmenter(card, device=options.device, dtype=options.dtype, threads=options.threads)
            for card in cards
        }
    except (ValueError, OSError, ModelError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    for segmenter in segmenters.values():
        segmenter.warm_up()
    times = timed(segmenters, photos.whole)
    reports = []
    for name, one in [*segmenters.items(), (WHOLE_IMAGE, None)]:
        whole = _shown(predict(one, photos.whole, close=False), name, "photos", len(photos.whole))
        close = _shown(predict(one, photos.whole, close=True), name, "close-ups", len(photos.whole))
        products = _shown(predict(one, photos.products, close=False), name, "products", len(photos.products))
        reports.append(report(name, whole, close, products))
        if options.sheet and len(reports) == 1:
            contact_sheet(whole, products).save(options.sheet)
    rows = table(reports, times)
    _print(console, rows)
    if options.markdown:
        options.markdown.write_text(_markdown(rows))
    if options.json:
        found = [asdict(one) | {"network_ms": times.get(one.model)} for one in reports]
        options.json.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return 0


def _shown(cases: Iterator[Case], name: str, what: str, total: int) -> list[Case]:
    return list(track(cases, f"{name}: {what}", total=total, console=Console(stderr=True), disable=not total))


def _print(console: Console, rows: list[tuple[str, ...]]) -> None:
    shown = Table(*rows[0])
    for row in rows[1:]:
        shown.add_row(*row)
    console.print(shown)


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Measures networks on FOLDER/photos and FOLDER/labels (FOLDER/../labels.json names the labels), "
        "with 95 % intervals, beside the prototype and a baseline without a network.",
        epilog="Example: python -m models.evaluate ccp/val --products clothing_small/validation --sheet out/sheet.png",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--products", type=Path, metavar="FOLDER", help=f"product photos in {', '.join(FOLDERS)}")
    parser.add_argument(
        "--model", action="append", metavar="ID", help=f"may be repeated; default: {DEFAULT_MODEL} and {PROTOTYPE}"
    )
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--dtype", default="fp32", choices=list(DTYPES), help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads on a CPU; default: %(default)s")
    parser.add_argument("--limit", type=int, help="use only the first photos; default: all")
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="draw the first network's best, median and worst photos"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
