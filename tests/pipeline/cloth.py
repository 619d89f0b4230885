"""Draws pixels of cloth for the palette tests: dyes in given shares, folds and noise."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.color.difference import delta_e_2000
from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.palette.histogram import Samples
from pipeline.palette.palette import extract_palettes
from pipeline.types import Floats, PaletteColor

Pixels = NDArray[np.uint8]  # (n, 3)
PIXELS = 20_000


def cloth(
    *dyes: str, shares: Sequence[float] | None = None, folds: float = 0.0, noise: float = 2.0, seed: int = 3
) -> Pixels:
    """20,000 pixels of dyes, (n, 3).

    folds: the standard deviation of log light. noise: the standard deviation of sRGB values, 0..255.
    """
    random = np.random.default_rng(seed)
    parts = np.full(len(dyes), 1 / len(dyes)) if shares is None else np.array(shares)
    which = np.searchsorted(np.cumsum(parts / parts.sum())[:-1], np.arange(PIXELS) / PIXELS, side="right")
    linear = srgb_to_linear(np.array([hex_to_rgb(code) for code in dyes]) / 255)[which]
    lit = linear_to_srgb(np.clip(linear * np.exp(random.normal(0, folds, (PIXELS, 1))), 0, 1)) * 255
    return np.rint(np.clip(lit + random.normal(0, noise, lit.shape), 0, 255)).astype(np.uint8)


def as_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """A photo (h, w, 3) after a JPEG of some quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def palette(pixels: Pixels, *, max_colors: int = 8, weights: Floats | None = None) -> tuple[PaletteColor, ...]:
    """The palette of pixels. They have equal weights unless weights are given."""
    samples = Samples(pixels, np.ones(len(pixels)) if weights is None else weights)
    return extract_palettes([samples], max_colors=max_colors)[0]


def difference(color: PaletteColor, code: str) -> float:
    """The ΔE00 between an extracted colour and a dye."""
    return float(delta_e_2000(*(srgb_to_lab_d65(np.array(rgb) / 255) for rgb in (color.rgb, hex_to_rgb(code)))))
