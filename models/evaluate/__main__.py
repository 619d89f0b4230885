"""Reports the quality of several networks on labelled photos, side by side."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.cards import DEFAULT_MODEL, ModelCard, ModelError, load_card, weights_path
from models.engines.choice import Engine, open_segmenter
from models.evaluate.drawings import drawings
from models.evaluate.report import Cases, kinds_table, markdown, reliability_table, report, table
from models.evaluate.scores import Case
from models.evaluate.sheet import contact_sheet
from models.evaluate.timing import timed
from models.labelled import FOLDERS, close_up_box, extra_photos, is_aside, labelled_photos, product_photos
from models.segmenter import Dtype, SegmentationInput, Segmenter
from pipeline.errors import ColorMatchError
from pipeline.garments.regions import whole_labels
from pipeline.image.decode import decode_image
from pipeline.types import LabelMap, RgbImage, Segmentation

# The baseline without a network: every pixel is the garment.
WHOLE_IMAGE = "whole image"
# The networks that the default is compared with: the one before it, and a salient-object network.
BASELINES = ("lite0-parse-384", "u2netp")
Photo = tuple[bytes, LabelMap]


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos that networks are measured on: files with labels in our classes, whole, of products, and in sets."""

    whole: list[Photo]
    products: list[Photo]
    sets: dict[str, list[Photo]]


def load_photos(options: argparse.Namespace) -> Photos:
    """The photos of the folders. Raises ValueError when a folder is not laid out as the command's help says."""

    def kept(product: bool) -> Callable[[str], bool]:
        return lambda stem: not options.aside or is_aside(stem, product=product)

    whole = list(labelled_photos(options.folder, kept(False)))[: options.limit]
    products = list(product_photos(options.products, kept(True)))[: options.limit] if options.products else []
    # Training used the rest of the extra photos.
    sets = extra_photos(options.extra, lambda stem: is_aside(stem, product=True)) if options.extra else {}
    return Photos(whole, products, {name: some[: options.limit] for name, some in sets.items() if some})


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


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.evaluate FOLDER …`: prints the report and returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        photos = load_photos(options)
        cards = _cards(options.model)
        segmenters = {
            card.id: open_segmenter(
                card, device=options.device, engine=options.engine, dtype=options.dtype, threads=options.threads
            )
            for card in cards
        }
    except (ValueError, OSError, ModelError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    for segmenter in segmenters.values():
        segmenter.warm_up()
    times = timed(segmenters, cards, [data for data, _truth in photos.whole])
    reports = []
    for name, one in [*segmenters.items(), (WHOLE_IMAGE, None)]:
        cases = _cases(one, photos, name)
        reports.append(report(name, cases, times.get(name, {})))
        if options.sheet and len(reports) == 1:
            contact_sheet(cases.whole, cases.products).save(options.sheet)
    tables = [table(reports), kinds_table(reports[0]), reliability_table(reports[0])]
    for rows in tables:
        _print(console, rows)
    if options.markdown:
        options.markdown.write_text("\n".join(map(markdown, tables)))
    if options.json:
        found = json.dumps([asdict(one) for one in reports], indent=2, ensure_ascii=False, default=_plain)
        options.json.write_text(found + "\n")
    return 0


def _cards(models: Sequence[str] | None) -> list[ModelCard]:
    """The cards of the given networks; else the default's and those of the baselines whose weights are here."""
    if models:
        return [load_card(one, allow_non_commercial=True) for one in models]
    others = [load_card(one) for one in BASELINES if one != DEFAULT_MODEL]
    return [load_card(DEFAULT_MODEL), *(card for card in others if weights_path(card).exists())]


def _cases(segmenter: Segmenter | None, photos: Photos, name: str) -> Cases:
    def run(some: Sequence[Photo], what: str, *, close: bool = False) -> list[Case]:
        cases = predict(segmenter, some, close=close)
        return list(track(cases, f"{name}: {what}", total=len(some), console=Console(stderr=True), disable=not some))

    return Cases(
        run(photos.whole, "photos"),
        run(photos.whole, "close-ups", close=True),
        run(photos.products, "products"),
        run(list(drawings()), "drawings"),
        {what: run(some, what) for what, some in photos.sets.items()},
    )


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _print(console: Console, rows: list[tuple[str, ...]]) -> None:
    shown = Table(*rows[0])
    for row in rows[1:]:
        shown.add_row(*row)
    console.print(shown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.evaluate",
        description="Measures networks on FOLDER/photos and FOLDER/labels (FOLDER/../labels.json names the labels), "
        "with 95 % intervals, beside the network before it, a salient-object network and none.",
        epilog="Example: python -m models.evaluate ccp/val --products clothing_small/validation --sheet out/sheet.png",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--products", type=Path, metavar="FOLDER", help=f"product photos in {', '.join(FOLDERS)}")
    parser.add_argument("--extra", type=Path, metavar="FOLDER", help="the full clothing-dataset: sets of its photos")
    parser.add_argument(
        "--aside", action="store_true", help="use only the tenth that training keeps aside: to choose by, not to report"
    )
    default = ", ".join((DEFAULT_MODEL, *BASELINES))
    parser.add_argument(
        "--model", action="append", metavar="ID", help=f"may be repeated; default: those here of {default}"
    )
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--engine", default="torch", choices=get_args(Engine), help="default: %(default)s")
    parser.add_argument("--dtype", choices=get_args(Dtype), help="default: the fastest that the device computes in")
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
