"""Reads and writes colours as text: `#rrggbb`, CSS hex and CSS colour names."""

import re

import numpy as np
from coloraide.css.color_names import name2val_map as CSS_NAMES
from numpy.typing import ArrayLike

from pipeline.errors import InvalidOptions

# Standard: the named colours of CSS Color 4, all of which parse_css_color reads.
CSS_COLORS = tuple(sorted(set(CSS_NAMES) - {"transparent"}))
# What parse_css_color takes, as a pattern for the OpenAPI document.
ONE_COLOR = f"#?[0-9a-fA-F]{{3}}|#?[0-9a-fA-F]{{6}}|{'|'.join(CSS_COLORS)}"
HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


def hex_to_rgb(text: str) -> tuple[int, int, int]:
    """`#rrggbb` as red, green and blue, 0..255."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def rgb_to_hex(rgb: ArrayLike) -> str:
    """Red, green and blue, 0..255, rounded and clipped, as `#rrggbb`."""
    red, green, blue = np.clip(np.rint(np.asarray(rgb, float)), 0, 255).astype(int).tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def parse_css_color(text: str) -> str:
    """CSS hex (3 or 6 digits, `#` optional) or a CSS colour name as `#rrggbb`. Raises InvalidOptions."""
    plain = text.strip().lower()
    match = HEX.fullmatch(plain)
    if match:
        digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
        return f"#{digits}"
    if plain in CSS_COLORS:
        return rgb_to_hex(CSS_NAMES[plain][:3])
    raise InvalidOptions(f"'{text[:32]}' is not a colour; allowed are CSS hex such as #1f2a44 and CSS colour names.")
