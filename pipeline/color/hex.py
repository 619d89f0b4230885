"""Reads and writes colours as `#rrggbb`."""

import numpy as np
from numpy.typing import ArrayLike


def hex_to_rgb(text: str) -> tuple[int, int, int]:
    """`#rrggbb` as red, green and blue, 0..255."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def rgb_to_hex(rgb: ArrayLike) -> str:
    """Red, green and blue, 0..255, rounded and clipped, as `#rrggbb`."""
    red, green, blue = np.clip(np.rint(np.asarray(rgb, float)), 0, 255).astype(int).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
