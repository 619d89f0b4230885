"""Paints cloth: outlines filled with weave and folds, lit from the upper left, with shadows on the ground."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import srgb_to_linear
from pipeline.types import Floats

# Taste: the picture's size, and how much finer outlines are drawn.
WIDTH_PX, HEIGHT_PX, FINE = 768, 960, 3
# Taste: where the light comes from (x to the right, y down, z to the viewer), and what the room adds.
LIGHT = np.array([-0.48, -0.58, 0.66])
AMBIENT = 0.52
Points = Sequence[tuple[float, float]]
Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """One garment. Lengths are px.

    outlines: closed curves through points. weave: the fine relief of the cloth. creases: (points, width, height) of
    folds. seams: lines that are pressed in. stitches: lines of thread. ribs: bands of ribbing along a line, (points,
    width). folds, along: the depth of soft folds and their direction, degrees. thickness: how far the cloth rises.
    holes: openings in which the inside of the cloth shows. stripes: (colour, period, share of the period).
    """

    color: str
    outlines: Sequence[Points]
    weave: "Weave"
    creases: Sequence[tuple[Points, float, float]] = ()
    seams: Sequence[Points] = ()
    stitches: Sequence[Points] = ()
    ribs: Sequence[tuple[Points, float]] = ()
    buttons: Sequence[tuple[float, float]] = ()
    button_color: str = "#3a3026"
    folds: float = 3.0
    along: float = 90.0
    thickness: float = 9.0
    holes: Sequence[Points] = ()
    hole_shade: float = 0.42
    stripes: tuple[str, float, float] | None = None
    thread: str = ""


Weave = Callable[[Plane, Plane, np.random.Generator], Plane]


# --- weaves: (x, y) -> height, px ------------------------------------------------------------------------------
def jersey(x: Plane, y: Plane, random: np.random.Generator) -> Plane:
    """Fine plain cloth."""
    return 0.10 * np.sin(x * 1.9) * np.sin(y * 1.9) + random.normal(0, 0.10, x.shape)


def knit(x: Plane, y: Plane, random: np.random.Generator) -> Plane:
    """Columns of V-shaped stitches."""
    wobble = 2.0 * np.sin(y / 70) + gaussian_filter(random.normal(0, 30, x.shape), 25)
    column = (x + wobble) % 11 - 5.5
    stitch = np.cos((y + 0.95 * np.abs(column)) * 2 * np.pi / 8.5)
    return (
        0.85 * stitch * np.cos(column / 5.5 * np.pi / 2) ** 0.6
        + 0.9 * np.cos(column / 5.5 * np.pi / 2)
        + random.normal(0, 0.14, x.shape)
    )


def denim(x: Plane, y: Plane, random: np.random.Generator) -> Plane:
    """Twill: fine diagonal ribs, and slubs down the warp."""
    twill = 0.26 * np.sin((x + 1.7 * y) * 1.25)
    slubs = gaussian_filter(random.normal(0, 3.2, x.shape), (14, 0.7))
    return twill + 0.8 * slubs + random.normal(0, 0.16, x.shape)


def linen(x: Plane, y: Plane, random: np.random.Generator) -> Plane:
    """Uneven threads across and down."""
    across = gaussian_filter(random.normal(0, 2.2, x.shape), (0.6, 10))
    down = gaussian_filter(random.normal(0, 2.2, x.shape), (10, 0.6))
    return 0.8 * (across + down) + random.normal(0, 0.09, x.shape)


def felt(x: Plane, y: Plane, random: np.random.Generator) -> Plane:
    """Wool with a nap."""
    return 0.9 * gaussian_filter(random.normal(0, 1, x.shape), 0.9) + random.normal(0, 0.13, x.shape)


def linear_of(color: str) -> Floats:
    """A hex colour as linear sRGB, (3,)."""
    return np.asarray(srgb_to_linear(np.array(hex_to_rgb(color)) / 255))


# --- drawing ---------------------------------------------------------------------------------------------------
def curve(points: Points, *, closed: bool) -> list[tuple[float, float]]:
    """Points of a Catmull-Rom curve through the given points. A point that stands twice is a corner."""
    given = [tuple(float(value) for value in point) for point in points]
    if closed:
        # A closed curve begins at a corner, if it has one.
        corner = next((k for k in range(len(given)) if given[k] == given[k - 1]), 0)
        given = [*given[corner:], *given[:corner]]
        given.append(given[0])
    parts: list[list[tuple[float, ...]]] = [[given[0]]]
    for before, point in itertools.pairwise(given):
        if point == before:
            parts.append([point])
        else:
            parts[-1].append(point)
    smooth_end = closed and len(parts) == 1
    return [point for part in parts if len(part) > 1 for point in _spline(np.array(part), smooth_end)]


def _spline(given: Plane, ring: bool) -> list[tuple[float, float]]:
    """A curve through n points, (n, 2). ring: the last one is the first one, without a corner there."""
    before = given[-2] if ring else given[0]
    after = given[1] if ring else given[-1]
    around = np.vstack([before, given, after])
    found = []
    for a, b, c, d in zip(around, around[1:], around[2:], around[3:], strict=False):
        for t in np.linspace(0, 1, 14, endpoint=False):
            at = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
            found.append((float(at[0] / 2), float(at[1] / 2)))
    found.append((float(given[-1][0]), float(given[-1][1])))
    return found


def area(outlines: Sequence[Points]) -> Plane:
    """The inside of closed curves, 0 to 1, (H, W)."""
    image = Image.new("L", (WIDTH_PX * FINE, HEIGHT_PX * FINE))
    for outline in outlines:
        ImageDraw.Draw(image).polygon([(x * FINE, y * FINE) for x, y in curve(outline, closed=True)], fill=255)
    return np.asarray(image.reduce(FINE), float) / 255


def stroke(lines: Sequence[Points], width_px: float) -> Plane:
    """Lines through points, 0 to 1, (H, W)."""
    image = Image.new("L", (WIDTH_PX * FINE, HEIGHT_PX * FINE))
    draw = ImageDraw.Draw(image)
    for line in lines:
        draw.line(
            [(x * FINE, y * FINE) for x, y in curve(line, closed=False)],
            fill=255,
            width=max(1, round(width_px * FINE)),
            joint="curve",
        )
    return np.asarray(image.reduce(FINE), float) / 255


def dashes(lines: Sequence[Points], width_px: float) -> Plane:
    """Lines of thread: dashes of 7 px with gaps of 4."""
    image = Image.new("L", (WIDTH_PX * FINE, HEIGHT_PX * FINE))
    draw = ImageDraw.Draw(image)
    for line in lines:
        points = np.array(curve(line, closed=False))
        far = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        for start in np.arange(0, far[-1], 11.0):
            ends = [
                (float(np.interp(s, far, points[:, 0])) * FINE, float(np.interp(s, far, points[:, 1])) * FINE)
                for s in (start, start + 7)
            ]
            draw.line(ends, fill=255, width=round(width_px * FINE))
    return np.asarray(image.reduce(FINE), float) / 255


def waves(random: np.random.Generator, size_px: float, stretch: float, along_deg: float) -> Plane:
    """Smooth noise with a standard deviation of 1, longer in one direction (90: down)."""
    side = int(1.5 * max(WIDTH_PX, HEIGHT_PX))
    field_ = gaussian_filter(random.normal(0, 1, (side // 4, side // 4)), (size_px * stretch / 4, size_px / 4))
    turn = np.deg2rad(along_deg - 90)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    u, v = x - WIDTH_PX / 2, y - HEIGHT_PX / 2
    rows = (v * np.cos(turn) - u * np.sin(turn)) / 4 + side / 8
    columns = (u * np.cos(turn) + v * np.sin(turn)) / 4 + side / 8
    found = map_coordinates(field_, [rows, columns], order=1, mode="reflect")
    return np.asarray((found - found.mean()) / found.std())


def shade_of(height: Plane) -> Plane:
    """How bright a relief is in the light; flat ground is 1."""
    down, right = np.gradient(height)
    normal = np.stack([-right, -down, np.ones_like(height)])
    facing = np.tensordot(LIGHT / np.linalg.norm(LIGHT), normal / np.linalg.norm(normal, axis=0), axes=1)
    flat = LIGHT[2] / np.linalg.norm(LIGHT)
    return np.asarray(AMBIENT + (1 - AMBIENT) * np.clip(facing, 0, None) / flat)


def lay(picture: Floats, piece: Piece, random: np.random.Generator) -> Floats:
    """The picture (linear, (H, W, 3)) with the piece and its shadow on it."""
    inside = area(piece.outlines)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(float)
    depth = np.minimum(distance_transform_edt(inside > 0.5), 26) / 26
    height = piece.thickness * np.sqrt(1 - (1 - depth) ** 2) * 1.4
    height += piece.folds * (
        1.5 * waves(random, 26, 3.2, piece.along)
        + 1.6 * waves(random, 60, 2.0, piece.along + 14)
        + 0.5 * waves(random, 11, 3.0, piece.along - 10)
    )
    for points, width, rise in piece.creases:
        line = gaussian_filter(stroke([points], width), (width * 0.55, width * 0.55))
        height += rise * line / max(line.max(), 1e-6)
    if piece.seams:
        height -= 2.4 * gaussian_filter(stroke(piece.seams, 2.2), 0.9)
    texture = piece.weave(x, y, random)
    for points, width in piece.ribs:
        band = gaussian_filter(stroke([points], width), 1.0)
        ends = np.array([points[0], points[-1]], float)
        way = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        ribbed = 1.5 * np.cos((x * way[0] + y * way[1]) * 2 * np.pi / 7.5)
        texture = texture * (1 - band) + ribbed * band
        height += 2.0 * band
    bright = shade_of(gaussian_filter(height, 1.2) + texture)
    bright *= 1 - 0.34 * np.exp(-distance_transform_edt(inside > 0.5) / 7.0)
    dye = np.broadcast_to(linear_of(piece.color), (HEIGHT_PX, WIDTH_PX, 3)).copy()
    if piece.stripes is not None:
        other, period, part = piece.stripes
        shifted = y + 3.0 * waves(random, 60, 1.0, 0) + 0.25 * gaussian_filter(height, 8)
        on = np.clip(part * period / 2 - np.abs(shifted % period - period / 2) + 0.5, 0, 1)[..., None]
        dye = dye * (1 - on) + linear_of(other) * on
    if piece.weave is denim:
        worn = np.clip(0.5 + 0.5 * waves(random, 50, 2.5, piece.along), 0, 1)[..., None]
        dye = dye * (0.85 + 0.5 * worn * 0.6)
    color = dye * bright[..., None]
    if piece.holes:
        hole = area(piece.holes)[..., None] * inside[..., None]
        within = dye * piece.hole_shade * (0.9 + 0.1 * bright[..., None])
        edge = gaussian_filter(area(piece.holes), 5)[..., None]
        color = color * (1 - hole) + within * (1.15 - 0.5 * (1 - edge)) * hole
    if piece.stitches:
        thread = dashes(piece.stitches, 1.5)[..., None]
        lit = linear_of(piece.thread) if piece.thread else dye * 0.55
        color = color * (1 - 0.9 * thread) + lit * bright[..., None] * 0.9 * thread
    for left, top in piece.buttons:
        color = _button(color, left, top, piece.button_color)
    shadow = (
        gaussian_filter(np.roll(inside, (9, 7), (0, 1)), 9) * 0.62
        + gaussian_filter(np.roll(inside, (26, 20), (0, 1)), 30) * 0.32
    )
    ground = picture * (1 - 0.72 * np.clip(shadow, 0, 1))[..., None]
    alpha = gaussian_filter(inside, 0.6)[..., None]
    return ground * (1 - alpha) + np.clip(color, 0, 1) * alpha


def _button(color: Floats, left: float, top: float, paint: str) -> Floats:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    far = np.hypot(x - left, y - top)
    disc = np.clip(7.5 - far, 0, 1)[..., None]
    lit = 1 + 0.5 * np.clip((-(x - left) - (y - top)) / 14, -0.6, 0.8)
    holes = sum(np.clip(1.6 - np.hypot(x - left - dx, y - top - dy), 0, 1) for dx in (-2, 2) for dy in (-2, 2))
    face = linear_of(paint) * (lit * (1 - 0.7 * np.clip(holes, 0, 1)))[..., None]
    under = np.clip(9.5 - np.hypot(x - left - 2, y - top - 2.5), 0, 1)[..., None]
    return np.asarray(color * (1 - 0.5 * under) * (1 - disc) + face * disc)


# --- grounds ---------------------------------------------------------------------------------------------------
def plaster(random: np.random.Generator, color: str) -> Floats:
    """A wall."""
    bright = shade_of(0.9 * waves(random, 40, 1.0, 0) + 0.35 * random.normal(0, 1, (HEIGHT_PX, WIDTH_PX)) * 0.3)
    return linear_of(color) * (bright * _falloff())[..., None]


def sheet(random: np.random.Generator, color: str) -> Floats:
    """A linen cloth with a few soft folds."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(float)
    height = 7 * waves(random, 120, 1.8, 60) + 0.7 * linen(x, y, random)
    return linear_of(color) * (shade_of(height) * _falloff())[..., None]


def _falloff() -> Plane:
    """The light is a little weaker away from the window."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(float)
    return np.asarray(1.06 - 0.2 * np.hypot(x / WIDTH_PX - 0.3, y / HEIGHT_PX - 0.25))
