"""Draws the pictures of docs/colour.md as SVG: `python -m tests.bench.colour_pictures`.

docs/dyes.svg shows the pixels of one shaded dye and of two dyes, with the palettes that were found in them.
docs/schemes.svg shows what each scheme suggests for navy, on the hue circle.
"""

import argparse
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from coloraide import Color

from models import advise
from pipeline.color.hex import rgb_to_hex
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.types import SCHEMES
from tests.pipeline.cloth import Pixels, cloth, palette

DOCS = Path(__file__).parents[2] / "docs"
# Taste: pixels in a panel, and the sizes of the pictures.
SHOWN, PANEL_PX, GAP_PX = 500, 360, 40
BASE = "navy"
# The mint of the second cloth has about navy's hue, so only the gap in lightness tells the dyes apart.
CLOTHS = (("One dye with folds", ("#3f6ea5",), 0.5), ("Two dyes with folds", ("#1f2a44", "#8fb3d9"), 0.2))
TEXT = 'font-family="system-ui, sans-serif" fill="#1d2530"'


def dyes() -> str:
    """Two panels: lightness and chroma of the pixels, each in its own colour, and the palette below."""
    parts = []
    for number, (title, codes, folds) in enumerate(CLOTHS):
        pixels = cloth(*codes, folds=folds, seed=7)
        parts.append(_moved(number * (PANEL_PX + GAP_PX), _panel(title, pixels)))
    return _svg(2 * PANEL_PX + GAP_PX, 440, "The pixels of one dye and of two dyes", parts)


def _panel(title: str, pixels: Pixels) -> str:
    shown = pixels[np.random.default_rng(1).choice(len(pixels), SHOWN, replace=False)]
    lab = srgb_to_lab_d65(shown / 255)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    dots = "".join(
        f'<circle cx="{40 + c * 6:.1f}" cy="{330 - lightness * 2.9:.1f}" r="2.6" fill="{rgb_to_hex(tuple(rgb))}"/>'
        for lightness, c, rgb in zip(lab[:, 0], chroma, shown.tolist(), strict=True)
    )
    found = palette(pixels)
    bars, left = [], 40.0
    for color in found:
        width = color.share * (PANEL_PX - 60)
        bars.append(f'<rect x="{left:.1f}" y="372" width="{width:.1f}" height="30" fill="{rgb_to_hex(color.rgb)}"/>')
        left += width
    counted = f"{len(found)} colour{'s' * (len(found) > 1)} found"
    return (
        f'<text x="40" y="22" font-size="16" font-weight="600" {TEXT}>{title}</text>'
        f'<path d="M40 36V330H{PANEL_PX - 20}" fill="none" stroke="#8a94a3"/>'
        f'<text x="46" y="48" font-size="12" {TEXT}>light</text><text x="46" y="324" font-size="12" {TEXT}>dark</text>'
        f'<text x="{PANEL_PX - 20}" y="346" font-size="12" text-anchor="end" {TEXT}>more colourful</text>'
        f'{dots}{"".join(bars)}<text x="40" y="424" font-size="13" {TEXT}>{counted}</text>'
    )


def schemes() -> str:
    """A hue circle for each scheme, with the base and the first suggestion of that scheme."""
    cells = []
    for number, scheme in enumerate(SCHEMES):
        (one,) = advise(colors=[BASE], schemes=[scheme], max_suggestions=1).suggestions[:1] or (None,)
        added = [] if one is None else [(color.hex, color.name) for color in one.colors]
        cells.append(_moved(number % 4 * 200, _wheel(scheme.replace("_", " "), added), number // 4 * 230))
    legend = (
        f"The dark dot is {BASE}.",
        "The angle is the OKLCH hue,",
        "the distance from the centre",
        "how colourful it is.",
    )
    lines = "".join(
        f'<text x="20" y="{90 + 20 * k}" font-size="13" {TEXT}>{line}</text>' for k, line in enumerate(legend)
    )
    cells.append(_moved(600, lines, 230))
    return _svg(800, 460, f"What each colour scheme adds to {BASE}", cells)


def _wheel(title: str, added: Sequence[tuple[str, str]]) -> str:
    ring = "".join(
        f'<circle cx="{100 + 62 * math.cos(angle):.1f}" cy="{110 - 62 * math.sin(angle):.1f}" r="6" '
        f'fill="{_hue(math.degrees(angle))}"/>'
        for angle in np.linspace(0, 2 * math.pi, 36, endpoint=False)
    )
    dots = "".join(_dot(code) for code in [*(code for code, _ in added), "#1f2a44"])
    names = escape(", ".join(name for _, name in added) or "nothing fits")
    return (
        f'<text x="100" y="22" font-size="14" font-weight="600" text-anchor="middle" {TEXT}>{title}</text>{ring}{dots}'
        f'<text x="100" y="206" font-size="13" text-anchor="middle" {TEXT}>{names}</text>'
    )


def _hue(degrees: float) -> str:
    return str(Color("oklch", [0.82, 0.09, degrees]).fit("srgb").convert("srgb").to_string(hex=True))


def _dot(code: str) -> str:
    """A colour at its hue; the distance from the centre is its chroma."""
    _, chroma, hue = Color(code).convert("oklch").coords(nans=False)
    radius, angle = min(62.0, chroma * 350), math.radians(hue)
    x, y = 100 + radius * math.cos(angle), 110 - radius * math.sin(angle)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="13" fill="{code}" stroke="#ffffff" stroke-width="2"/>'


def _moved(x_px: float, part: str, y_px: float = 0) -> str:
    return f'<g transform="translate({x_px:g} {y_px:g})">{part}</g>'


def _svg(width_px: int, height_px: int, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}" width="{width_px}" '
        f'height="{height_px}" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{width_px}" height="{height_px}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def main() -> None:
    """Writes both pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, text in (("dyes", dyes()), ("schemes", schemes())):
        (DOCS / f"{name}.svg").write_text(text)
        print(f"docs/{name}.svg: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
