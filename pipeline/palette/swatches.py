"""Describes a palette's colours for people and programs: role, names, temperature, text colour."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import UNSET

from pipeline.color.hex import hex_to_rgb, rgb_to_hex
from pipeline.color.naming import name_colors
from pipeline.color.neutral import is_neutral
from pipeline.color.sight import temperatures, text_colors
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.options import ColorShare
from pipeline.parts import Swatch
from pipeline.types import Floats, PaletteColor, Role

# Taste: a colour is an accent below this share.
SECONDARY_SHARE = 0.15


def describe(palette: Sequence[PaletteColor], given: Mapping[str, str] | None = None) -> tuple[Swatch, ...]:
    """The colours of one garment as swatches, the largest share first. Shares are not normalised.

    given: the texts that a client wrote, by hex code.
    """
    if not palette:
        return ()
    ordered = sorted(palette, key=lambda color: -color.share)
    rgb = np.array([color.rgb for color in ordered]) / 255
    lab = srgb_to_lab_d65(rgb)
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    neutral = is_neutral(oklch)
    warm = temperatures(lab)
    names = name_colors(rgb)
    inks = text_colors(rgb)
    swatches = []
    texts = given or {}
    for k, color in enumerate(ordered):
        code = rgb_to_hex(color.rgb)
        swatches.append(
            Swatch(
                role=_role(k, color.share),
                hex=code,
                oklch=_rounded(oklch[k], (4, 4, 1)),
                lab=_rounded(lab[k], (1, 1, 1)),
                share=round(color.share, 4),
                confidence=None if color.confidence is None else round(color.confidence, 2),
                spread_de00=None if color.spread_de00 is None else round(color.spread_de00, 1),
                temperature=warm[k],
                neutral=bool(neutral[k]),
                names=names[k],
                text_color=inks[k][0],
                contrast=round(inks[k][1], 1),
                given=texts.get(code, UNSET),
            )
        )
    return tuple(swatches)


def palette_from_colors(colors: Sequence[ColorShare]) -> tuple[Swatch, ...]:
    """A client's colours as swatches, with shares normalised to a sum of 1.

    A colour that is given twice becomes one colour with both shares, and keeps the first text.
    """
    shares: dict[str, float] = {}
    given: dict[str, str] = {}
    for color, share in zip(colors, shares_of(colors), strict=True):
        shares[color.hex] = shares.get(color.hex, 0.0) + share
        if color.given is not None:
            given.setdefault(color.hex, color.given)
    total = sum(shares.values())
    palette = [PaletteColor(hex_to_rgb(code), share / total, 1.0, 0.0) for code, share in shares.items()]
    return describe(palette, given)


def shares_of(colors: Sequence[ColorShare]) -> list[float]:
    """A share above 0 for each given colour, not normalised.

    Colours without a share divide evenly what the given shares leave of 1. When the given shares leave nothing, a
    colour without a share gets their mean.
    """
    given = [color.share for color in colors if color.share is not None]
    missing = len(colors) - len(given)
    left = 1 - sum(given)
    default = (left / missing if left > 1e-6 else sum(given) / len(given)) if missing else 0.0
    return [default if color.share is None else color.share for color in colors]


def _role(rank: int, share: float) -> Role:
    if rank == 0:
        return "main"
    return "secondary" if share >= SECONDARY_SHARE else "accent"


def _rounded(values: Floats, digits: tuple[int, int, int]) -> tuple[float, float, float]:
    first, second, third = (round(float(value), n) + 0.0 for value, n in zip(values, digits, strict=True))
    return first, second, third
