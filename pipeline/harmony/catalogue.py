"""The catalogue of colours that advice can suggest, with the scores of all their pairs computed once."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.color.neutral import GREY_CHROMA, is_neutral
from pipeline.color.sight import CvdKind, simulate_cvd
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import suggested_words
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.pair_score import Points, chroma_presence, pair_parts, pair_score, smoothstep, vividness
from pipeline.types import Floats, Intent, Role, Wheel

# The constants below are taste. Chroma and lightness are OKLCH's.
# A darker colour reads as black and shows no hue, unless it is at least this colourful.
DARK_LIGHTNESS, DARK_CHROMA = 0.2, 0.06
# A suggested colour with less chroma or lightness would not show the scheme that it stands for.
SCHEME_CHROMA, SCHEME_LIGHTNESS = 0.038, 0.24
# A suggested colour does not show its hue below the first chroma, and shows it clearly above the second.
SHOWN_CHROMA = (0.03, 0.08)
# Only colours of these groups of the vocabulary are neutrals: a calm peach is none.
NEUTRAL_GROUPS = {"whites", "greys", "blacks", "beiges", "browns", "blues"}
GREY_GROUPS = {"whites", "greys", "blacks"}
GARMENT_COLORS_FILE = Path(__file__).parent / "garment_colors.csv"
ROLES: tuple[Role, ...] = get_args(Role)
CVD_KINDS: tuple[CvdKind, ...] = ("protan", "deutan", "tritan")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The n suggested colours of the fashion vocabulary, in its order.

    Every array has one entry a colour unless it says more.

    rgb: 0 to 1. presence: how loud, 0 to 1. neutral: whether the colour goes with anything. grey: whether it is grey,
    black or white. hued: whether its hue can carry a scheme. shown: how clearly it shows its hue, 0 to 1. ease: 1 for a
    colour of large areas, 0.5 for one of smaller areas, 0 for one that is an accent only. allowed: per role, whether
    the colour may take it. wear: per use of `Vocabulary.wear`, whether the colour has it. parts: the parts of all pair
    scores, (4, n, n). difference: ΔE00 of all pairs, (n, n).
    """

    names: tuple[str, ...]
    hexes: tuple[str, ...]
    groups: tuple[str, ...]
    points: Points
    rgb: Floats
    presence: Floats
    neutral: np.ndarray
    grey: np.ndarray
    hued: np.ndarray
    shown: Floats
    ease: Floats
    allowed: dict[Role, np.ndarray]
    wear: dict[str, np.ndarray]
    parts: Floats
    difference: Floats


@cache
def catalogue() -> Catalogue:
    """The catalogue. The first call builds it."""
    words = suggested_words()
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
        grey=(words.oklch[:, 1] < GREY_CHROMA) & np.array([group in GREY_GROUPS for group in words.groups]),
        hued=shows_hue(words.oklch) & (words.oklch[:, 1] >= SCHEME_CHROMA) & (words.oklch[:, 0] >= SCHEME_LIGHTNESS),
        shown=smoothstep(words.oklch[:, 1], *SHOWN_CHROMA),
        ease=np.array([1.0 if "main" in roles else 0.5 if "secondary" in roles else 0.0 for roles in words.roles]),
        wear={use: np.array([use in uses for uses in words.wear]) for use in ("legs", "jeans", "leather")},
        allowed={role: np.array([role in roles for roles in words.roles]) for role in ROLES},
        parts=pair_parts(points, points, difference=difference),
        difference=difference,
    )


def shows_hue(oklch: Floats) -> np.ndarray:
    """Whether OKLCH colours (..., 3) show a hue: they are not near grey, nor so dark that they read as black."""
    lightness, chroma = oklch[..., 0], oklch[..., 1]
    return np.asarray((chroma >= GREY_CHROMA) & ((lightness >= DARK_LIGHTNESS) | (chroma >= DARK_CHROMA)))


@cache
def catalogue_scores(intent: Intent) -> Floats:
    """The scores of all pairs of the catalogue, (n, n)."""
    return pair_score(catalogue().parts, intent)


@cache
def catalogue_positions(wheel: Wheel) -> Floats:
    """The positions of the catalogue's hues on a wheel, (n,), degrees."""
    return wheel_positions(catalogue().points.oklch[:, 2], wheel)


@cache
def catalogue_cvd_lab() -> Floats:
    """The catalogue's Lab colours as protans, deutans and tritans see them, (3, n, 3)."""
    return cvd_lab(catalogue().rgb)


def cvd_lab(rgb: Floats) -> Floats:
    """The Lab colours, (3, n, 3), that protans, deutans and tritans see for sRGB colours (n, 3), 0 to 1."""
    return srgb_to_lab_d65(np.stack([simulate_cvd(rgb, kind) for kind in CVD_KINDS]))


@cache
def garment_counts() -> Floats:
    """How many garments have each colour of the catalogue as their main colour, (n,).

    `python -m tests.bench.garment_colors` counts them in photos.
    """
    with GARMENT_COLORS_FILE.open(newline="") as file:
        counts = {row["name"]: float(row["garments"]) for row in csv.DictReader(file)}
    return np.array([counts[name] for name in catalogue().names])


@cache
def commonness() -> Floats:
    """How common each colour of the catalogue is among garments, 0 to 1, (n,), on a logarithmic scale."""
    count = np.log1p(garment_counts())
    return np.asarray(count / count.max())


def familiarity(lab: Floats) -> Floats:
    """How common Lab colours (n, 3) are among garments, 0 to 1, (n,): as the nearest colour of the catalogue."""
    points = catalogue().points.lab
    nearest = np.argmin((points * points).sum(axis=1) / 2 - lab @ points.T, axis=1)
    return np.asarray(commonness()[nearest])
