"""Every format of palette file is read back by a reader that is not ours."""

import io
import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
import swatch
import tinycss2
import tinycss2.color3
from PIL import Image, ImageFont
from PIL.GimpPaletteFile import GimpPaletteFile

from pipeline.color.hex import hex_to_rgb
from pipeline.color.sight import contrast_ratio
from pipeline.errors import InvalidOptions
from pipeline.palette.files import export

COLORS = [("#1f2a44", "navy"), ("#c19a6b", "camel"), ("#f5f2ea", "off-white"), ("#e8388a", "Tom & Jerry <pink>")]
SVG = "{http://www.w3.org/2000/svg}"


def parse_svg(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)  # noqa: S314  our own bytes


def read_ase(data: bytes, folder: Path) -> list[tuple[str, tuple[float, ...]]]:
    """The names and RGB, 0..1, of an Adobe Swatch Exchange file, read by the swatch package."""
    path = folder / "palette.ase"
    path.write_bytes(data)
    found = swatch.parse(str(path))
    assert {(one["type"], one["data"]["mode"]) for one in found} == {("Global", "RGB")}
    return [(one["name"], tuple(one["data"]["values"])) for one in found]


def test_json_when_read() -> None:
    """The json module reads hex, name and sRGB in order."""
    data, media_type = export(COLORS, "json")
    colors = json.loads(data)["colors"]
    assert media_type == "application/json"
    assert [(one["hex"], one["name"], tuple(one["rgb"])) for one in colors] == [
        (code, name, hex_to_rgb(code)) for code, name in COLORS
    ]


def test_svg_when_parsed() -> None:
    """An XML parser finds a title, a description and, for each colour, a rectangle, a name and a hex."""
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
    """Every label has at least the contrast of WCAG AA, 4.5 to 1, on its swatch."""
    root = parse_svg(export([(code, "name")], "svg")[0])
    ink = next(root.iter(f"{SVG}text")).get("fill") or ""
    assert contrast_ratio(np.array(hex_to_rgb(ink)) / 255, np.array(hex_to_rgb(code)) / 255) >= 4.5


def test_png_when_opened() -> None:
    """Pillow finds each colour in its own swatch, with text on it."""
    data, media_type = export(COLORS, "png")
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width_px = image.width // len(COLORS)
    assert media_type == "image/png"
    for k, (code, _) in enumerate(COLORS):
        swatch = image.crop((k * width_px, 0, (k + 1) * width_px, image.height))
        colors = swatch.getcolors(image.width * image.height) or []
        assert max(colors)[1] == hex_to_rgb(code)
        assert len(colors) > 2


def test_png_when_words_are_measured() -> None:
    """Name and code are 12 px away from the left side of their swatch, as in the SVG: their last stroke shows it."""
    image = Image.open(io.BytesIO(export(COLORS[:1], "png")[0])).convert("RGB")
    ink = np.array(image) != np.array(hex_to_rgb(COLORS[0][0]))
    lines = {"navy": (16, image.height - 54), "#1f2a44": (14, image.height - 30)}
    for word, (size_px, top_px) in lines.items():
        columns = np.flatnonzero(ink[top_px : top_px + 20].any(axis=(0, 2)))
        right_px = ImageFont.load_default(size_px).getbbox(word)[2]
        assert columns[-1] == 12 + right_px - 1


def test_svg_when_rendered() -> None:
    """resvg renders each swatch in its colour."""
    drawn = resvg_py.svg_to_bytes(svg_string=export(COLORS, "svg")[0].decode())
    image = Image.open(io.BytesIO(bytes(drawn))).convert("RGB")
    width_px = image.width // len(COLORS)
    centres = [image.getpixel((k * width_px + width_px // 2, image.height // 4)) for k in range(len(COLORS))]
    assert centres == [hex_to_rgb(code) for code, _ in COLORS]


def test_css_when_parsed() -> None:
    """A CSS parser finds one rule for :root with a custom property for each colour; equal names are numbered."""
    data, media_type = export([*COLORS, ("#1f2a45", "navy"), ("#000000", "+++")], "css")
    (rule,) = tinycss2.parse_stylesheet(data.decode(), skip_whitespace=True)
    properties = tinycss2.parse_blocks_contents(rule.content, skip_whitespace=True)
    assert media_type.startswith("text/css")
    assert (rule.type, tinycss2.serialize(rule.prelude).strip()) == ("qualified-rule", ":root")
    assert {one.type for one in properties} == {"declaration"}
    names = [one.name for one in properties]
    assert names[:3] + names[4:] == ["--color-navy", "--color-camel", "--color-off-white", "--color-navy-2", "--color"]
    assert len(set(names)) == len(names)
    values = [tinycss2.color3.parse_color(tinycss2.serialize(one.value).strip()) for one in properties]
    assert [tuple(round(255 * value) for value in rgba[:3]) for rgba in values[:3]] == [
        hex_to_rgb(code) for code, _ in COLORS[:3]
    ]


def test_gpl_when_read() -> None:
    """Pillow's reader of GIMP palettes reads the colours."""
    data, _ = export(COLORS, "gpl")
    raw, mode = GimpPaletteFile(io.BytesIO(data)).getpalette()
    assert mode == "RGB"
    assert [tuple(raw[3 * k : 3 * k + 3]) for k in range(len(COLORS))] == [hex_to_rgb(code) for code, _ in COLORS]
    assert data.decode().splitlines()[-1].split("\t")[1] == "Tom & Jerry <pink>"


def test_ase_when_read(tmp_path: Path) -> None:
    """The swatch package reads names and colours, also a name outside the basic multilingual plane."""
    colors = [*COLORS, ("#102030", "écru 🧥")]
    found = read_ase(export(colors, "ase")[0], tmp_path)
    assert [name for name, _ in found] == [name for _, name in colors]
    assert [tuple(round(255 * value) for value in rgb) for _, rgb in found] == [hex_to_rgb(code) for code, _ in colors]


@pytest.mark.parametrize("format", ["json", "svg", "png", "css", "gpl", "ase"])
def test_export_when_repeated(format: str) -> None:
    """The same colours give the same bytes, and other colours give other bytes."""
    assert export(COLORS, format) == export(list(COLORS), format)
    assert export(COLORS, format)[0] != export(COLORS[::-1], format)[0]


def test_export_when_format_unknown() -> None:
    """An unknown format is refused, and the error names the allowed ones."""
    with pytest.raises(InvalidOptions, match=r"bmp.*json, svg, png, css, gpl, ase"):
        export(COLORS, "bmp")


def test_png_when_a_name_is_long() -> None:
    """A swatch is 160 by 200 px, and a name that would run into the next one is shortened."""
    image = Image.open(io.BytesIO(export([("#ffffff", "W" * 40), ("#ffffff", "x")], "png")[0])).convert("L")
    assert image.size == (320, 200)
    columns = np.flatnonzero((np.asarray(image) < 128).any(axis=0))
    assert not ((columns >= 150) & (columns < 172)).any()
    assert ((columns > 120) & (columns < 150)).any()
