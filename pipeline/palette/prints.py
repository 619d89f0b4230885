"""Finds the blended pixels of fine prints, which lie between two colours.

The lines and dots of a fine print are a few pixels wide, so that most of its pixels are blends. In a histogram they
fill the gap between two dyes, just as shadows fill the path from a dye to black. Where a neighbourhood has strong
contrast, its lightest and darkest pixels show the dyes best. A coarse knit has strong contrast too, but its lightest
and darkest pixels are one dye in light and in shade.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import oklab_to_oklch, srgb_to_oklab
from pipeline.garments.masks import extremes
from pipeline.types import Floats, Mask, RgbImage

# Values of the three channels, (3, H, W).
Channels: TypeAlias = NDArray[np.uint8]

# The constants below are fitted: `python -m tests.bench.colour --seeds tune` and `python -m tests.bench.colour_prints`.
# A neighbourhood is a square that reaches this far from its centre.
REACH_PX = 2
# A neighbourhood whose sRGB values differ by this much in one channel, of 255, has strong contrast.
CONTRAST = 40
# A garment is printed when this share of its neighbourhoods has strong contrast.
PRINTED_SHARE = 0.5
# A pixel is no blend when one of its channels lies within one of so many parts of its neighbourhood's range from either
# end of it.
PARTS = 20
# Light and shade of one dye: the shade has this share of the light's OKLab lightness or more; both have this chroma or
# more, and the light has this share of the shade's chroma or more; their hues differ by this much at most.
SHADE_LIGHTNESS, SHADE_CHROMA, LIGHT_CHROMA, SHADE_HUE_DEG = 0.57, 0.04, 0.75, 25.0


def unblended(pixels: RgbImage, inside: Mask) -> Mask | None:
    """The pixels of a finely printed garment that are not blends, (H, W); None when it is not printed finely.

    pixels: (H, W, 3) sRGB; inside: (H, W), the garment. What lies outside counts as no blend.
    """
    if not _is_printed(pixels, inside):
        return None
    # Numpy is faster on whole channels, (3, H, W).
    channels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    lowest, highest = _extremes(channels, inside, REACH_PX)
    span = highest - lowest
    strong, near = (span >= CONTRAST) & inside, span // PARTS
    dark = (strong & (channels - lowest <= near)).any(axis=0)
    light = (strong & (highest - channels <= near)).any(axis=0)
    if not dark.any() or not light.any() or _are_one_dye(_mean(pixels[dark]), _mean(pixels[light])):
        return None
    return np.asarray(dark | light | ~strong.any(axis=0))


def _is_printed(pixels: RgbImage, inside: Mask) -> bool:
    """Whether most neighbourhoods have strong contrast, in means of four pixels, which noise hardly changes."""
    height_px, width_px = inside.shape[0] // 2 * 2, inside.shape[1] // 2 * 2
    rows = inside[0:height_px:2, :width_px] & inside[1:height_px:2, :width_px]
    whole = rows[:, 0::2] & rows[:, 1::2]
    sums = (pixels[0:height_px:2, :width_px] >> 2) + (pixels[1:height_px:2, :width_px] >> 2)
    channels = np.ascontiguousarray(sums.transpose(2, 0, 1))
    means = channels[:, :, 0::2] + channels[:, :, 1::2]
    lowest, highest = _extremes(means, whole, REACH_PX // 2)
    strong = (highest - lowest >= CONTRAST).any(axis=0) & whole
    return bool(np.count_nonzero(strong) > PRINTED_SHARE * np.count_nonzero(whole))


def _extremes(channels: Channels, inside: Mask, reach_px: int) -> tuple[Channels, Channels]:
    """The least and the greatest value of each channel in each pixel's neighbourhood, (3, H, W) each."""
    lowest, highest = np.where(inside, channels, np.uint8(255)), np.where(inside, channels, np.uint8(0))
    for axis in (1, 2):
        lowest = extremes(lowest, reach_px, np.minimum, axis=axis)
        highest = extremes(highest, reach_px, np.maximum, axis=axis)
    return lowest, highest


def _mean(pixels: NDArray[np.uint8]) -> Floats:
    """The mean colour of pixels, (n, 3), in OKLCh, (3,)."""
    return oklab_to_oklch(srgb_to_oklab(pixels.mean(axis=0) / 255))


def _are_one_dye(shade: Floats, light: Floats) -> bool:
    """Whether two colours, OKLCh (3,), are one dye in shade and in light."""
    turn_deg = abs((shade[2] - light[2] + 180) % 360 - 180)
    return bool(
        shade[0] >= SHADE_LIGHTNESS * light[0]
        and min(shade[1], light[1]) >= SHADE_CHROMA
        and light[1] >= LIGHT_CHROMA * shade[1]
        and turn_deg <= SHADE_HUE_DEG
    )
