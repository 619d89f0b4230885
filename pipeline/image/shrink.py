"""Shrinks images by averaging light, as an eye does that sees a fine pattern from afar."""

from collections.abc import Iterator
from functools import cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.types import RgbImage

# Taste: rows of samples that are worked on at once. They stay in the processor's cache.
BAND_ROWS = 32
# A pixel's channels, each of 16 bits, are added as one number of 64 bits.
_LANES = {"RGB": ("RGBX", 4, np.uint64), "L": ("L", 1, np.uint16)}


def shrunk(image: Image.Image, size: tuple[int, int]) -> RgbImage:
    """An L or RGB image at a smaller size (width, height) as (h, w, 3): each pixel is the mean light of its area.

    An area is sampled by a grid of n × n whole pixels; n is the ratio of the sizes, rounded up. Light is a cubic of
    the sRGB value: for any mixture of two colours it is within ΔE00 2.3 of linear light, and 0.2 on average. An even
    area keeps its value, but for the darkest: of those below 10 of 255 some are off by up to 4.
    """
    (width, height), across = size, max(ceil(image.width / size[0]), ceil(image.height / size[1]))
    channels = _LANES[image.mode][1]
    table, result = _from_light(across), np.empty((height, width, channels), np.uint8)
    step = max(1, min(height, BAND_ROWS // across))
    for top in range(0, height, step):
        rows = min(step, height - top)
        light = _area_sums(image, across, width, (top, rows, height))
        np.take(table, light.reshape(rows, width, channels), mode="clip", out=result[top : top + rows])
    return np.ascontiguousarray(result[..., :3]) if channels > 1 else np.repeat(result, 3, axis=2)


def _area_sums(image: Image.Image, across: int, width: int, place: tuple[int, int, int]) -> NDArray[np.uint16]:
    """The sums of light of a band of pixels, channels together, each sum of 16 bits. place: top, rows, height."""
    (top, rows, height), (raw, _, lanes) = place, _LANES[image.mode]
    box = (0, image.height * top / height, image.width, image.height * (top + rows) / height)
    samples = image.resize((across * width, across * rows), Image.Resampling.NEAREST, box=box)
    light = _light(np.frombuffer(samples.tobytes("raw", raw), np.uint8)).view(lanes)
    shift = _shift(across)
    light.view(np.uint16)[...] >>= shift
    columns = _sum(light.reshape(rows, across, across * width)[:, k] for k in range(across))
    columns.view(np.uint16)[...] >>= shift
    sums = _sum(columns.reshape(rows, width, across)[..., k] for k in range(across))
    return sums.view(np.uint16)


def _sum(parts: Iterator[np.ndarray]) -> np.ndarray:
    total = next(parts).copy()
    for part in parts:
        total += part
    return total


def _light(values: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Light in 16 bits of sRGB bytes: two parts of the square and one of the cube. Every step fits 16 bits."""
    squares = np.multiply(values, values, dtype=np.uint16)
    cubes = squares >> 8
    cubes *= values
    cubes >>= 2
    squares >>= 1
    squares += cubes
    return squares


def _shift(across: int) -> int:
    """By how many bits light is shifted so that `across` values add up within 16 bits."""
    return (across - 1).bit_length()


@cache
def _from_light(across: int) -> NDArray[np.uint8]:
    """The sRGB byte of each sum of light of across × across equal pixels."""
    shift = _shift(across)
    light = _light(np.arange(256, dtype=np.uint8)).astype(int)
    sums, first, count = np.unique(((light >> shift) * across >> shift) * across, return_index=True, return_counts=True)
    # Where dark values share a sum, black stays black, and the others get their middle.
    middles = np.where(sums == 0, 0, first + (count - 1) / 2)
    return np.rint(np.interp(np.arange(65_536), sums, middles)).astype(np.uint8)
