"""Computes how colours look to people: contrast, warmth, and colour-blind vision."""

from typing import Literal

import numpy as np

from pipeline.color.spaces import linear_to_srgb, srgb_to_linear, times_matrix
from pipeline.types import Floats, Temperature

CvdKind = Literal["protan", "deutan", "tritan"]
# Published: the warmest hue of CIE Lab, degrees (Ou, Luo, Woodcock & Wright 2004).
WARMEST_HUE_DEG = 50.0
# Taste: below this CIE Lab chroma, and below this cosine, a colour is neither warm nor cool.
NEUTRAL_LAB_CHROMA, LEAST_WARMTH = 8.0, 0.2

# Standard: Machado, Oliveira & Fernandes 2009, the table of severity 1.0, on linear sRGB.
_MACHADO = {
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Standard: Brettel, Viénot & Mollon 1997, with the cones of Smith & Pokorny 1975. Tritan vision maps each of two
# half-spaces of linear sRGB by a matrix of its own. A single matrix fits tritan vision badly, so Machado's is not used.
_BRETTEL_TRITAN = np.array(
    [
        [[0.9367839, 0.1897879, -0.1265719], [0.0615339, 0.8152622, 0.1232039], [-0.3756080, 1.1276541, 0.2479539]],
        [[1.0127733, 0.1354841, -0.1482575], [-0.0124335, 0.8681210, 0.1443124], [0.0758948, 0.8049996, 0.1191056]],
    ]
)
# The normal of the plane between the two half-spaces.
_BRETTEL_NORMAL = np.array([0.0390146077, -0.0278807580, -0.0111338497])


def contrast_ratio(first: Floats, second: Floats) -> Floats:
    """The WCAG 2.2 contrast ratio of sRGB colours (..., 3), 1..21."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    first_y, second_y = srgb_to_linear(first) @ weights, srgb_to_linear(second) @ weights
    return np.asarray((np.maximum(first_y, second_y) + 0.05) / (np.minimum(first_y, second_y) + 0.05))


def text_color(rgb: Floats) -> tuple[str, float]:
    """Black or white, whichever has more contrast on one sRGB colour (3,), and that contrast ratio."""
    return text_colors(rgb[None])[0]


def text_colors(rgb: Floats) -> list[tuple[str, float]]:
    """The `text_color` of each of n sRGB colours, (n, 3)."""
    on_black, on_white = contrast_ratio(rgb, np.zeros(3)).tolist(), contrast_ratio(rgb, np.ones(3)).tolist()
    inks = zip(on_black, on_white, strict=True)
    return [("#000000", black) if black >= white else ("#ffffff", white) for black, white in inks]


def warmth(lab: Floats) -> Floats:
    """How warm the hues of Lab colours (..., 3) are, -1 to 1: the cosine of the angle to the warmest hue, 50 degrees.

    The hue is that of Ou, Luo, Woodcock & Wright 2004. Their formula also counts pale and dull colours as cool, which
    calls sand and camel cool; people who dress do not.
    """
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    return np.asarray(np.cos(np.radians(hue - WARMEST_HUE_DEG)))


def temperatures(lab: Floats) -> list[Temperature]:
    """The temperature of each of n Lab colours, (n, 3): the one definition of warm and cool.

    A colour is neither when it has little chroma, or a hue between warm and cool.
    """
    chroma, lean = np.hypot(lab[:, 1], lab[:, 2]), warmth(lab)
    return [
        "neutral" if c < NEUTRAL_LAB_CHROMA or abs(w) < LEAST_WARMTH else "warm" if w > 0 else "cool"
        for c, w in zip(chroma.tolist(), lean.tolist(), strict=True)
    ]


def simulate_cvd(rgb: Floats, kind: CvdKind) -> Floats:
    """sRGB colours (..., 3) as a dichromat sees them, 0..1.

    Protan and deutan follow Machado, Oliveira & Fernandes 2009 at severity 1; tritan follows Brettel, Viénot & Mollon
    1997.
    """
    linear = srgb_to_linear(rgb)
    if kind == "tritan":
        first, second = (times_matrix(linear, matrix) for matrix in _BRETTEL_TRITAN)
        seen = np.where((linear @ _BRETTEL_NORMAL > 0)[..., None], second, first)
    else:
        seen = times_matrix(linear, _MACHADO[kind])
    return linear_to_srgb(np.clip(seen, 0, 1))
