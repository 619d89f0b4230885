"""Draws the fashion vocabulary as docs/names.png: `python -m tests.bench.colour_names_chart`.

A row or two per group; in each cell name, hex, group and roles (M, S, A), and the nearest other name with its ΔE00.
"""

import argparse
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.color.difference import delta_e_2000
from pipeline.color.sight import text_color
from pipeline.color.vocabulary import Vocabulary, vocabulary

CHART = Path(__file__).parents[2] / "docs" / "names.png"
ROLES = ("main", "secondary", "accent")
CELL_PX, MARGIN_PX, ACROSS = (132, 84), 12, 10


def draw(words: Vocabulary) -> Image.Image:
    """The chart, with a cell for each name and a new row for each group."""
    nearest = _nearest(words)
    # Row, column and index of each name.
    cells: list[tuple[int, int, int]] = []
    row = 0
    for _, members in groupby(range(len(words.names)), key=lambda k: words.groups[k]):
        indices = list(members)
        cells += [(row + at // ACROSS, at % ACROSS, k) for at, k in enumerate(indices)]
        row += -(-len(indices) // ACROSS)
    image = Image.new("RGB", (ACROSS * CELL_PX[0] + 2 * MARGIN_PX, row * CELL_PX[1] + 2 * MARGIN_PX), "white")
    pen = ImageDraw.Draw(image)
    for y, x, k in cells:
        left, top = MARGIN_PX + x * CELL_PX[0], MARGIN_PX + y * CELL_PX[1]
        pen.rectangle((left, top, left + CELL_PX[0] - 1, top + CELL_PX[1] - 1), fill=words.hexes[k])
        ink = text_color(words.rgb[k])[0]
        lines = (words.names[k], words.hexes[k], f"{words.groups[k]} {_roles(words.roles[k])}", nearest[k])
        for line, (text, size_px) in enumerate(zip(lines, (15, 12, 11, 10), strict=True)):
            pen.text((left + 6, top + 5 + 19 * line), text, fill=ink, font=ImageFont.load_default(size_px))
    return image


def _roles(roles: frozenset[str]) -> str:
    return "".join(role[0].upper() for role in ROLES if role in roles)


def _nearest(words: Vocabulary) -> list[str]:
    distance = delta_e_2000(words.lab[:, None], words.lab[None]) + np.diag(np.full(len(words.names), np.inf))
    return [f"{distance[k].min():.1f} {words.names[int(distance[k].argmin())]}" for k in range(len(words.names))]


def main() -> None:
    """Draws the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=CHART)
    path = parser.parse_args().out
    draw(vocabulary("fashion")).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
