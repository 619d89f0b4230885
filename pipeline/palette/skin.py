"""Finds bare skin within garments: feet in sandals, skin between straps, lace and jewellery, a face taken for a hat."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.color.spaces import bytes_to_oklab
from pipeline.garments.kinds import BY_NAME, FIRST_GARMENT, SKIN
from pipeline.garments.masks import connected, enlarged
from pipeline.parts import Region
from pipeline.types import UNKNOWN, LabelMap, Mask, RgbImage

# The constants below are taste, set by painted scenes and photos.
# Skin is looked for on a map of every second pixel, which is fine enough for straps.
STEP_PX = 2
# Skin and what is like it are connected when they lie in neighbouring squares of this side, px of that map: a strap
# or a stitch may lie between. Eight pixels, one byte each, are compared as one number.
SQUARE_PX = 8
# Fewer pixels of skin on that map do not say what the person's skin looks like.
LEAST_SKIN_PX = 40
# Colours are told apart by this many bits of each channel. The skin's tones are the fullest bins, down to the second
# share of all skin, and their neighbours: they reach about ΔE00 4 around the skin's own colours.
BITS = 5
TONES_SHARE = 0.75
# Labels of skin hold shadows, hair and glasses, too: a tone lies this near to the median of the skin, in OKLab's a and
# b and in its lightness.
TONE_CHROMA, TONE_LIGHTNESS = 0.03, 0.15
# Of shoes and accessories at least this share must be left; else the garment itself has the colour of skin.
LEFT_OF_SMALL = 0.15
# Of clothes more must be left: a coat in camel touches hands and a face.
LEFT_OF_CLOTHES = 0.7
# An accessory of which less than LEFT_OF_SMALL is left is a face or an arm from this share of the photo on.
FACE_SHARE = 0.015


def bare_skin(pixels: RgbImage, labels: LabelMap) -> Mask | None:
    """Garment pixels that have the colours of the photo's own skin and are connected with it, (H, W); None: no skin.

    pixels: (H, W, 3); labels: (H, W).
    """
    small = labels[::STEP_PX, ::STEP_PX]
    skin = small == SKIN
    if np.count_nonzero(skin) < LEAST_SKIN_PX:
        return None
    cloth = (small >= FIRST_GARMENT) & (small != UNKNOWN)
    view = pixels[::STEP_PX, ::STEP_PX]
    alike = cloth & _tones(view[skin])[_codes(view)]
    if not alike.any():
        return None
    found = connected(_in_squares(alike | skin), corners=True)
    with_skin = np.bincount(found.ids[_in_squares(skin)], minlength=len(found.sizes_px)) > 0
    bare = alike & enlarged(with_skin[found.ids], SQUARE_PX, alike.shape)
    return enlarged(bare, STEP_PX, labels.shape)


def clothed(regions: Sequence[Region], bare: Mask | None) -> tuple[Region, ...]:
    """The regions without those accessories that are a face or an arm, numbered anew."""
    if bare is None:
        return tuple(regions)
    kept = [region for region in regions if not _is_body(region, bare)]
    return tuple(replace(region, id=f"g{number}") for number, region in enumerate(kept, start=1))


def without_skin(region: Region, bare: Mask | None) -> Region:
    """The region without its bare skin, unless so much of it is like skin that the garment has that colour itself."""
    if bare is None:
        return region
    left = region.mask & ~bare
    kind = BY_NAME.get(region.category)
    least = LEFT_OF_CLOTHES if kind is None or kind.clothing else LEFT_OF_SMALL
    enough = np.count_nonzero(left) >= max(1, least * np.count_nonzero(region.mask))
    return replace(region, mask=left) if enough else region


def _is_body(region: Region, bare: Mask) -> bool:
    if region.category != "accessory" or region.area < FACE_SHARE:
        return False
    left = int(np.count_nonzero(region.mask & ~bare))
    return left < LEFT_OF_SMALL * int(np.count_nonzero(region.mask))


def _in_squares(mask: Mask) -> Mask:
    """Which squares of SQUARE_PX have a pixel of the mask, (⌈H/n⌉, ⌈W/n⌉)."""
    height, width = (-(-length // SQUARE_PX) for length in mask.shape)
    padded = np.zeros((height * SQUARE_PX, width * SQUARE_PX), bool)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    # Eight pixels of a row are one number.
    return np.asarray((padded.view(np.uint64) != 0).reshape(height, SQUARE_PX, width).any(axis=1))


def _codes(pixels: RgbImage) -> NDArray[np.uint16]:
    """The colour bin of each pixel, (..., 3) to (...)."""
    red, green, blue = ((pixels[..., k] >> (8 - BITS)).astype(np.uint16) for k in range(3))
    return np.asarray(red << 2 * BITS | green << BITS | blue)


def _tones(skin: RgbImage) -> Mask:
    """Which bins are tones of skin with these colours, (n, 3) to (2^(3·BITS),)."""
    counts = np.bincount(_codes(skin), minlength=1 << 3 * BITS)
    filled = np.flatnonzero(counts)
    fullest = filled[np.argsort(-counts[filled], kind="stable")]
    fullest = fullest[: np.searchsorted(np.cumsum(counts[fullest]), TONES_SHARE * len(skin)) + 1]
    centres = np.stack([fullest >> 2 * BITS, fullest >> BITS, fullest], axis=1) & ((1 << BITS) - 1)
    oklab = bytes_to_oklab((centres << (8 - BITS) | 1 << (7 - BITS)).astype(np.uint8))
    away = oklab - bytes_to_oklab(np.median(skin, axis=0).astype(np.uint8)[None])
    near = (np.hypot(away[:, 1], away[:, 2]) <= TONE_CHROMA) & (np.abs(away[:, 0]) <= TONE_LIGHTNESS)
    tones = np.zeros(1 << 3 * BITS, bool)
    tones[(fullest[near, None] + _neighbours()).ravel().clip(0, len(tones) - 1)] = True
    return tones


@lru_cache(maxsize=1)
def _neighbours() -> NDArray[np.intp]:
    """The offsets to a bin's 27 neighbours, itself among them."""
    steps = np.arange(-1, 2)
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.asarray((red << 2 * BITS) + (green << BITS) + blue).ravel()
