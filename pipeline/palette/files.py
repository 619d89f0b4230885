"""Writes a palette as a file: JSON, SVG, PNG, CSS, GIMP palette or Adobe Swatch Exchange."""

import io
import json
import struct
from collections.abc import Callable, Sequence
from html import escape
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.color.hex import hex_to_rgb
from pipeline.color.sight import text_color
from pipeline.errors import InvalidOptions

PaletteFormat = Literal["json", "svg", "png", "css", "gpl", "ase"]
NamedColor = tuple[str, str]  # #rrggbb, name

# Taste: the size of one colour in a picture.
SWATCH_WIDTH_PX, SWATCH_HEIGHT_PX = 160, 200
TITLE = "Palette"


def export(colors: Sequence[NamedColor], format: str) -> tuple[bytes, str]:
    """A palette's bytes and media type. The same colours always give the same bytes.

    colors: `#rrggbb` and a name for each, in order. format: json, svg, png, css, gpl (GIMP) or ase (Adobe).
    Raises InvalidOptions for any other format.
    """
    if format not in _WRITERS:
        raise InvalidOptions(f"The format is '{format[:16]}'; allowed are {', '.join(_WRITERS)}.")
    write, media_type = _WRITERS[format]
    return write(colors), media_type


def _json(colors: Sequence[NamedColor]) -> bytes:
    palette = [{"hex": code, "name": name, "rgb": hex_to_rgb(code)} for code, name in colors]
    return (json.dumps({"colors": palette}, ensure_ascii=False, indent=2) + "\n").encode()


def _css(colors: Sequence[NamedColor]) -> bytes:
    """One custom property for each colour. Repeated names get a number."""
    lines = [f"  --{name}: {code};" for name, (code, _) in zip(_identifiers(colors), colors, strict=True)]
    return ("\n".join([":root {", *lines, "}"]) + "\n").encode()


def _identifiers(colors: Sequence[NamedColor]) -> list[str]:
    taken: set[str] = set()
    identifiers = []
    for _, name in colors:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")
        stem = f"color-{plain}" if plain else "color"
        unique, count = stem, 2
        while unique in taken:
            unique, count = f"{stem}-{count}", count + 1
        taken.add(unique)
        identifiers.append(unique)
    return identifiers


def _gpl(colors: Sequence[NamedColor]) -> bytes:
    """A GIMP palette: a header, then a line with three decimals and a name for each colour."""
    rows = []
    for code, name in colors:
        red, green, blue = hex_to_rgb(code)
        rows.append(f"{red:3d} {green:3d} {blue:3d}\t{_one_line(name)}")
    return ("\n".join(["GIMP Palette", f"Name: {TITLE}", f"Columns: {len(colors)}", "#", *rows]) + "\n").encode()


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _svg(colors: Sequence[NamedColor]) -> bytes:
    """One labelled rectangle for each colour. The label is black or white, whichever has more contrast."""
    width_px = SWATCH_WIDTH_PX * len(colors)
    spoken = escape(", ".join(f"{name} {code}" for code, name in colors))
    cells = [_svg_cell(k * SWATCH_WIDTH_PX, code, name) for k, (code, name) in enumerate(colors)]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" width="{width_px}" '
        f'height="{SWATCH_HEIGHT_PX}" viewBox="0 0 {width_px} {SWATCH_HEIGHT_PX}">',
        f'  <title id="title">{TITLE}</title>',
        f'  <desc id="desc">{spoken}</desc>',
        *cells,
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _svg_cell(x_px: int, code: str, name: str) -> str:
    ink = _ink(code)
    text = f'font-family="system-ui, sans-serif" fill="{ink}"'
    top_px = SWATCH_HEIGHT_PX - 40
    return (
        f'  <g><title>{escape(name)} {code}</title><rect x="{x_px}" y="0" width="{SWATCH_WIDTH_PX}" '
        f'height="{SWATCH_HEIGHT_PX}" fill="{code}"/>'
        f'<text x="{x_px + 12}" y="{top_px}" font-size="16" {text}>{escape(name)}</text>'
        f'<text x="{x_px + 12}" y="{top_px + 22}" font-size="14" {text}>{code}</text></g>'
    )


def _ink(code: str) -> str:
    return text_color(np.array(hex_to_rgb(code)) / 255)[0]


def _png(colors: Sequence[NamedColor]) -> bytes:
    image = Image.new("RGB", (SWATCH_WIDTH_PX * len(colors), SWATCH_HEIGHT_PX))
    draw = ImageDraw.Draw(image)
    for k, (code, name) in enumerate(colors):
        x_px, top_px = k * SWATCH_WIDTH_PX, SWATCH_HEIGHT_PX - 54
        draw.rectangle((x_px, 0, x_px + SWATCH_WIDTH_PX - 1, SWATCH_HEIGHT_PX - 1), fill=code)
        draw.text((x_px + 12, top_px), _fitting(name), font=_font(16), fill=_ink(code))
        draw.text((x_px + 12, top_px + 24), code, font=_font(14), fill=_ink(code))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=False)
    return out.getvalue()


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _fitting(name: str) -> str:
    """The name, shortened when it would run into the next swatch."""
    room_px = SWATCH_WIDTH_PX - 24
    shown = _one_line(name)
    if _font(16).getlength(shown) <= room_px:
        return shown
    while shown and _font(16).getlength(shown + "...") > room_px:
        shown = shown[:-1]
    return shown + "..."


def _ase(colors: Sequence[NamedColor]) -> bytes:
    """Adobe Swatch Exchange 1.0: big-endian blocks of a null-terminated UTF-16 name and RGB as 32-bit floats."""
    blocks = [_ase_block(code, name) for code, name in colors]
    return b"ASEF" + struct.pack(">HHI", 1, 0, len(blocks)) + b"".join(blocks)


def _ase_block(code: str, name: str) -> bytes:
    text = (name + "\0").encode("utf-16-be")
    rgb = [channel / 255 for channel in hex_to_rgb(code)]
    body = struct.pack(">H", len(text) // 2) + text + b"RGB " + struct.pack(">fffH", *rgb, 0)
    return struct.pack(">HI", 0x0001, len(body)) + body


_WRITERS: dict[str, tuple[Callable[[Sequence[NamedColor]], bytes], str]] = {
    "json": (_json, "application/json"),
    "svg": (_svg, "image/svg+xml"),
    "png": (_png, "image/png"),
    "css": (_css, "text/css; charset=utf-8"),
    "gpl": (_gpl, "text/plain; charset=utf-8"),
    "ase": (_ase, "application/octet-stream"),
}
