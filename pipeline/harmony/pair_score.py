"""How well two colours wear together: four parts and one score, vectorised; numpy only.

A starting point argued from what people wear (moderate matching, no near misses, calm or clear contrast), not a law of
harmony: the parts are reported beside every score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000, hue_difference_deg
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.palette.swatches import BLACK_LIGHTNESS, is_earth, is_muted_blue
from pipeline.parts import Components
from pipeline.types import Floats, Intent

# (hue difference, width, quality) of the relations that wear well, degrees of OKLCH
HUE_RELATIONS = ((0.0, 10.0, 1.0), (30.0, 14.0, 0.95), (120.0, 14.0, 0.75), (150.0, 14.0, 0.85), (180.0, 16.0, 0.85))
WORST_HUE = 0.35
CALM_FACTOR = 0.35  # how much of their chroma earth, navy and near-black show
NEAR_MISS_CHROMA = (0.012, 0.03)  # two greys, two blacks or two whites are no near miss: hardly anyone tells them apart

# Exponents of the four parts, then of presence and of calm (how vivid what is added is, see `mood`).
WEIGHTS: dict[Intent, tuple[float, ...]] = {
    "subtle": (0.30, 0.10, 0.25, 0.15, 0.0, 0.45),
    "balanced": (0.35, 0.20, 0.25, 0.20, 0.0, 0.0),
    "bold": (0.20, 0.25, 0.20, 0.05, 0.60, 0.0),
}


@dataclass(frozen=True, slots=True)
class Points:
    """n colours ready for scoring. oklch, lab (D65): (n, 3). vivid: (n,) 0..1, how much hue each one shows."""

    oklch: Floats
    lab: Floats
    vivid: Floats


def points_from_hexes(hexes: Sequence[str]) -> Points:
    """`#rrggbb` colours as points."""
    digits = "".join(code[1:] for code in hexes)
    rgb = np.frombuffer(bytes.fromhex(digits), dtype=np.uint8).reshape(-1, 3) / 255
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    return Points(oklch, srgb_to_lab_d65(rgb), vividness(oklch))


def take(points: Points, index: np.ndarray) -> Points:
    """Some of the points, by index."""
    return Points(points.oklch[index], points.lab[index], points.vivid[index])


def join(first: Points, second: Points) -> Points:
    """Two rows of points as one."""
    return Points(
        np.concatenate([first.oklch, second.oklch]),
        np.concatenate([first.lab, second.lab]),
        np.concatenate([first.vivid, second.vivid]),
    )


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def vividness(oklch: Floats) -> Floats:
    """How much hue colours (..., 3) show, 0..1: greys none, earth, navy and near-black little."""
    lightness, chroma = oklch[..., 0], oklch[..., 1]
    # Unlike a neutral, a calm blue may be light: sky blue is no neutral, but it is calm.
    calm = is_earth(oklch) | is_muted_blue(oklch) | (lightness < BLACK_LIGHTNESS)
    return smoothstep(chroma, 0.025, 0.10) * np.where(calm, CALM_FACTOR, 1.0)


def pair_parts(first: Points, second: Points, *, difference: Floats | None = None) -> Floats:
    """Hue, lightness, separation and vividness of every pair, each 0..1: (4, n, m), symmetric.

    difference: the pairs' ΔE00 (n, m), when already known.
    """
    one, two = first.oklch[:, None, :], second.oklch[None, :, :]
    shown = np.sqrt(first.vivid[:, None] * second.vivid[None, :])
    turn = hue_difference_deg(one[..., 2], two[..., 2])
    relation = np.full(turn.shape, WORST_HUE)
    for angle_deg, width_deg, quality in HUE_RELATIONS:
        np.maximum(relation, quality * np.exp(-((turn - angle_deg) ** 2) / (2 * width_deg**2)), out=relation)
    if difference is None:
        difference = delta_e_2000(first.lab[:, None, :], second.lab[None, :, :])
    parts = np.empty((4, *turn.shape))
    parts[0] = 1 - shown * (1 - relation)
    parts[1] = 0.3 + 0.7 * np.minimum(1.0, np.abs(one[..., 0] - two[..., 0]) / 0.30)
    colored = smoothstep(np.maximum(one[..., 1], two[..., 1]), *NEAR_MISS_CHROMA)
    parts[2] = 1 - 0.75 * colored * np.exp(-(((difference - 6) / 5) ** 2))  # alike but not equal looks like a mistake
    parts[3] = 1 - 0.7 * np.clip((one[..., 1] + two[..., 1] - 0.24) / 0.20, 0.0, 1.0)
    return parts


def pair_score(parts: Floats, intent: Intent = "balanced") -> Floats:
    """The parts' weighted geometric mean, 0..1. parts: (4, ...); gives (...). The intent only chooses the weights."""
    weights = np.array(WEIGHTS[intent][:4])
    return np.exp(np.tensordot(weights / weights.sum(), np.log(parts), axes=1))


def intent_score(score: Floats, presence: Floats, intent: Intent) -> Floats:
    """A score bent towards the intent: bold rewards vivid colours, subtle calm ones, balanced neither.

    presence: 0..1, how vivid what is added is (the mean of `chroma_presence`, by share).
    """
    four, bold, calm = sum(WEIGHTS[intent][:4]), WEIGHTS[intent][4], WEIGHTS[intent][5]
    total = four + bold + calm
    return np.asarray(
        score ** (four / total) * (0.25 + 0.75 * presence) ** (bold / total) * (1 - 0.75 * presence) ** (calm / total)
    )


def chroma_presence(oklch: Floats) -> Floats:
    """How loud a colour is, 0..1, from its OKLCH chroma."""
    return smoothstep(oklch[..., 1], 0.02, 0.16)


def components_from_parts(parts: Floats) -> Components:
    """Four numbers as the answer gives them."""
    hue, lightness, separation, vivid = (round(float(part), 3) for part in parts)
    return Components(hue, lightness, separation, vivid)
