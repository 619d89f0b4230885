"""Colours described for people and programs: roles, names, temperature, text colour; numpy only."""

from collections.abc import Sequence

import numpy as np

from pipeline.color.css import hex_to_rgb, rgb_to_hex
from pipeline.color.naming import name_colors
from pipeline.color.sight import text_colors, warmth
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.options import ColorShare
from pipeline.parts import Swatch
from pipeline.types import Floats, PaletteColor, Role, Temperature

SECONDARY_SHARE = 0.15  # below it a colour is an accent
NEUTRAL_LAB_CHROMA = 8.0  # below it a colour is neither warm nor cool
EARTH_HUES_DEG, EARTH_CHROMA = (35, 115), 0.105
NAVY_HUES_DEG, NAVY_CHROMA, NAVY_LIGHTNESS = (225, 285), 0.09, 0.75  # denim too, but no sky blue
BLACK_LIGHTNESS, GREY_CHROMA = 0.25, 0.03


def describe(palette: Sequence[PaletteColor]) -> tuple[Swatch, ...]:
    """The colours of one garment as swatches, the largest share first; the shares are those given."""
    if not palette:
        return ()
    ordered = sorted(palette, key=lambda color: (-color.share, color.rgb))
    rgb = np.array([color.rgb for color in ordered]) / 255
    lab = srgb_to_lab_d65(rgb)
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    neutral = is_neutral(oklch)
    temperatures = _temperatures(lab)
    names = name_colors(lab)
    inks = text_colors(rgb)
    swatches = []
    for k, color in enumerate(ordered):
        swatches.append(
            Swatch(
                role=_role(k, color.share),
                hex=rgb_to_hex(color.rgb),
                oklch=_rounded(oklch[k], (4, 4, 1)),
                lab=_rounded(lab[k], (1, 1, 1)),
                share=round(color.share, 4),
                confidence=None if color.confidence is None else round(color.confidence, 2),
                spread_de00=None if color.spread_de00 is None else round(color.spread_de00, 1),
                temperature=temperatures[k],
                neutral=bool(neutral[k]),
                names=names[k],
                text_color=inks[k][0],
                contrast=round(inks[k][1], 1),
            )
        )
    return tuple(swatches)


def palette_from_colors(colors: Sequence[ColorShare]) -> tuple[Swatch, ...]:
    """Given colours as swatches, shares normalised to a sum of 1; a colour given twice is one with both shares."""
    shares: dict[str, float] = {}
    for color, share in zip(colors, shares_of(colors), strict=True):
        shares[color.hex] = shares.get(color.hex, 0.0) + share
    total = sum(shares.values())
    palette = [PaletteColor(hex_to_rgb(code), share / total, 1.0, 0.0) for code, share in shares.items()]
    return describe(palette)


def shares_of(colors: Sequence[ColorShare]) -> list[float]:
    """A share above 0 for each given colour, not normalised.

    Colours without a share split evenly what the others leave of 1, or get the mean of the given shares when these
    fill it.
    """
    given = [color.share for color in colors if color.share is not None]
    missing = len(colors) - len(given)
    left = 1 - sum(given)
    default = (left / missing if left > 1e-6 else sum(given) / len(given)) if missing else 0.0
    return [default if color.share is None else color.share for color in colors]


def is_neutral(oklch: Floats) -> np.ndarray:
    """Whether colours go with anything: near-grey, near-black, earth, navy or denim. oklch: (n, 3); gives (n,)."""
    lightness, chroma, hue = oklch[..., 0], oklch[..., 1], oklch[..., 2]
    earth = (hue >= EARTH_HUES_DEG[0]) & (hue <= EARTH_HUES_DEG[1]) & (chroma < EARTH_CHROMA)
    navy = (hue >= NAVY_HUES_DEG[0]) & (hue <= NAVY_HUES_DEG[1]) & (chroma < NAVY_CHROMA) & (lightness < NAVY_LIGHTNESS)
    return np.asarray((chroma < GREY_CHROMA) | (lightness < BLACK_LIGHTNESS) | earth | navy)


def _role(rank: int, share: float) -> Role:
    if rank == 0:
        return "main"
    return "secondary" if share >= SECONDARY_SHARE else "accent"


def _temperatures(lab: Floats) -> list[Temperature]:
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    warm = warmth(lab) > 0
    return ["neutral" if c < NEUTRAL_LAB_CHROMA else "warm" if w else "cool" for c, w in zip(chroma, warm, strict=True)]


def _rounded(values: Floats, digits: tuple[int, int, int]) -> tuple[float, float, float]:
    first, second, third = (round(float(value), n) + 0.0 for value, n in zip(values, digits, strict=True))
    return first, second, third
