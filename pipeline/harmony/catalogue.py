"""The wearable colours that advice draws on, with everything about their pairs worked out once; numpy only."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.color.sight import CvdKind, simulate_cvd
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import vocabulary
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.pair_score import Points, chroma_presence, pair_parts, pair_score, smoothstep, vividness
from pipeline.palette.swatches import is_neutral
from pipeline.types import Floats, Intent, Role, Wheel

ACHROMATIC_CHROMA = 0.03  # OKLCH; below it a hue means nothing to an eye
CARRIES_CHROMA = 0.038  # below it a suggested colour would not show the scheme that it stands for
ROLES: tuple[Role, ...] = ("main", "secondary", "accent")
NEUTRAL_GROUPS = {"whites", "greys", "blacks", "beiges", "browns", "blues"}  # a calm peach is still no neutral
CVD_KINDS: tuple[CvdKind, ...] = ("protan", "deutan", "tritan")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The n colours of the fashion vocabulary, in its order.

    points, rgb (0..1), presence: per colour. neutral: goes with anything. hued: its hue can carry a scheme; shown: how
    clearly, 0..1. ease: 1 where it is worn in large areas, 0.5 in smaller ones, 0 where only as an accent.
    allowed[role]: (n,) may be worn so. parts: (4, n, n). difference: (n, n) ΔE00.
    """

    names: tuple[str, ...]
    hexes: tuple[str, ...]
    groups: tuple[str, ...]
    points: Points
    rgb: Floats
    presence: Floats
    neutral: np.ndarray
    hued: np.ndarray
    shown: Floats
    ease: Floats
    allowed: dict[Role, np.ndarray]
    parts: Floats
    difference: Floats


@cache
def catalogue() -> Catalogue:
    """The catalogue, built at the first call."""
    words = vocabulary("fashion")
    points = Points(words.oklch, words.lab, vividness(words.oklch))
    difference = delta_e_2000(words.lab[:, None], words.lab[None])
    return Catalogue(
        names=words.names,
        hexes=words.hexes,
        groups=words.groups,
        points=points,
        rgb=words.rgb,
        presence=chroma_presence(words.oklch),
        neutral=is_neutral(words.oklch) & np.array([group in NEUTRAL_GROUPS for group in words.groups]),
        hued=shows_hue(words.oklch) & (words.oklch[:, 1] >= CARRIES_CHROMA) & (words.oklch[:, 0] >= 0.24),
        shown=smoothstep(words.oklch[:, 1], 0.03, 0.08),
        ease=np.array([1.0 if "main" in roles else 0.5 if "secondary" in roles else 0.0 for roles in words.roles]),
        allowed={role: np.array([role in roles for roles in words.roles]) for role in ROLES},
        parts=pair_parts(points, points, difference=difference),
        difference=difference,
    )


def shows_hue(oklch: Floats) -> np.ndarray:
    """Whether a hue can be told: not near-grey, and not so dark that it reads as black. (..., 3) gives (...)."""
    lightness, chroma = oklch[..., 0], oklch[..., 1]
    return np.asarray((chroma >= ACHROMATIC_CHROMA) & ((lightness >= 0.2) | (chroma >= 0.06)))


@cache
def catalogue_scores(intent: Intent) -> Floats:
    """Pair scores of the catalogue with itself, (n, n)."""
    return pair_score(catalogue().parts, intent)


@cache
def catalogue_positions(wheel: Wheel) -> Floats:
    """Where the catalogue's hues lie on a wheel, (n,) degrees."""
    return wheel_positions(catalogue().points.oklch[:, 2], wheel)


@cache
def catalogue_cvd_lab() -> Floats:
    """The catalogue as protans, deutans and tritans see it: Lab, (3, n, 3)."""
    return cvd_lab(catalogue().rgb)


def cvd_lab(rgb: Floats) -> Floats:
    """sRGB (n, 3) as the three kinds of colour-blind eye see it: Lab, (3, n, 3)."""
    return srgb_to_lab_d65(np.stack([simulate_cvd(rgb, kind) for kind in CVD_KINDS]))


@cache
def catalogue_index() -> dict[str, int]:
    """Name to index."""
    return {name: k for k, name in enumerate(catalogue().names)}
