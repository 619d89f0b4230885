"""Palette files: each read back by a reader that is not ours, or by the format's published layout."""

import io
import json
import re
import struct
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from PIL.GimpPaletteFile import GimpPaletteFile

from pipeline.color import contrast_ratio, hex_to_rgb
from pipeline.errors import InvalidOptions
from pipeline.palette_files import export

COLORS = [("#1f2a44", "navy"), ("#c19a6b", "camel"), ("#f5f2ea", "off-white"), ("#e8388a", "Tom & Jerry <pink>")]
SVG = "{http://www.w3.org/2000/svg}"


def parse_svg(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)  # noqa: S314  our own bytes


def read_ase(data: bytes) -> list[tuple[str, tuple[float, ...]]]:
    """Adobe Swatch Exchange by its published block layout."""
    assert data[:4] == b"ASEF"
    major, minor, count = struct.unpack_from(">HHI", data, 4)
    assert (major, minor) == (1, 0)
    found, at = [], 12
    for _ in range(count):
        kind, length = struct.unpack_from(">HI", data, at)
        (units,) = struct.unpack_from(">H", data, at + 6)
        name = data[at + 8 : at + 8 + 2 * units].decode("utf-16-be")
        model = data[at + 8 + 2 * units : at + 12 + 2 * units]
        *values, color_type = struct.unpack_from(">fffH", data, at + 12 + 2 * units)
        assert (kind, model, color_type, name[-1]) == (1, b"RGB ", 0, "\0")
        found.append((name[:-1], tuple(values)))
        at += 6 + length
    assert at == len(data)
    return found


def test_json_when_read() -> None:
    """The json module reads hex, name and sRGB in order."""
    data, media_type = export(COLORS, "json")
    colors = json.loads(data)["colors"]
    assert media_type == "application/json"
    assert [(one["hex"], one["name"], tuple(one["rgb"])) for one in colors] == [
        (code, name, hex_to_rgb(code)) for code, name in COLORS
    ]


def test_svg_when_parsed() -> None:
    """An XML parser finds a title, a description and per colour a rectangle, its name and its hex, side by side."""
    data, media_type = export(COLORS, "svg")
    root = parse_svg(data)
    assert (media_type, root.tag, root.get("role")) == ("image/svg+xml", f"{SVG}svg", "img")
    ids = {node.get("id") for node in root.iter() if node.get("id")}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    rects = list(root.iter(f"{SVG}rect"))
    assert [rect.get("fill") for rect in rects] == [code for code, _ in COLORS]
    assert [one for group in root.iter(f"{SVG}g") for one in [t.text for t in group.iter(f"{SVG}text")]] == [
        word for code, name in COLORS for word in (name, code)
    ]
    starts = [int(rect.get("x") or 0) for rect in rects]
    assert {b - a for a, b in pairwise(starts)} == {int(rects[0].get("width") or 0)}


@pytest.mark.parametrize("code", ["#000000", "#767676", "#808080", "#c19a6b", "#ffff00", "#0000ff", "#e8388a"])
def test_svg_when_label_is_read(code: str) -> None:
    """Every label has at least WCAG AA's 4.5 to 1 on its swatch."""
    root = parse_svg(export([(code, "name")], "svg")[0])
    ink = next(root.iter(f"{SVG}text")).get("fill") or ""
    assert contrast_ratio(np.array(hex_to_rgb(ink)) / 255, np.array(hex_to_rgb(code)) / 255) >= 4.5


def test_png_when_opened() -> None:
    """Pillow finds each colour in its own swatch, and writing on it."""
    data, media_type = export(COLORS, "png")
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width_px = image.width // len(COLORS)
    assert media_type == "image/png"
    for k, (code, _) in enumerate(COLORS):
        swatch = image.crop((k * width_px, 0, (k + 1) * width_px, image.height))
        colors = swatch.getcolors(image.width * image.height) or []
        assert max(colors)[1] == hex_to_rgb(code)
        assert len(colors) > 2


def test_css_when_matched() -> None:
    """Custom properties in :root; equal names are told apart; no name breaks the syntax."""
    data, media_type = export([*COLORS, ("#1f2a45", "navy"), ("#000000", "+++")], "css")
    rule = re.fullmatch(r":root \{\n((?:  --[a-z][a-z0-9-]*: #[0-9a-f]{6};\n)+)\}\n", data.decode())
    assert rule is not None
    names = re.findall(r"--([a-z0-9-]+):", rule[1])
    assert media_type.startswith("text/css")
    assert names[:3] + names[4:] == ["color-navy", "color-camel", "color-off-white", "color-navy-2", "color"]
    assert len(set(names)) == len(names)


def test_gpl_when_read() -> None:
    """Pillow's reader of GIMP palettes gives the colours back."""
    data, _ = export(COLORS, "gpl")
    raw, mode = GimpPaletteFile(io.BytesIO(data)).getpalette()
    assert mode == "RGB"
    assert [tuple(raw[3 * k : 3 * k + 3]) for k in range(len(COLORS))] == [hex_to_rgb(code) for code, _ in COLORS]
    assert data.decode().splitlines()[-1].split("\t")[1] == "Tom & Jerry <pink>"


def test_ase_when_read_by_layout() -> None:
    """Names and colours come back, also a name outside the basic plane; every byte is accounted for."""
    colors = [*COLORS, ("#102030", "écru 🧥")]
    found = read_ase(export(colors, "ase")[0])
    assert [name for name, _ in found] == [name for _, name in colors]
    assert [tuple(round(255 * value) for value in rgb) for _, rgb in found] == [hex_to_rgb(code) for code, _ in colors]


@pytest.mark.parametrize("format", ["json", "svg", "png", "css", "gpl", "ase"])
def test_export_when_repeated(format: str) -> None:
    """The same colours give the same bytes, other colours others."""
    assert export(COLORS, format) == export(list(COLORS), format)
    assert export(COLORS, format)[0] != export(COLORS[::-1], format)[0]


def test_export_when_format_unknown() -> None:
    """Another format is refused, and the refusal names those allowed."""
    with pytest.raises(InvalidOptions, match=r"bmp.*json, svg, png, css, gpl, ase"):
        export(COLORS, "bmp")
