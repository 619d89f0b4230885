"""How colours look to people: contrast, warmth and colour-blind vision."""

from typing import Literal

import numpy as np

from pipeline.color.spaces import _times, linear_to_srgb, srgb_to_linear
from pipeline.types import Floats

CvdKind = Literal["protan", "deutan", "tritan"]


# Machado, Oliveira & Fernandes 2009, table of severity 1.0, on linear sRGB.
_MACHADO = {
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


# Brettel, Viénot & Mollon 1997: two half-planes of linear sRGB and what parts them (Smith & Pokorny 1975 cones).
# One matrix fits tritan sight badly, which is why Machado's table is not used for it.
_BRETTEL_TRITAN = np.array(
    [
        [[0.9367839, 0.1897879, -0.1265719], [0.0615339, 0.8152622, 0.1232039], [-0.3756080, 1.1276541, 0.2479539]],
        [[1.0127733, 0.1354841, -0.1482575], [-0.0124335, 0.8681210, 0.1443124], [0.0758948, 0.8049996, 0.1191056]],
    ]
)


_BRETTEL_NORMAL = np.array([0.0390146077, -0.0278807580, -0.0111338497])


def contrast_ratio(first: Floats, second: Floats) -> Floats:
    """WCAG 2.2 contrast ratio of sRGB colours, 1..21."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    one, two = srgb_to_linear(first) @ weights, srgb_to_linear(second) @ weights
    return np.asarray((np.maximum(one, two) + 0.05) / (np.minimum(one, two) + 0.05))


def text_color(rgb: Floats) -> tuple[str, float]:
    """Black or white, whichever reads better on one sRGB colour, and its contrast ratio."""
    return text_colors(rgb[None])[0]


def text_colors(rgb: Floats) -> list[tuple[str, float]]:
    """`text_color` of each of n colours, (n, 3)."""
    on_black, on_white = contrast_ratio(rgb, np.zeros(3)).tolist(), contrast_ratio(rgb, np.ones(3)).tolist()
    inks = zip(on_black, on_white, strict=True)
    return [("#000000", black) if black >= white else ("#ffffff", white) for black, white in inks]


def warmth(lab: Floats) -> Floats:
    """Warm above 0, cool below (Ou, Luo, Woodcock & Wright 2004): −0.5 + 0.02·C*^1.07·cos(h − 50°)."""
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    return np.asarray(-0.5 + 0.02 * chroma**1.07 * np.cos(np.radians(hue - 50)))


def simulate_cvd(rgb: Floats, kind: CvdKind) -> Floats:
    """sRGB as a dichromat sees it, 0..1.

    Protan, deutan: Machado, Oliveira & Fernandes 2009, severity 1; tritan: Brettel, Viénot & Mollon 1997.
    """
    linear = srgb_to_linear(rgb)
    if kind == "tritan":
        first, second = (_times(linear, plane) for plane in _BRETTEL_TRITAN)
        seen = np.where((linear @ _BRETTEL_NORMAL > 0)[..., None], second, first)
    else:
        seen = _times(linear, _MACHADO[kind])
    return linear_to_srgb(np.clip(seen, 0, 1))
