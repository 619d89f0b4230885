"""Describes a palette's colours for people and programs: role, names, temperature, text colour."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from msgspec import UNSET

from pipeline.color.hex import hex_to_rgb, rgb_to_hex
from pipeline.color.naming import name_colors
from pipeline.color.neutral import is_neutral
from pipeline.color.sight import temperatures, text_colors
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.color.words import is_code
from pipeline.options import ColorShare
from pipeline.parts import Swatch
from pipeline.types import PaletteColor, Role

# Taste: a colour is an accent below this share.
SECONDARY_SHARE = 0.15


def describe(
    palettes: Sequence[Sequence[PaletteColor]], given: Mapping[str, str] | None = None
) -> list[tuple[Swatch, ...]]:
    """The colours of each garment as swatches, the largest share first. Shares are not normalised.

    given: the texts that a client wrote, by hex code.
    """
    palettes = [sorted(palette, key=lambda color: -color.share) for palette in palettes]
    colors = [(rank, color) for palette in palettes for rank, color in enumerate(palette)]
    if not colors:
        return [()] * len(palettes)
    rgb = np.array([color.rgb for _, color in colors]) / 255
    lab, oklch = srgb_to_lab_d65(rgb), oklab_to_oklch(srgb_to_oklab(rgb))
    facts = zip(
        oklch.tolist(),
        lab.tolist(),
        is_neutral(oklch).tolist(),
        temperatures(lab),
        name_colors(rgb),
        text_colors(rgb),
        strict=True,
    )
    swatches = []
    for (rank, color), (lch, point, neutral, warm, names, (ink, contrast)) in zip(colors, facts, strict=True):
        code = rgb_to_hex(color.rgb)
        swatches.append(
            Swatch(
                role=_role(rank, color.share),
                hex=code,
                oklch=_rounded(lch, (4, 4, 1)),
                lab=_rounded(point, (1, 1, 1)),
                share=round(color.share, 4),
                confidence=None if color.confidence is None else round(color.confidence, 2),
                spread_de00=None if color.spread_de00 is None else round(color.spread_de00, 1),
                temperature=warm,
                neutral=neutral,
                names=names,
                text_color=ink,
                contrast=round(contrast, 1),
                given=(given or {}).get(code, UNSET),
            )
        )
    rest = iter(swatches)
    return [tuple(islice(rest, len(palette))) for palette in palettes]


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
    return describe([palette], given)[0]


def spoken(color: Swatch) -> str:
    """What people call a colour: the word that the client wrote, else the fashion vocabulary's name."""
    return color.given if color.given and not is_code(color.given) else color.names.fashion.name


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


def _rounded(values: Sequence[float], digits: tuple[int, int, int]) -> tuple[float, float, float]:
    first, second, third = (round(value, n) + 0.0 for value, n in zip(values, digits, strict=True))
    return first, second, third
