"""The light of a photo: its cast as near-neutral background shows it, what correcting would change, and warnings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import bytes_to_oklab, linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.types import Cast, Floats, LabelMap, RgbImage

STEP_PX = 4  # the light varies slowly: every fourth pixel tells it
NEUTRAL_CHROMA = 0.06  # OKLab; a more colourful background is a coloured wall, which says nothing of the light
CAST_CHROMA = 0.014
MIN_LIGHTNESS, MAX_LIGHTNESS = 0.4, 0.985
ENOUGH_SHARE = 0.12  # of the picture: this much near-neutral background makes a full confidence
SPREAD_LIMIT = 0.025  # OKLab; above it the "neutral" background is several colours
HUES: tuple[tuple[float, Cast], ...] = ((20, "magenta"), (110, "warm"), (200, "green"), (290, "cool"), (360, "magenta"))
LOW_LIGHT_LUMA = 0.36  # sRGB luma that the brightest fiftieth of a photo stays below when it is dark
SHARP_SHARE = 0.001  # of all steps between neighbours: so many at least are strong in a sharp photo
BLUR_RATIO = 0.085  # strongest step between neighbours against the photo's whole range


@dataclass(frozen=True, slots=True)
class Light:
    """An estimated cast: its kind, confidence 0..1, and linear-light gains (3,) that would neutralise it."""

    cast: Cast
    confidence: float
    gains: Floats


def estimate_light(pixels: RgbImage, labels: LabelMap) -> Light:
    """The cast from the background alone (label 0): garments and skin have colours of their own.

    pixels: (H, W, 3); labels: (H, W). Without near-neutral background: no cast, confidence 0.
    """
    neutral = Light("none", 0.0, np.ones(3))
    view, background = pixels[::STEP_PX, ::STEP_PX], labels[::STEP_PX, ::STEP_PX] == 0
    rgb = view[background]
    if not len(rgb):
        return neutral
    oklab = bytes_to_oklab(rgb)
    chroma = np.hypot(oklab[:, 1], oklab[:, 2])
    usable = (chroma < NEUTRAL_CHROMA) & (oklab[:, 0] > MIN_LIGHTNESS) & (oklab[:, 0] < MAX_LIGHTNESS)
    if usable.sum() < 0.01 * background.size:
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
    """Pixels under a neutral light: von Kries scaling in linear sRGB. (..., 3) uint8 to the same."""
    table = linear_to_srgb(np.clip(srgb_to_linear(np.arange(256)[:, None] / 255) * light.gains, 0, 1))
    table = np.rint(table * 255).astype(np.uint8)  # (256, 3)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=-1)


def expected_shift(pixels: RgbImage, light: Light) -> float:
    """The mean ΔE00 that correcting would cause on these pixels, (n, 3)."""
    if light.cast == "none" or not len(pixels):
        return 0.0
    sample = pixels[:: max(1, len(pixels) // 500)]
    before, after = srgb_to_lab_d65(sample / 255), srgb_to_lab_d65(correct(sample, light) / 255)
    return round(float(delta_e_2000(before, after).mean()), 1)


def is_dark(pixels: RgbImage) -> bool:
    """Whether even the brightest parts of the photo are dark."""
    return float(np.percentile(_luma(pixels[::STEP_PX, ::STEP_PX]), 98)) < LOW_LIGHT_LUMA * 255


def is_blurred(pixels: RgbImage) -> bool:
    """Whether no edge of the photo is sharp, against the photo's own range of brightness."""
    luma = _luma(pixels)
    low, high = np.percentile(luma[::STEP_PX, ::STEP_PX], (0.5, 99.5))
    if high - low < 0.05 * 255:
        return False
    strong = steps = 0
    for one, other in ((luma[1:], luma[:-1]), (luma[:, 1:], luma[:, :-1])):
        step = np.maximum(one, other) - np.minimum(one, other)
        strong += int(np.count_nonzero(step >= BLUR_RATIO * (high - low)))
        steps += step.size
    return strong <= SHARP_SHARE * steps


def _luma(pixels: RgbImage) -> NDArray[np.uint8]:
    """Rec. 601 luma, 0..255, in sixteen bits: (H, W)."""
    red, green, blue = (pixels[..., k].astype(np.uint16) for k in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)
