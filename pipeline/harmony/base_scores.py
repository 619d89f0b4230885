"""Scores bases against the colour catalogue, and scores suggestions for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000, hue_difference_deg
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.bases import Base
from pipeline.harmony.catalogue import catalogue, catalogue_scores, commonness
from pipeline.harmony.pair_score import Points, intent_score, join, pair_parts, pair_score
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
    """The scores of b bases with the n colours of the catalogue. For speed, all bases are scored at once.

    difference: for each base, the ΔE00 of its m colours, (m, n). mean_parts, (b, 4, n), and scores, (b, n): means over
    a base's colours by weight. intent_scores: the scores, adjusted to the intent, (b, n). distinct: the colour differs
    from those colours of the base that none may repeat, (b, n). new_hue: the colour shows a hue that the base does not
    show, (b, n). base_hues: how many hues a base shows, (b,). anchor_positions: the bases' hues on the wheel, degrees;
    None where a base shows no hue.
    """

    bases: tuple[Base, ...]
    intent: Intent
    wheel: Wheel
    difference: tuple[Floats, ...]
    mean_parts: Floats
    scores: Floats
    intent_scores: Floats
    distinct: np.ndarray
    new_hue: np.ndarray
    base_hues: np.ndarray
    anchor_positions: tuple[float | None, ...]


def score_bases(bases: Sequence[Base], intent: Intent, wheel: Wheel) -> BaseScores:
    """The scores of at least one base with every colour of the catalogue."""
    table, points = catalogue(), reduce(join, (base.points for base in bases))
    difference = delta_e_2000(points.lab[:, None], table.points.lab[None])
    parts = pair_parts(points, table.points, difference=difference)
    pairs = pair_score(parts, intent)
    ends = np.cumsum([len(base.weights) for base in bases]).tolist()
    spans = [slice(end - len(base.weights), end) for base, end in zip(bases, ends, strict=True)]
    scores = np.stack([base.weights @ pairs[span] for base, span in zip(bases, spans, strict=True)])
    hues = [shown_hues(base.points, base.weights) for base in bases]
    return BaseScores(
        bases=tuple(bases),
        intent=intent,
        wheel=wheel,
        difference=tuple(difference[span] for span in spans),
        mean_parts=np.stack([base.weights @ parts[:, span] for base, span in zip(bases, spans, strict=True)]),
        scores=scores,
        intent_scores=intent_score(scores, table.presence, commonness(), intent),
        distinct=np.stack([difference[span][: base.apart].min(axis=0) for base, span in zip(bases, spans, strict=True)])
        >= DISTINCT_DE00,
        new_hue=np.stack([_new_hue(one) for one in hues]),
        base_hues=np.array([len(one) for one in hues]),
        anchor_positions=tuple(_anchor_position(base, wheel) for base in bases),
    )


def _new_hue(hues: list[float]) -> np.ndarray:
    """Which colours of the catalogue show another hue than these, (n,)."""
    points = catalogue().points
    shown = points.vivid >= SHOWN_VIVID
    if not hues:
        return shown
    turn = hue_difference_deg(points.oklch[:, None, 2], np.array(hues))
    return np.asarray(shown & (turn.min(axis=1) > NEW_HUE_DEG))


def _anchor_position(base: Base, wheel: Wheel) -> float | None:
    return None if base.anchor is None else float(wheel_positions(base.points.oklch[base.anchor, 2], wheel))


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


def score_rows(scored: BaseScores, base: np.ndarray, rows: np.ndarray, shares: Floats) -> Floats:
    """The scores, (r,), of suggestions: the area-weighted mean over all pairs, with a penalty for more than three hues.

    base: the index of each row's base, (r,). rows: catalogue indices, (r, k). shares: of the whole outfit, (r, k).
    Pairs within the base do not count, because they are worn already. The result is adjusted to the intent.
    """
    table, pair = catalogue(), catalogue_scores(scored.intent)
    added = shares.sum(axis=1)
    total = (1 - added) * (scored.scores[base[:, None], rows] * shares).sum(axis=1)
    weight = (1 - added) * added
    for i in range(rows.shape[1]):
        for j in range(i):
            both = shares[:, i] * shares[:, j]
            total = total + both * pair[rows[:, i], rows[:, j]]
            weight = weight + both
    excess = np.maximum(0, scored.base_hues[base] + _fresh_hues(scored.new_hue[base[:, None], rows], rows) - MAX_HUES)
    presence = (table.presence[rows] * shares).sum(axis=1) / added
    familiar = (commonness()[rows] * shares).sum(axis=1) / added
    plain = np.maximum(0.0, total / weight - HUE_EXCESS_PENALTY * excess)
    return intent_score(plain, presence, familiar, scored.intent)


def _fresh_hues(fresh: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How many hues the rows add to those of their bases, (r,). Two colours of one hue add one.

    fresh: whether a colour's hue is new to the row's base, (r, k). This applies the rule of `shown_hues` to many rows
    at once. Suggested colours have no least share: even the smallest is an accent that is meant to be seen.
    """
    hue = catalogue().points.oklch[rows, 2]
    count: np.ndarray = fresh[:, 0].astype(int)
    for i in range(1, rows.shape[1]):
        same = (hue_difference_deg(hue[:, i : i + 1], hue[:, :i]) <= NEW_HUE_DEG) & fresh[:, :i]
        count += fresh[:, i] & ~same.any(axis=1)
    return np.asarray(count)
