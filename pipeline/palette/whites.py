"""Finds out whether light cloth is white, and what it looks like in full light.

A photo shows white cloth as grey where folds lie in shadow, and all over where the exposure is low. Whether it is white
is judged by its own lit part and by the photo's other evidence: the skin beside it, or else the brightest thing around.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import (
    bytes_to_linear,
    linear_to_lab_d65,
    linear_to_srgb,
    oklab_to_srgb,
    srgb_to_linear,
    srgb_to_oklab,
)
from pipeline.garments.kinds import SKIN
from pipeline.palette.histogram import Bins
from pipeline.types import Floats, LabelMap, Mask, RgbImage

# Exposure varies slowly over a photo, so every fourth pixel is enough.
STEP_PX = 4
# Taste: skin below this share of the photo is too little to compare with.
LEAST_SKIN = 0.004
# The brightest thing beside a garment is this quantile of the luminance there.
BRIGHTEST = 0.99
# The lit part of a cloth is what is at least as bright as this quantile of it.
LIT = 0.75
# Taste: cloth whose lit part has more CIE Lab chroma has a colour of its own.
MOST_CHROMA = 9.0
# Fitted: a logistic regression of whether cloth is white or cream rather than grey, on 180 painted garments and 140
# garments of labelled photos (`python -m tests.bench.colour_whites --fit`; today's fit judges no better). The constant
# comes first, then the slopes for `evidence`.
WEIGHTS = (-3.28, 7.23, 3.32, 1.31, -2.95)
# Taste: cloth is called white from this chance on, so that few greys are whitened.
LEAST_CHANCE = 0.63
# The limits of the log ratios: beyond them nothing more is learned.
SKIN_RATIO, BRIGHT_RATIO = (-0.5, 1.5), (-1.0, 0.6)
LEAST_LUMINANCE = 0.02
# White cloth reflects about this share of the light.
WHITE_LUMINANCE = 0.80
# Shade outdoors is lit by the blue sky, so that white cloth keeps this share of a bluish tint; OKLab hues, degrees.
SKY_TINT, SKY_HUES_DEG = 0.4, (225.0, 315.0)
_LUMA = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a photo tells about its exposure, in linear luminance, 0 to 1; None without skin, and without surroundings.

    skin: the median of the skin. brightest: of what is beside the garment.
    """

    skin: float | None
    brightest: float | None


class Scene:
    """The luminance of a photo, from which the exposure beside each garment is read."""

    def __init__(self, pixels: RgbImage, labels: LabelMap, *, valid: Mask | None = None) -> None:
        """pixels: (H, W, 3); labels: (H, W); valid: (H, W), the pixels that count; None: all."""
        self._luminance = bytes_to_linear(pixels[::STEP_PX, ::STEP_PX]) @ _LUMA
        self._valid = None if valid is None else valid[::STEP_PX, ::STEP_PX]
        skin = labels[::STEP_PX, ::STEP_PX] == SKIN
        enough = np.count_nonzero(skin) >= LEAST_SKIN * skin.size
        self._skin = float(np.median(self._luminance[skin])) if enough else None

    def exposure_beside(self, mask: Mask) -> Exposure:
        """The exposure as the surroundings of a garment, (H, W), tell it."""
        beside = ~mask[::STEP_PX, ::STEP_PX]
        if self._valid is not None:
            beside &= self._valid
        around = self._luminance[beside]
        brightest = _unweighted_quantile(around, BRIGHTEST) if len(around) else None
        return Exposure(self._skin, brightest)


def white_in_full_light(bins: Bins, member: NDArray[np.bool_], exposure: Exposure) -> Floats | None:
    """The colour in full light, (3,) 0..255, of the cloth that some bins show; None when the cloth is not white."""
    lit = lit_part(bins, member)
    if lit is None:
        return None
    constant, *slopes = WEIGHTS
    logit = constant + float(np.dot(slopes, evidence(lit.median, lit.from_luminance, exposure)))
    if 1 / (1 + np.exp(-logit)) < LEAST_CHANCE:
        return None
    full = lit.color * max(1.0, WHITE_LUMINANCE / float(lit.color @ _LUMA))
    return np.asarray(255 * np.clip(_without_sky(linear_to_srgb(full)), 0, 1))


@dataclass(frozen=True, slots=True)
class LitPart:
    """The lit part of a cloth. color: linear light, (3,). from_luminance: its least; median: of the whole cloth."""

    color: Floats
    from_luminance: float
    median: float


def lit_part(bins: Bins, member: NDArray[np.bool_]) -> LitPart | None:
    """The lit part of the cloth that some bins show; None when it has a colour of its own."""
    weight, linear = bins.weight[member], srgb_to_linear(bins.rgb[member] / 255)
    luminance = linear @ _LUMA
    from_luminance, median = _quantile(luminance, weight, LIT), _quantile(luminance, weight, 0.5)
    lit = luminance >= from_luminance
    color = np.asarray(np.average(linear[lit], axis=0, weights=weight[lit]))
    lab = linear_to_lab_d65(color)
    return None if np.hypot(lab[1], lab[2]) > MOST_CHROMA else LitPart(color, from_luminance, median)


def evidence(median: float, lit: float, exposure: Exposure) -> tuple[float, float, float, float]:
    """What the chance of white depends on: luminance, ratio to skin, ratio to the surroundings, whether there is skin.

    median, lit: of the cloth, linear luminance. Skin is the better measure, so the surroundings count only without it.
    """
    if exposure.skin is not None:
        return lit, _ratio(median, exposure.skin, SKIN_RATIO), 0.0, 1.0
    if exposure.brightest is None:
        return lit, 0.0, 0.0, 0.0
    return lit, 0.0, _ratio(lit, exposure.brightest, BRIGHT_RATIO), 0.0


def _ratio(value: float, other: float, limits: tuple[float, float]) -> float:
    ratio = np.log(max(value, LEAST_LUMINANCE) / max(other, LEAST_LUMINANCE))
    return float(np.clip(ratio, *limits))


def _unweighted_quantile(values: Floats, share: float) -> float:
    """As np.quantile, in a third of its time."""
    place = share * (len(values) - 1)
    below, above = int(place), min(int(place) + 1, len(values) - 1)
    part = np.partition(values, (below, above))
    return float(part[below] + (part[above] - part[below]) * (place - below))


def _quantile(values: Floats, weight: Floats, share: float) -> float:
    order = np.argsort(values, kind="stable")
    return float(np.interp(share * weight.sum(), np.cumsum(weight[order]), values[order]))


def _without_sky(rgb: Floats) -> Floats:
    """White cloth, sRGB 0..1 (3,), with less of the tint that the sky gives it."""
    oklab = srgb_to_oklab(np.clip(rgb, 0, 1))
    hue_deg = float(np.degrees(np.arctan2(oklab[2], oklab[1])) % 360)
    if not SKY_HUES_DEG[0] <= hue_deg <= SKY_HUES_DEG[1]:
        return rgb
    return oklab_to_srgb(oklab * np.array([1.0, SKY_TINT, SKY_TINT]))
