"""Corrects a photo's light, and detects dark and blurred photos."""

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.palette.illuminant import Light
from pipeline.types import Mask, RgbImage

# The constants below are taste.
# A photo is dark when this share of its pixels is below this luma, 0..1.
DARK_SHARE, LOW_LIGHT_LUMA = 0.98, 0.36
# A step between neighbouring pixels is strong from this share of the photo's luma range on.
BLUR_RATIO = 0.085
# A photo is sharp when more than this share of its steps are strong.
SHARP_SHARE = 0.001
# A photo with a smaller luma range, 0..1, has too little contrast to be called blurred.
LEAST_RANGE = 0.05


def correct(pixels: RgbImage, light: Light) -> RgbImage:
    """The pixels (..., 3) under neutral light, by von Kries scaling in linear sRGB."""
    table = linear_to_srgb(np.clip(srgb_to_linear(np.arange(256)[:, None] / 255) * light.gains, 0, 1))
    table = np.rint(table * 255).astype(np.uint8)  # (256, 3)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=-1)


def expected_shift(pixels: RgbImage, light: Light) -> float:
    """The mean ΔE00 by which `correct` would shift these pixels, (n, 3)."""
    if light.cast == "none" or not len(pixels):
        return 0.0
    sample = pixels[:: max(1, len(pixels) // 500)]
    before, after = srgb_to_lab_d65(sample / 255), srgb_to_lab_d65(correct(sample, light) / 255)
    return round(float(delta_e_2000(before, after).mean()), 1)


def is_dark(pixels: RgbImage, *, valid: Mask | None = None) -> bool:
    """Whether even the brightest parts of a photo (H, W, 3) are dark. valid: (H, W), the pixels that count."""
    luma = _luma(pixels) if valid is None else _luma(pixels)[valid]
    if not luma.size:
        return False
    return _level(luma, DARK_SHARE) < LOW_LIGHT_LUMA * 255


def is_blurred(pixels: RgbImage) -> bool:
    """Whether a photo (H, W, 3) has hardly any sharp edge, measured against its own range of luma."""
    luma = _luma(pixels)
    low, high = _level(luma, 0.005), _level(luma, 0.995)
    if high - low < LEAST_RANGE * 255:
        return False
    strong = steps = 0
    for first, second in ((luma[1:], luma[:-1]), (luma[:, 1:], luma[:, :-1])):
        step = np.maximum(first, second) - np.minimum(first, second)
        strong += int(np.count_nonzero(step >= BLUR_RATIO * (high - low)))
        steps += step.size
    return strong <= SHARP_SHARE * steps


def _level(luma: NDArray[np.uint8], share: float) -> int:
    """The least luma, 0..255, that this share of the pixels does not exceed."""
    return int(np.searchsorted(np.cumsum(np.bincount(luma.ravel(), minlength=256)), share * luma.size))


def _luma(pixels: RgbImage) -> NDArray[np.uint8]:
    """Rec. 601 luma, 0..255, (H, W), computed in 16 bits."""
    red, green, blue = (pixels[..., k].astype(np.uint16) for k in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)
