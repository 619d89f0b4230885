"""Corrects a photo's light, and detects dark and blurred photos."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.palette.illuminant import Light
from pipeline.types import Mask, RgbImage

Luma: TypeAlias = NDArray[np.uint8]  # (H, W)

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


def luma(pixels: RgbImage) -> Luma:
    """Rec. 601 luma of pixels (H, W, 3), 0..255, (H, W), computed in 16 bits."""
    red, green, blue = (pixels[..., k].astype(np.uint16) for k in range(3))
    red *= 77
    green *= 150
    blue *= 29
    red += green
    red += blue
    return np.asarray((red >> 8).astype(np.uint8))


def is_dark(seen: Luma, *, valid: Mask | None = None) -> bool:
    """Whether even the brightest parts of a photo are dark. seen: its luma, (H, W). valid: the pixels that count."""
    counted = seen if valid is None else seen[valid][None]
    return bool(counted.size) and _levels(counted, DARK_SHARE)[0] < LOW_LIGHT_LUMA * 255


def is_blurred(seen: Luma) -> bool:
    """Whether a photo has hardly any sharp edge, measured against its own range of luma. seen: its luma, (H, W)."""
    low, high = _levels(seen, 0.005, 0.995)
    if high - low < LEAST_RANGE * 255:
        return False
    strong = steps = 0
    for first, second in ((seen[1:], seen[:-1]), (seen[:, 1:], seen[:, :-1])):
        step = np.maximum(first, second) - np.minimum(first, second)
        strong += int(np.count_nonzero(step >= BLUR_RATIO * (high - low)))
        steps += step.size
    return strong <= SHARP_SHARE * steps


def _levels(seen: Luma, *shares: float) -> list[int]:
    """The least luma, 0..255, that each of these shares of the pixels does not exceed."""
    counts = np.cumsum(Image.fromarray(seen).histogram())
    return [int(np.searchsorted(counts, share * seen.size)) for share in shares]
