"""Scores how well two colours wear together: four parts and their weighted mean, for arrays of colours.

The score is a rule of thumb from what people wear (moderate matching, no near misses, calm or clear contrast), not a
law of harmony. Every answer therefore reports the parts beside the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000, hue_difference_deg
from pipeline.color.neutral import BLACK_LIGHTNESS, is_earth, is_muted_blue
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.parts import Components
from pipeline.types import Floats, Intent

# Every constant below is taste. `make bench-harmony` compares the score with printed colour combinations and with
# street photos. Weights that were fitted there were not clearly better, so these stay (docs/colour.md).
# The hue relations that wear well: hue difference and width in degrees of OKLCH, and quality, 0 to 1.
HUE_RELATIONS = ((0.0, 10.0, 1.0), (30.0, 14.0, 0.95), (120.0, 14.0, 0.75), (150.0, 14.0, 0.85), (180.0, 16.0, 0.85))
# The quality of any other relation.
WORST_HUE = 0.35
# A colour shows no hue below the first OKLCH chroma, and all of it above the second.
VIVID_CHROMA = (0.025, 0.10)
# A colour is calm below this OKLCH chroma, and strong from there on.
CALM_CHROMA = VIVID_CHROMA[1]
# Earth colours, navy and near-black show this share of their hue.
CALM_FACTOR = 0.35
# The lightness part: its value at equal lightness, and the OKLab step from which it is 1.
SAME_LIGHTNESS, CLEAR_STEP = 0.3, 0.30
# Colours that are alike but not equal look like a mistake: the worst ΔE00, the width around it, and the part's loss.
NEAR_MISS = (6, 5, 0.75)
# A near miss needs chroma: two greys, two blacks or two whites are none, because hardly anyone tells them apart.
NEAR_MISS_CHROMA = (0.012, 0.03)
# Two vivid colours tire the eye: the sum of chromas from which the part falls, the range over which, and its loss.
LOUD_PAIR = (0.24, 0.20, 0.7)
# A colour is not loud below the first OKLCH chroma, and fully loud above the second.
PRESENCE_CHROMA = (0.02, 0.16)
# The share of the intent's factor that depends on how loud the added colours are.
PRESENCE_SHARE = 0.75
# What a colour that hardly any garment has loses of its score.
RARITY: dict[Intent, float] = {"subtle": 0.10, "balanced": 0.10, "bold": 0.04}
# Exponents of hue, lightness, separation, vividness, and of the two intent factors: loud colours, then calm ones.
WEIGHTS: dict[Intent, tuple[float, ...]] = {
    "subtle": (0.30, 0.10, 0.25, 0.15, 0.0, 0.45),
    "balanced": (0.35, 0.20, 0.25, 0.20, 0.0, 0.0),
    "bold": (0.20, 0.25, 0.20, 0.05, 0.60, 0.0),
}


@dataclass(frozen=True, slots=True)
class Points:
    """n colours, ready for scoring. oklch, lab (D65): (n, 3). vivid: (n,), how much hue each colour shows, 0 to 1."""

    oklch: Floats
    lab: Floats
    vivid: Floats


def points_from_hexes(hexes: Sequence[str]) -> Points:
    """Points of `#rrggbb` colours."""
    digits = "".join(code[1:] for code in hexes)
    rgb = np.frombuffer(bytes.fromhex(digits), dtype=np.uint8).reshape(-1, 3) / 255
    oklch = oklab_to_oklch(srgb_to_oklab(rgb))
    return Points(oklch, srgb_to_lab_d65(rgb), vividness(oklch))


def take(points: Points, index: np.ndarray) -> Points:
    """The points at these indices."""
    return Points(points.oklch[index], points.lab[index], points.vivid[index])


def join(first: Points, second: Points) -> Points:
    """The points of both, one after the other."""
    return Points(
        np.concatenate([first.oklch, second.oklch]),
        np.concatenate([first.lab, second.lab]),
        np.concatenate([first.vivid, second.vivid]),
    )


def smoothstep(x: Floats, low: float, high: float) -> Floats:
    """Hermite interpolation: 0 below `low`, 1 above `high`, smooth between them."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def vividness(oklch: Floats) -> Floats:
    """How much hue OKLCH colours (..., 3) show, 0 to 1: greys show none; earth, navy and near-black show little."""
    lightness, chroma = oklch[..., 0], oklch[..., 1]
    # A calm blue may be light, unlike a neutral one: sky blue is calm, but it is no neutral.
    calm = is_earth(oklch) | is_muted_blue(oklch) | (lightness < BLACK_LIGHTNESS)
    return smoothstep(chroma, *VIVID_CHROMA) * np.where(calm, CALM_FACTOR, 1.0)


def pair_parts(first: Points, second: Points, *, difference: Floats | None = None) -> Floats:
    """The parts hue, lightness, separation and vividness of every pair, each 0 to 1, shape (4, n, m); symmetric.

    difference: the pairs' ΔE00, (n, m), where it is known already.
    """
    miss_de00, miss_width, miss_loss = NEAR_MISS
    loud_chroma, loud_range, loud_loss = LOUD_PAIR
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
    parts[1] = SAME_LIGHTNESS + (1 - SAME_LIGHTNESS) * np.minimum(1.0, np.abs(one[..., 0] - two[..., 0]) / CLEAR_STEP)
    colored = smoothstep(np.maximum(one[..., 1], two[..., 1]), *NEAR_MISS_CHROMA)
    parts[2] = 1 - miss_loss * colored * np.exp(-(((difference - miss_de00) / miss_width) ** 2))
    parts[3] = 1 - loud_loss * np.clip((one[..., 1] + two[..., 1] - loud_chroma) / loud_range, 0.0, 1.0)
    return parts


def pair_score(parts: Floats, intent: Intent = "balanced") -> Floats:
    """The weighted geometric mean of the parts (4, ...), 0 to 1, shape (...). The intent chooses the weights."""
    weights = np.array(WEIGHTS[intent][:4])
    return np.exp(np.tensordot(weights / weights.sum(), np.log(parts), axes=1))


def intent_score(score: Floats, presence: Floats, familiar: Floats, intent: Intent) -> Floats:
    """The score, adjusted to the intent: bold rewards loud added colours, subtle rewards calm ones, balanced neither.

    presence: how loud the added colours are, 0 to 1: the mean of their `chroma_presence` by share. familiar: how common
    they are among garments, 0 to 1. Rare colours score lower, except where the intent is bold.
    """
    four, bold, calm = sum(WEIGHTS[intent][:4]), WEIGHTS[intent][4], WEIGHTS[intent][5]
    total = four + bold + calm
    loud_factor = (1 - PRESENCE_SHARE + PRESENCE_SHARE * presence) ** (bold / total)
    calm_factor = (1 - PRESENCE_SHARE * presence) ** (calm / total)
    known = 1 - RARITY[intent] + RARITY[intent] * familiar
    return np.asarray(score ** (four / total) * loud_factor * calm_factor * known)


def chroma_presence(oklch: Floats) -> Floats:
    """How loud OKLCH colours (..., 3) are, 0 to 1, by their chroma."""
    return smoothstep(oklch[..., 1], *PRESENCE_CHROMA)


def components_from_parts(parts: Floats) -> Components:
    """The four parts, rounded as in the answer."""
    hue, lightness, separation, vivid = (round(float(part), 3) for part in parts)
    return Components(hue, lightness, separation, vivid)
