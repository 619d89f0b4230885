"""Draws the colour advice on a folder of photos as a gallery: `python -m models.gallery FOLDER`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

from models.cards import DEFAULT_MODEL, ModelError, load_card
from models.engines.choice import open_segmenter
from models.picture import SUGGESTIONS, PictureError, destinations, picture, write
from models.segmenter import Segmenter
from pipeline.errors import InvalidOptions
from pipeline.options import Options, parse_options
from pipeline.picture.blocks import PAPER, Picture

OUT = Path("out/gallery")
PHOTOS = (".jpg", ".jpeg", ".png", ".webp")
# Taste: how many photos a gallery has, and how many of them the sheet has.
MOST_PHOTOS = 24
MOST_ON_SHEET = 16
# Taste: the layout of the sheet.
COLUMNS, COLUMN_PX, GAP_PX = 2, 1000, 24
_STYLE = (
    "body{margin:2rem auto;max-width:1200px;padding:0 1rem;background:#fbfaf7;color:#1d2433;"
    "font:1rem/1.5 system-ui,sans-serif}img{width:100%;height:auto;border:1px solid #dfe2e8;border-radius:12px}"
    "figure{margin:0 0 2rem}figcaption{color:#5b6475}"
)


def photos_of(folder: Path, most: int) -> list[Path]:
    """At most `most` photos below a folder, by name and evenly spread. Raises PictureError when there are none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOS and path.is_file())
    if not found:
        raise PictureError(f"{folder}: there are no JPEG, PNG or WebP files.")
    count = min(most, len(found))
    return [found[k * len(found) // count] for k in range(count)]


def sheet(pages: Sequence[Picture]) -> Picture:
    """Puts the pages on one RGB sheet, each at the end of the shorter column."""
    heights_px = [GAP_PX] * COLUMNS
    placed = []
    for page in pages:
        column = heights_px.index(min(heights_px))
        small = page.resize((COLUMN_PX, round(page.height * COLUMN_PX / page.width)), Image.Resampling.LANCZOS)
        placed.append((small, (GAP_PX + column * (COLUMN_PX + GAP_PX), heights_px[column])))
        heights_px[column] += small.height + GAP_PX
    used = min(COLUMNS, max(1, len(placed)))
    whole = Image.new("RGB", (GAP_PX + used * (COLUMN_PX + GAP_PX), max(heights_px)), PAPER)
    for small, place in placed:
        whole.paste(small, place)
    return whole


def index(names: Sequence[str]) -> str:
    """An HTML page that shows the pictures `pages/NAME.png`."""
    figures = [
        f'<figure><a href="pages/{escape(name)}.png"><img loading="lazy" src="pages/{escape(name)}.png" '
        f'alt="Colour advice for {escape(name)}"></a><figcaption>{escape(name)}</figcaption></figure>'
        for name in names
    ]
    head = f'<meta charset="utf-8"><title>StyleSync ColorMatch: gallery</title><style>{_STYLE}</style>'
    body = f"<h1>Colour advice for {len(names)} photos</h1>"
    return "\n".join(
        ["<!doctype html>", f'<html lang="en"><head>{head}</head><body>', body, *figures, "</body></html>"]
    )


def make(folder: Path, out: Path, segmenter: Segmenter, options: Options, *, most: int, console: Console) -> int:
    """Draws every photo's page, the sheet and the index; returns how many photos could not be read."""
    photos = photos_of(folder, most)
    targets = destinations(photos, out / "pages")
    pages: list[Picture] = []
    names: list[str] = []
    for photo, target in track(list(zip(photos, targets, strict=True)), console=console, transient=True):
        try:
            page = picture(photo, segmenter, options)
        except PictureError as error:
            console.print(str(error), style="red", markup=False, soft_wrap=True)
            continue
        write(page, target)
        names.append(target.stem)
        if len(pages) < MOST_ON_SHEET:
            pages.append(page)
    if not pages:
        raise PictureError(f"{folder}: none of the photos could be read.")
    write_files(out, pages, names)
    console.print(f"{len(names)} photos -> {out / 'index.html'}, {out / 'gallery.jpg'}", markup=False, soft_wrap=True)
    return len(photos) - len(names)


def write_files(out: Path, pages: Sequence[Picture], names: Sequence[str]) -> None:
    """Writes the sheet and the index into an existing folder."""
    sheet(pages).save(out / "gallery.jpg", quality=88, subsampling=0, optimize=True)
    (out / "index.html").write_text(index(names), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns 2 when an argument or a photo is bad, else 0."""
    command = _parser().parse_args(arguments)
    console = Console(stderr=True, highlight=False)
    try:
        plain = replace(Options(), max_suggestions=SUGGESTIONS)
        options = plain if command.options is None else parse_options(command.options)
        segmenter = open_segmenter(load_card(command.model, allow_non_commercial=True), device=command.device)
        bad = make(command.folder, command.out, segmenter, options, most=command.most, console=console)
    except (InvalidOptions, ModelError, PictureError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    return 2 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.gallery", description="Draws the colour advice on a folder of photos as a gallery."
    )
    parser.add_argument("folder", type=Path, help="a folder of JPEG, PNG or WebP files")
    parser.add_argument("-o", "--out", type=Path, default=OUT, help="a folder; default: %(default)s")
    parser.add_argument(
        "--most", type=_count, default=MOST_PHOTOS, metavar="N", help="most photos; default: %(default)s"
    )
    parser.add_argument("--options", metavar="JSON", help='the service\'s options, such as \'{"intent": "bold"}\'')
    parser.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="default: %(default)s")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
