"""Writes answers as one HTML file that needs no server. The playground's own look.js and look.css draw them."""

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import msgspec
from PIL import Image

from pipeline.picture import WEB
from pipeline.types import RgbImage

# Where the looks go within the body of a page.
PLACE = '<div class="looks" id="looks"></div>'
# Taste: sharp enough for a card on a desktop.
JPEG_QUALITY = 82
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_START = 'showLooks(document.getElementById("looks"), JSON.parse(document.getElementById("looks-data").textContent));\n'


@dataclass(frozen=True, slots=True)
class Look:
    """One photo with its answer.

    id: its name. photo: a data URI, or "" when it cannot be read. answer: the JSON of `advice_to_json`.
    """

    id: str
    photo: str
    answer: msgspec.Raw


def look(id: str, photo: str, answer: str | bytes) -> Look:
    """The look of an answer as text."""
    return Look(id, photo, msgspec.Raw(answer.encode() if isinstance(answer, str) else answer))


def data_uri(pixels: RgbImage, *, side_px: int) -> str:
    """A photo as a JPEG within an address, at most side_px on its longer side."""
    small = Image.fromarray(pixels)
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def page_of_looks(title: str, body: str, looks: Sequence[Look], *, style: str = "") -> str:
    """A whole HTML page. body: HTML that has PLACE once. style: more CSS, after look.css.

    Its policy allows this page's own script and pictures within the page, and nothing from anywhere else.
    """
    script = look_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    # A `<` in JSON text could end the element that holds it.
    data = msgspec.json.encode(looks).decode().replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{look_style()}{style}</style>\n</head>\n"
        f"<body>\n{body}\n<noscript>The photos and their advice are drawn by a script in this file.</noscript>\n"
        f'<script type="application/json" id="looks-data">{data}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


@cache
def look_style() -> str:
    """The text of look.css."""
    return (WEB / "look.css").read_text(encoding="utf-8")


@cache
def look_script() -> str:
    """look.js as a script that draws this page's looks."""
    return _EXPORT.sub("", (WEB / "look.js").read_text(encoding="utf-8")) + _START
