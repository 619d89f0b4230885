"""Estimates the colour of a photo's light, with the probability that it has a cast.

The method is fast Fourier colour constancy (Barron & Tsai 2017). A light moves all colours of a photo by one offset in
log chroma. Learned filters score every offset, by the photo's histograms of log chroma; the prior of lights, most of
them on the daylight and Planckian locus, turns the scores into probabilities. models/train/illuminant.py trains the
filters on photos in daylight.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import linear_to_srgb, srgb_to_linear, srgb_to_oklab
from pipeline.garments.kinds import FIRST_GARMENT, SKIN
from pipeline.types import Cast, Floats, LabelMap, Mask, RgbImage

FILTERS_FILE = Path(__file__).parent / "illuminant.npz"
# The histograms are BINS x BINS, wrap around, and one bin is BIN_SIZE wide in log chroma, natural logarithm.
BINS, BIN_SIZE = 64, 0.06
# Light varies slowly over a photo, so every fourth pixel is enough.
STEP_PX = 4
# Darker pixels are too noisy, and brighter ones are clipped, sRGB bytes.
LEAST_BYTE, MOST_BYTE = 6, 250
# Taste: the brightest quarter of a photo is a histogram of its own, because white objects are bright.
BRIGHT_QUANTILE = 0.75
# A histogram of fewer pixels says nothing. Below about this share of the photo a histogram counts less.
LEAST_PX, HALF_SHARE = 20, 0.03
# Fitted on lit photos: the powers of the score and of the prior with which the probabilities come out right.
SCORE_POWER, PRIOR_POWER = 0.85, 0.65
# A light this far from neutral in log chroma is a cast; 5,000 K is 0.31. SOFTNESS is the width of the border.
CAST_OFFSET, SOFTNESS = 0.18, 0.03
# Taste: a photo of one thing does not tell its colour from the light's. Two of background, people (skin and hair) and
# garments must take this share of it.
LEAST_GROUP = 0.02
# Taste: below this mean offset no cast is named.
LEAST_OFFSET = 0.035
# The name of a cast, by the upper limit of its OKLab hue in degrees.
HUES: tuple[tuple[float, Cast], ...] = ((20, "magenta"), (110, "warm"), (200, "green"), (290, "cool"), (360, "magenta"))
# Hardly anything looks grey under a cast: of photos under a lamp of 4,800 K, 2 % have more than 1.4 % of pixels this
# near to grey. Between the two shares of grey the confidence of a cast falls to 0.
GREY_OFFSET, GREY_SHARES = 0.06, (0.015, 0.08)
Bytes: TypeAlias = NDArray[np.uint8]
CHANNELS = ("all", "bright", "background", "skin", "garments")

_LOG = np.log(np.maximum(srgb_to_linear(np.arange(256) / 255), 1e-4)) / BIN_SIZE
_LUMA = np.array([77, 150, 29], np.uint16)
_AXIS = ((np.arange(BINS) + BINS // 2) % BINS - BINS // 2) * BIN_SIZE


@dataclass(frozen=True, slots=True)
class Light:
    """An estimated light.

    cast: its kind. confidence: the probability of that cast, or of neutral light where the cast is "none", 0..1. gains:
    in linear light, (3,), that neutralise the light.
    """

    cast: Cast
    confidence: float
    gains: Floats


def estimate_light(pixels: RgbImage, labels: LabelMap, *, valid: Mask | None = None) -> Light:
    """The light of a photo.

    pixels: (H, W, 3); labels: (H, W); valid: (H, W), the pixels that count; None: all. Without evidence the light is
    neutral at confidence 0.
    """
    if not _is_scene(labels, valid):
        return Light("none", 0.0, np.ones(3))
    found = histograms(pixels, labels, valid=valid)
    if not found.any():
        return Light("none", 0.0, np.ones(3))
    chance = posterior(found)
    mean = _mean(chance)
    length = float(np.hypot(*mean))
    u, v = _AXIS[:, None], _AXIS[None, :]
    beyond = 1 / (1 + np.exp(-(np.hypot(u, v) - CAST_OFFSET) / SOFTNESS))
    towards = chance * beyond * ((u * mean[0] + v * mean[1]) > 0)
    believed = _without_grey(found[0])
    sure = float(towards.sum()) * believed
    if length < LEAST_OFFSET or not believed:
        return Light("none", round(1 - float((chance * beyond).sum()) * believed, 2), np.ones(3))
    light = _linear_light(_mean(towards / towards.sum()) if sure >= 0.5 else mean)
    return Light(_name(light), round(sure, 2), np.asarray((light @ _LUMA) / 256 / light))


def _is_scene(labels: LabelMap, valid: Mask | None) -> bool:
    """Whether a photo shows more than one kind of thing."""
    view = labels[::STEP_PX, ::STEP_PX]
    seen = view if valid is None else view[valid[::STEP_PX, ::STEP_PX]]
    groups = (seen == 0, (seen > 0) & (seen < FIRST_GARMENT), seen >= FIRST_GARMENT)
    return sum(int(np.count_nonzero(group)) >= LEAST_GROUP * view.size for group in groups) >= 2


def _without_grey(histogram: Floats) -> float:
    """How little of a photo is grey, 0 to 1, by its histogram of all pixels."""
    near = np.hypot(_AXIS[:, None], _AXIS[None, :]) < GREY_OFFSET
    least, most = GREY_SHARES
    return float(np.clip((most - histogram[near].sum()) / (most - least), 0, 1))


def posterior(histogram: Floats) -> Floats:
    """The probability of each light, (BINS, BINS): its offsets in log(green / red) and log(green / blue) from neutral.

    histogram: (5, BINS, BINS), from `histograms`.
    """
    filters, prior = _filters()
    score = np.fft.irfft2((np.fft.rfft2(histogram) * filters).sum(axis=0), s=(BINS, BINS))
    score = SCORE_POWER * score + PRIOR_POWER * prior
    chance = np.exp(score - score.max())
    return np.asarray(chance / chance.sum())


def histograms(pixels: RgbImage, labels: LabelMap, *, valid: Mask | None = None) -> Floats:
    """The histograms of log chroma of each of CHANNELS, (5, BINS, BINS), each with a sum of at most 1."""
    view, kind = pixels[::STEP_PX, ::STEP_PX], labels[::STEP_PX, ::STEP_PX]
    channels = [np.ascontiguousarray(view[..., k]) for k in range(3)]
    usable = np.ones(kind.shape, bool) if valid is None else valid[::STEP_PX, ::STEP_PX].copy()
    for channel in channels:
        usable &= (channel >= LEAST_BYTE) & (channel <= MOST_BYTE)
    red, green, blue = (channel[usable] for channel in channels)
    found = np.zeros((len(CHANNELS), BINS, BINS))
    if len(red) < LEAST_PX:
        return found
    parts = _binned(
        _LOG[green] - _LOG[red], _LOG[green] - _LOG[blue], _group(kind[usable]) + 4 * _is_bright(red, green, blue), 8
    )
    by_group = parts[:4] + parts[4:]
    for k, counts in enumerate((by_group.sum(axis=0), parts[4:].sum(axis=0), *by_group[1:])):
        total = counts.sum()
        if total >= LEAST_PX:
            share = total / usable.size
            found[k] = counts / total * share / (share + HALF_SHARE)
    return found


def _group(kind: LabelMap) -> NDArray[np.intp]:
    """The group of each label: 1 background, 2 skin, 3 garments, 0 the rest."""
    groups = np.zeros(256, np.intp)
    groups[0], groups[SKIN], groups[FIRST_GARMENT:] = 1, 2, 3
    return groups[kind]


def _is_bright(red: Bytes, green: Bytes, blue: Bytes) -> Mask:
    """Whether each pixel is among the brightest, by luma."""
    luma = red.astype(np.uint16) * _LUMA[0] + green.astype(np.uint16) * _LUMA[1] + blue.astype(np.uint16) * _LUMA[2]
    rank = int(np.ceil(BRIGHT_QUANTILE * (len(luma) - 1)))
    return np.asarray(luma >= np.partition(luma, rank)[rank])


def _binned(u: Floats, v: Floats, group: NDArray[np.intp], count: int) -> Floats:
    """The histogram of each group of points (n,), (count, BINS, BINS). A point counts in the four bins around it."""
    left, low = np.floor(u), np.floor(v)
    right_weight, high_weight = u - left, v - low
    column, row = left.astype(np.intp), low.astype(np.intp)
    total = np.zeros(count * BINS * BINS)
    for a, across in ((0, 1 - right_weight), (1, right_weight)):
        # BINS is a power of two, so the mask wraps around.
        start = group * (BINS * BINS) + ((column + a) & (BINS - 1)) * BINS
        for b, along in ((0, 1 - high_weight), (1, high_weight)):
            total += np.bincount(start + ((row + b) & (BINS - 1)), across * along, minlength=len(total))
    return total.reshape(count, BINS, BINS)


def _mean(chance: Floats) -> Floats:
    return np.array([(chance.sum(axis=1) * _AXIS).sum(), (chance.sum(axis=0) * _AXIS).sum()])


def _linear_light(offset: Floats) -> Floats:
    """The linear sRGB of a light by its offset in log chroma, (3,)."""
    return np.exp([-offset[0], 0.0, -offset[1]])


def _name(light: Floats) -> Cast:
    """The kind of a light, by its hue at full brightness."""
    oklab = srgb_to_oklab(linear_to_srgb(light / light.max()))
    hue_deg = float(np.degrees(np.arctan2(oklab[2], oklab[1])) % 360)
    return next(name for limit, name in HUES if hue_deg < limit)


@cache
def _filters() -> tuple[NDArray[np.complex128], Floats]:
    """The conjugate spectra of the filters, (5, BINS, BINS / 2 + 1), and the log prior, (BINS, BINS)."""
    with np.load(FILTERS_FILE, allow_pickle=False) as file:
        return np.fft.rfft2(file["filters"].astype(float)).conj(), file["log_prior"].astype(float)
