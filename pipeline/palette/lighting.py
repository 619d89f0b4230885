"""Estimates a photo's light from its near-neutral background, corrects it, and detects dark and blurred photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import bytes_to_oklab, linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.types import Cast, Floats, LabelMap, Mask, RgbImage

# The constants below are taste. Chroma, lightness and spread are OKLab's.
# Light varies slowly over a photo, so every fourth pixel is enough.
STEP_PX = 4
# A background with more chroma is a coloured wall, which says nothing about the light.
NEUTRAL_CHROMA = 0.06
# Below this mean chroma of the background there is no cast.
CAST_CHROMA = 0.014
# Darker pixels are too noisy, and brighter ones are clipped.
MIN_LIGHTNESS, MAX_LIGHTNESS = 0.4, 0.985
# Below this share of the photo, near-neutral background is too little for an estimate.
LEAST_SHARE = 0.01
# The confidence is full when near-neutral background takes this share of the photo.
ENOUGH_SHARE = 0.12
# The confidence is 0 from this spread on: the background has several colours.
SPREAD_LIMIT = 0.025
# The name of a cast, by the upper limit of its hue in degrees.
HUES: tuple[tuple[float, Cast], ...] = ((20, "magenta"), (110, "warm"), (200, "green"), (290, "cool"), (360, "magenta"))
# A photo is dark when 98 % of its pixels are below this luma, 0..1.
LOW_LIGHT_LUMA = 0.36
# A step between neighbouring pixels is strong from this share of the photo's luma range on.
BLUR_RATIO = 0.085
# A photo is sharp when more than this share of its steps are strong.
SHARP_SHARE = 0.001
# A photo with a smaller luma range, 0..1, has too little contrast to be called blurred.
LEAST_RANGE = 0.05


@dataclass(frozen=True, slots=True)
class Light:
    """An estimated cast: its kind, its confidence, 0..1, and the gains in linear light, (3,), that neutralise it."""

    cast: Cast
    confidence: float
    gains: Floats


def estimate_light(pixels: RgbImage, labels: LabelMap, *, valid: Mask | None = None) -> Light:
    """The cast of the light, estimated from the background (label 0), since garments and skin have their own colours.

    pixels: (H, W, 3); labels: (H, W); valid: (H, W), the pixels that count; None: all. Without near-neutral background
    there is no cast, at confidence 0.
    """
    neutral = Light("none", 0.0, np.ones(3))
    view, background = pixels[::STEP_PX, ::STEP_PX], labels[::STEP_PX, ::STEP_PX] == 0
    if valid is not None:
        background &= valid[::STEP_PX, ::STEP_PX]
    rgb = view[background]
    if not len(rgb):
        return neutral
    oklab = bytes_to_oklab(rgb)
    chroma = np.hypot(oklab[:, 1], oklab[:, 2])
    usable = (chroma < NEUTRAL_CHROMA) & (oklab[:, 0] > MIN_LIGHTNESS) & (oklab[:, 0] < MAX_LIGHTNESS)
    if usable.sum() < LEAST_SHARE * background.size:
        return neutral
    a, b = oklab[usable, 1], oklab[usable, 2]
    spread = float(np.hypot(a.std(), b.std()))
    enough = min(1.0, int(usable.sum()) / background.size / ENOUGH_SHARE)
    confidence = round(enough * max(0.0, 1 - spread / SPREAD_LIMIT), 2)
    mean_chroma = float(np.hypot(a.mean(), b.mean()))
    if mean_chroma < CAST_CHROMA:
        return Light("none", confidence, np.ones(3))
    hue_deg = float(np.degrees(np.arctan2(b.mean(), a.mean())) % 360)
    cast = next(name for limit, name in HUES if hue_deg < limit)
    white = srgb_to_linear(rgb[usable] / 255).mean(axis=0)
    gains = white @ np.array([0.2126, 0.7152, 0.0722]) / white
    return Light(cast, confidence, gains)


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
    luma = _luma(pixels[::STEP_PX, ::STEP_PX])
    if valid is not None:
        luma = luma[valid[::STEP_PX, ::STEP_PX]]
    return luma.size > 0 and float(np.percentile(luma, 98)) < LOW_LIGHT_LUMA * 255


def is_blurred(pixels: RgbImage) -> bool:
    """Whether a photo (H, W, 3) has hardly any sharp edge, measured against its own range of luma."""
    luma = _luma(pixels)
    low, high = np.percentile(luma[::STEP_PX, ::STEP_PX], (0.5, 99.5))
    if high - low < LEAST_RANGE * 255:
        return False
    strong = steps = 0
    for first, second in ((luma[1:], luma[:-1]), (luma[:, 1:], luma[:, :-1])):
        step = np.maximum(first, second) - np.minimum(first, second)
        strong += int(np.count_nonzero(step >= BLUR_RATIO * (high - low)))
        steps += step.size
    return strong <= SHARP_SHARE * steps


def _luma(pixels: RgbImage) -> NDArray[np.uint8]:
    """Rec. 601 luma, 0..255, (H, W), computed in 16 bits."""
    red, green, blue = (pixels[..., k].astype(np.uint16) for k in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)
