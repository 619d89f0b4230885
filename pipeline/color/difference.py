"""Measures colour differences: CIEDE2000, the distance in OKLab, and the angle between hues."""

from typing import TypeVar

import numpy as np

from pipeline.types import Floats

Degrees = TypeVar("Degrees", float, Floats)

# Contract: colours this far apart are distinct, for normal and for colour-blind eyes.
DISTINCT_DE00 = 10.0

_COS = {angle_deg: float(np.cos(np.radians(angle_deg))) for angle_deg in (6, 30, 63)}
_SIN = {angle_deg: float(np.sin(np.radians(angle_deg))) for angle_deg in (6, 30, 63)}


def delta_e_ok(first: Floats, second: Floats) -> Floats:
    """The Euclidean distance in OKLab, broadcast."""
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def delta_e_2000(first: Floats, second: Floats) -> Floats:
    """CIEDE2000 of two Lab arrays, broadcast (Sharma, Wu & Dalal 2005).

    The numbers beside the lines are the paper's equations. Hues are unit vectors instead of angles, which takes a third
    of the time: the chord between two vectors gives equation 11, their sum equation 14, and the formulas for multiple
    angles give the cosines of equation 15.
    """
    l1, a1, b1 = first[..., 0], first[..., 1], first[..., 2]
    l2, a2, b2 = second[..., 0], second[..., 1], second[..., 2]
    g = 0.5 * (1 - _chroma_weight((_length(a1, b1) + _length(a2, b2)) / 2))  # 2 to 4
    p1, p2 = (1 + g) * a1, (1 + g) * a2  # 5
    c1, c2 = _length(p1, b1), _length(p2, b2)  # 6
    over1, over2 = 1 / np.maximum(c1, 1e-12), 1 / np.maximum(c2, 1e-12)
    x1, y1, x2, y2 = p1 * over1, b1 * over1, p2 * over2, b2 * over2  # 7
    dl, dc = l2 - l1, c2 - c1  # 8, 9
    dh = np.sqrt(c1 * c2) * np.copysign(_length(x2 - x1, y2 - y1), x1 * y2 - x2 * y1)  # 10, 11
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2  # 12, 13
    x, y = x1 + x2, y1 + y2
    # 14: the mean of two opposite hues is the one in [90°, 270°).
    opposite = (np.abs(x) + np.abs(y) < 1e-9) & (c1 * c2 > 0)
    if opposite.any():
        across, along = y2 - y1, x1 - x2
        side = np.where((across > 1e-9) | ((across > -1e-9) & (along < 0)), -1.0, 1.0)
        x, y = np.where(opposite, side * across, x), np.where(opposite, side * along, y)
    length = np.maximum(_length(x, y), 1e-12)
    cos1, sin1 = x / length, y / length
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2 * sin1 * cos1
    cos3, sin3 = cos1 * cos2 - sin1 * sin2, sin1 * cos2 + cos1 * sin2
    cos4, sin4 = cos2 * cos2 - sin2 * sin2, 2 * sin2 * cos2
    t = 1 - 0.17 * (_COS[30] * cos1 + _SIN[30] * sin1) + 0.24 * cos2
    t = t + 0.32 * (_COS[6] * cos3 - _SIN[6] * sin3) - 0.20 * (_COS[63] * cos4 + _SIN[63] * sin4)  # 15
    mean_h = np.degrees(np.arctan2(sin1, cos1))
    mean_h = np.where(mean_h < 0, mean_h + 360, mean_h)
    theta = np.radians(30) * np.exp(-(((mean_h - 275) / 25) ** 2))  # 16
    middle = (mean_l - 50) ** 2
    sl = 1 + 0.015 * middle / np.sqrt(20 + middle)  # 18
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t  # 19, 20
    rt = -np.sin(2 * theta) * 2 * _chroma_weight(mean_c)  # 17, 21
    lightness, chroma, hue = dl / sl, dc / sc, dh / sh
    return np.asarray(np.sqrt(np.maximum(0.0, lightness**2 + chroma**2 + hue**2 + rt * chroma * hue)))  # 22


def hue_difference_deg(first_deg: Degrees, second_deg: Degrees) -> Degrees:
    """The angle between hues, 0 to 180 degrees, broadcast."""
    return abs((first_deg - second_deg + 180) % 360 - 180)


def _length(x: Floats, y: Floats) -> Floats:
    """√(x² + y²), in a fifth of the time that np.hypot takes to be safe from overflow."""
    return np.asarray(np.sqrt(x * x + y * y))


def _chroma_weight(chroma: Floats) -> Floats:
    """√(C⁷ / (C⁷ + 25⁷)), by products, because a power of 7 costs ten times as much."""
    square = chroma * chroma
    seventh = square * square * square * chroma
    return np.asarray(np.sqrt(seventh / (seventh + 25.0**7)))
