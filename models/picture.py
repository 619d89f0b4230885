"""Draws the colour advice on a photo, without a server: `python -m models.picture PHOTO`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from models.cards import DEFAULT_MODEL, ModelError, load_card
from models.engines.choice import open_segmenter
from models.segmenter import Segmenter
from pipeline.analysis import advise, given_segmentation
from pipeline.contract import advice_in_words
from pipeline.errors import ColorMatchError, InvalidOptions
from pipeline.image.decode import decode_image
from pipeline.options import Options, parse_options
from pipeline.picture.page import PAGE_PX, page

OUT = Path("out")
# Taste: the widths that a picture may have.
LEAST_PX, MOST_PX = 400, 4000
# Taste: a page shows six suggestions well; the options may say otherwise.
SUGGESTIONS = 6


class PictureError(Exception):
    """A photo cannot be read or a picture cannot be written; the message says which one and why."""


def picture(path: Path, segmenter: Segmenter, options: Options) -> Image.Image:
    """The page of one photo, RGB. Raises PictureError."""
    try:
        image = decode_image(path.read_bytes(), network_px=segmenter.input_px)
        segmentation = given_segmentation(image, options) or segmenter.segment_photo(image)
        drawn = replace(options, include=("masks",))
        answer = advice_in_words(advise(image, segmentation, drawn), drawn.lang)
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or 'it cannot be read'}.") from error
    except ColorMatchError as error:
        raise PictureError(f"{path}: {error.detail}") from error
    return page(path.name, image, answer, drawn)


def destinations(photos: Sequence[Path], out: Path | None) -> list[Path]:
    """The path of each photo's picture: the PNG `out` for a single photo, else a unique name in the folder `out`."""
    if out is not None and len(photos) == 1 and out.suffix.lower() == ".png":
        return [out]
    folder = OUT if out is None else out
    taken: set[str] = set()
    found = []
    for photo in photos:
        name, count = photo.stem, 2
        while name in taken:
            name, count = f"{photo.stem}-{count}", count + 1
        taken.add(name)
        found.append(folder / f"{name}.png")
    return found


def write(image: Image.Image, path: Path, *, width_px: int = PAGE_PX) -> None:
    """Writes a PNG of a given width and makes its folder. Raises PictureError."""
    if width_px != image.width:
        image = image.resize((width_px, round(image.height * width_px / image.width)), Image.Resampling.LANCZOS)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, "PNG")
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror or 'it cannot be written'}.") from error


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns 2 when an argument or a photo is bad, else 0."""
    command = _parser().parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        options = (
            replace(Options(), max_suggestions=SUGGESTIONS)
            if command.options is None
            else parse_options(command.options)
        )
        segmenter = open_segmenter(load_card(command.model, allow_non_commercial=True), device=command.device)
    except (InvalidOptions, ModelError) as error:
        console.print(str(error), style="red", markup=False)
        return 2

    def draw(photo: Path, target: Path) -> None:
        write(picture(photo, segmenter, options), target, width_px=command.width)

    return _all(command.photos, command.out, draw, console)


def _all(photos: list[Path], out: Path | None, draw: Callable[[Path, Path], None], console: Console) -> int:
    """Draws every photo, also after a bad one; returns the exit status."""
    status = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(photos))
        for path, target in zip(photos, destinations(photos, out), strict=True):
            progress.update(task, description=path.name)
            try:
                draw(path, target)
                console.print(f"{path} -> {target}", markup=False, soft_wrap=True)
            except PictureError as error:
                console.print(str(error), style="red", markup=False, soft_wrap=True)
                status = 2
            progress.advance(task)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.picture",
        description="Draws the colour advice on photos: the garments, their colours, and what goes with them.",
    )
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO", help="JPEG, PNG or WebP")
    parser.add_argument(
        "-o", "--out", type=Path, help="a PNG for one photo, a folder for several; default: out/NAME.png"
    )
    parser.add_argument(
        "--width", type=_width, default=PAGE_PX, metavar="PX", help="the picture's width; default: %(default)s"
    )
    parser.add_argument("--options", metavar="JSON", help='the service\'s options, such as \'{"intent": "bold"}\'')
    parser.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="default: %(default)s")
    return parser


def _width(text: str) -> int:
    if not text.isdecimal() or not LEAST_PX <= int(text) <= MOST_PX:
        raise argparse.ArgumentTypeError(f"the width must be {LEAST_PX} to {MOST_PX} px")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
