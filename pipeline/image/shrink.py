"""Shrinks images by averaging light, as an eye does that sees a fine pattern from afar."""

from math import ceil

import numpy as np
from PIL import Image, ImageChops

from pipeline.color.spaces import srgb_to_linear

# Taste: how far below the limit a side may end so that it is a whole fraction of the photo's, which costs a third.
# Half, a quarter or an eighth of the common 4,000, 4,032 and 8,160 px is just below the analysed side.
WHOLE_SHARE = 0.95


def _tables() -> tuple[list[int], list[int]]:
    """The light of each sRGB byte in 8 bits; and the sRGB byte that each mean of light has at least.

    Rounding, before and after the mean, may have raised it by 1.
    """
    light = 255 * srgb_to_linear(np.arange(256) / 255)
    return np.rint(light).astype(int).tolist(), np.searchsorted(light, np.arange(256) - 1.0).tolist()


_LIGHT, _LEAST = _tables()


def bounded(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    """The size (width, height) whose long side is at most side_px: a whole fraction of `size` where one is near."""
    (width, height), longest = size, max(size)
    part = ceil(longest / side_px)
    if part > 1 and longest >= WHOLE_SHARE * part * side_px:
        return ceil(width / part), ceil(height / part)
    scale = min(1.0, side_px / longest)
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduced(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image divided by the largest whole number that leaves at least `size`: means of plain values."""
    ratios = image.width / size[0], image.height / size[1]
    part = next((n for n in (round(min(ratios)), int(min(ratios))) if n > 1 and _leaves(image.size, n, size)), 1)
    return image.reduce(part) if part > 1 else image


def shrunk(image: Image.Image, plain: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An L or RGB image at a smaller size (width, height): each pixel has the mean light of its area.

    plain: the image `reduced` to that size. Its mean of sRGB values is the least that the light can be, and light in
    8 bits, less its rounding, is another least: the greater one counts. An even area keeps its value. Among even
    mixtures of two random colours the error is ΔE00 0.7 on average, and above 4 for one in a hundred, which is dark.
    """
    bands = len(image.getbands())
    light = reduced(image.point(_LIGHT * bands), size)
    return ImageChops.lighter(_at(plain, size), _at(light, size).point(_LEAST * bands))


def _leaves(size: tuple[int, int], part: int, least: tuple[int, int]) -> bool:
    return ceil(size[0] / part) >= least[0] and ceil(size[1] / part) >= least[1]


def _at(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.BOX)
