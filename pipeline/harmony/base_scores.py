"""Scores one base against the colour catalogue, and scores suggestions for it."""

from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000, hue_difference_deg
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.bases import Base
from pipeline.harmony.catalogue import catalogue, catalogue_scores, commonness
from pipeline.harmony.pair_score import Points, intent_score, pair_parts, pair_score
from pipeline.types import Floats, Intent, Wheel

# The constants below are taste.
# A colour shows its hue from this vividness and this share on.
SHOWN_VIVID, SHOWN_SHARE = 0.5, 0.06
# Hues that differ by at most this count as one hue, OKLCH.
NEW_HUE_DEG = 30.0
# The most hues of an outfit without a penalty, and the penalty for each further hue.
MAX_HUES = 3
HUE_EXCESS_PENALTY = 0.06


@dataclass(frozen=True, slots=True)
class BaseScores:
    """The scores of a base of m colours with the n colours of the catalogue.

    difference: ΔE00, (m, n). mean_parts, (4, n), and scores, (n,): means over the base's colours by weight.
    intent_scores: the scores, adjusted to the intent, (n,). distinct: the colour differs from the base's main colour,
    (n,). new_hue: the colour shows a hue that the base does not show, (n,). base_hues: how many hues the base shows.
    anchor_position: the base's hue on the wheel, degrees; None when the base shows no hue.
    """

    base: Base
    intent: Intent
    wheel: Wheel
    difference: Floats
    mean_parts: Floats
    scores: Floats
    intent_scores: Floats
    distinct: np.ndarray
    new_hue: np.ndarray
    base_hues: int
    anchor_position: float | None


def score_base(base: Base, intent: Intent, wheel: Wheel) -> BaseScores:
    """The scores of a base with every colour of the catalogue."""
    table = catalogue()
    difference = delta_e_2000(base.points.lab[:, None], table.points.lab[None])
    parts = pair_parts(base.points, table.points, difference=difference)
    scores = base.weights @ pair_score(parts, intent)
    hues = shown_hues(base.points, base.weights)
    new_hue = table.points.vivid >= SHOWN_VIVID
    if hues:
        turn = hue_difference_deg(table.points.oklch[:, None, 2], np.array(hues))
        new_hue = new_hue & (turn.min(axis=1) > NEW_HUE_DEG)
    anchor = None if base.anchor is None else base.points.oklch[base.anchor, 2]
    return BaseScores(
        base=base,
        intent=intent,
        wheel=wheel,
        difference=difference,
        mean_parts=base.weights @ parts,
        scores=scores,
        intent_scores=intent_score(scores, table.presence, commonness(), intent),
        distinct=difference[0] >= DISTINCT_DE00,
        new_hue=new_hue,
        base_hues=len(hues),
        anchor_position=None if anchor is None else float(wheel_positions(anchor, wheel)),
    )


def shown_hues(points: Points, shares: Floats, *, least_share: float = SHOWN_SHARE) -> list[float]:
    """The hues that colours show, OKLCH degrees, each more than NEW_HUE_DEG away from those before it.

    shares: (n,), of the outfit. A colour below `least_share` shows no hue.
    """
    hues: list[float] = []
    shown = (points.vivid >= SHOWN_VIVID) & (shares >= least_share)
    for hue in points.oklch[shown, 2].tolist():
        if all(hue_difference_deg(hue, other) > NEW_HUE_DEG for other in hues):
            hues.append(hue)
    return hues


def score_rows(scored: BaseScores, rows: np.ndarray, shares: Floats) -> Floats:
    """The scores, (r,), of suggestions: the area-weighted mean over all pairs, with a penalty for more than three hues.

    rows: catalogue indices, (r, k). shares: of the whole outfit, (r, k). Pairs within the base do not count, because
    they are worn already. The result is adjusted to the intent.
    """
    table, pair = catalogue(), catalogue_scores(scored.intent)
    added = shares.sum(axis=1)
    total = (1 - added) * (scored.scores[rows] * shares).sum(axis=1)
    weight = (1 - added) * added
    for i in range(rows.shape[1]):
        for j in range(i):
            both = shares[:, i] * shares[:, j]
            total = total + both * pair[rows[:, i], rows[:, j]]
            weight = weight + both
    excess = np.maximum(0, scored.base_hues + _fresh_hues(scored, rows) - MAX_HUES)
    presence = (table.presence[rows] * shares).sum(axis=1) / added
    familiar = (commonness()[rows] * shares).sum(axis=1) / added
    plain = np.maximum(0.0, total / weight - HUE_EXCESS_PENALTY * excess)
    return intent_score(plain, presence, familiar, scored.intent)


def _fresh_hues(scored: BaseScores, rows: np.ndarray) -> np.ndarray:
    """How many hues the rows add to those of the base, (r,). Two colours of one hue add one.

    It applies the rule of `shown_hues` to many rows at once. Suggested colours have no least share: even the smallest
    is an accent that is meant to be seen.
    """
    fresh = scored.new_hue[rows]
    hue = catalogue().points.oklch[rows, 2]
    count: np.ndarray = fresh[:, 0].astype(int)
    for i in range(1, rows.shape[1]):
        same = (hue_difference_deg(hue[:, i : i + 1], hue[:, :i]) <= NEW_HUE_DEG) & fresh[:, :i]
        count += fresh[:, i] & ~same.any(axis=1)
    return np.asarray(count)
