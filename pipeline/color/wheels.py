"""Hue wheels: the wheel of OKLCH, and the painters' red-yellow-blue wheel."""

import numpy as np

from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import oklab_to_oklch, srgb_to_oklab
from pipeline.types import Floats, Wheel

# Standard: Itten's twelve-part circle ("The Art of Color", 1961) from red in steps of 30 degrees, in its commonly
# published sRGB rendering. Red is opposite green, yellow opposite violet, orange opposite blue.
ITTEN = (
    "#fe2712", "#fc600a", "#fb9902", "#fccc1a", "#fefe33", "#b2d732",
    "#66b032", "#347c98", "#0247fe", "#4424d6", "#8601af", "#c21460",
)  # fmt: skip


def wheel_positions(hue_deg: Floats, wheel: Wheel) -> Floats:
    """OKLCH hues in degrees as positions on a wheel, 0..360. The `ryb` wheel is linear between Itten's twelve hues."""
    if wheel == "oklch":
        return hue_deg % 360
    from_red_deg, knots_deg = (hue_deg - _KNOTS_DEG[0]) % 360, _KNOTS_DEG - _KNOTS_DEG[0]
    return np.asarray(np.interp(from_red_deg, knots_deg, _POSITIONS_DEG) % 360)


def _knots() -> tuple[Floats, Floats]:
    """The OKLCH hues of Itten's colours, rising from red's over one turn, and their positions on his circle."""
    rgb = np.array([hex_to_rgb(code) for code in ITTEN]) / 255
    hue = oklab_to_oklch(srgb_to_oklab(rgb))[:, 2]
    return hue[0] + np.append((hue - hue[0]) % 360, 360.0), np.arange(0.0, 361.0, 30.0)


_KNOTS_DEG, _POSITIONS_DEG = _knots()
