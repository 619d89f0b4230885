"""Draws a contact sheet of a network's best, median and worst photos. It shows real people: do not publish it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from models.evaluate.scores import Case, clothes_pixels, purities
from pipeline.picture.overlay import TINTS
from pipeline.types import Floats, LabelMap, RgbImage

# Taste: the layout of the sheet.
PER_ROW = 6
TILE_PX = (150, 200)
LINE_PX = 18


def contact_sheet(whole: Sequence[Case], products: Sequence[Case]) -> Image.Image:
    """Rows of six photos: the best, median and worst by clothes IoU, then products by purity.

    Each tile shows a photo beside its labels, with its figure.
    """
    both, either = clothes_pixels(whole).T
    rows = _picked("photos, clothes IoU", whole, both / np.maximum(1, either))
    rows += _picked("products, purity", products, purities(products)) if products else []
    width_px, height_px = TILE_PX
    sheet = Image.new("RGB", (PER_ROW * 2 * width_px, len(rows) * (height_px + LINE_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, (title, cases, figures) in enumerate(rows):
        for x, (case, figure) in enumerate(zip(cases, figures, strict=True)):
            place = (2 * x * width_px, y * (height_px + LINE_PX))
            draw.text((place[0] + 3, place[1] + 3), f"{title}: {figure:.2f}", fill="black")
            for k, picture in enumerate((case.pixels, _tinted(case.pixels, case.found.labels))):
                tile = Image.fromarray(picture)
                tile.thumbnail(TILE_PX)
                sheet.paste(tile, (place[0] + k * width_px, place[1] + LINE_PX))
    return sheet


def _picked(title: str, cases: Sequence[Case], figures: Floats) -> list[tuple[str, list[Case], list[float]]]:
    order = np.argsort(-figures, kind="stable")
    middle = max(0, len(order) // 2 - PER_ROW // 2)
    parts = {"best": order[:PER_ROW], "median": order[middle : middle + PER_ROW], "worst": order[::-1][: 2 * PER_ROW]}
    rows = []
    for name, chosen in parts.items():
        for start in range(0, len(chosen), PER_ROW):
            part = chosen[start : start + PER_ROW]
            rows.append((f"{name} {title}", [cases[k] for k in part], [float(figures[k]) for k in part]))
    return rows


def _tinted(pixels: RgbImage, labels: LabelMap) -> RgbImage:
    table = np.zeros((256, 3), np.float32)
    for label, tint in TINTS.items():
        table[label] = tint
    grey = pixels.mean(axis=2, keepdims=True)
    shown = np.where((labels > 0)[..., None], 0.35 * grey + 0.65 * table[labels], pixels)
    return shown.astype(np.uint8)
