"""One base against the whole catalogue of wearable colours, and the score of suggestions for it; numpy only."""

from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000, hue_difference_deg
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.bases import Base
from pipeline.harmony.catalogue import catalogue, catalogue_scores
from pipeline.harmony.pair_score import Points, intent_score, pair_parts, pair_score
from pipeline.types import Floats, Intent, Wheel

SHOWN_VIVID, SHOWN_SHARE = 0.5, 0.06  # from here on a colour counts as one of an outfit's hues
NEW_HUE_DEG = 30.0
MAX_HUES = 3
HUE_EXCESS_PENALTY = 0.06


@dataclass(frozen=True, slots=True)
class BaseScores:
    """What the schemes look up for one base, m base colours by n of the catalogue.

    difference: (m, n) ΔE00. mean_parts: (4, n) and scores: (n,), means over the base's colours by weight. worth: (n,)
    the scores in the intent's mood. free: (n,) not the base's own colour. new_hue: (n,) a hue the base does not show.
    anchor_position: degrees on the wheel, None where the base's hue cannot be told.
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
    """Scores a base against the catalogue."""
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
        intent_scores=intent_score(scores, table.presence, intent),
        distinct=difference[0] >= DISTINCT_DE00,
        new_hue=new_hue,
        base_hues=len(hues),
        anchor_position=None if anchor is None else float(wheel_positions(anchor, wheel)),
    )


def shown_hues(points: Points, shares: Floats, *, least_share: float = SHOWN_SHARE) -> list[float]:
    """The chromatic hues that colours show, degrees, each more than NEW_HUE_DEG from those before it.

    shares: (n,) of the whole. Colours below `least_share` show no hue.
    """
    hues: list[float] = []
    shown = (points.vivid >= SHOWN_VIVID) & (shares >= least_share)
    for hue in points.oklch[shown, 2].tolist():
        if all(hue_difference_deg(hue, other) > NEW_HUE_DEG for other in hues):
            hues.append(hue)
    return hues


def score_rows(scored: BaseScores, rows: np.ndarray, shares: Floats) -> Floats:
    """Area-weighted mean over all pairs of base and suggested colours, less a penalty above three hues, in the mood.

    rows: (r, k) catalogue indices. shares: (r, k) of the whole outfit. Gives (r,). The pairs within the base are left
    out: they are worn already.
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
    return intent_score(np.maximum(0.0, total / weight - HUE_EXCESS_PENALTY * excess), presence, scored.intent)


def _fresh_hues(scored: BaseScores, rows: np.ndarray) -> np.ndarray:
    """How many hues the rows add to the base's, (r,); two colours of one hue add one."""
    fresh = scored.new_hue[rows]
    hue = catalogue().points.oklch[rows, 2]
    count: np.ndarray = fresh[:, 0].astype(int)
    for i in range(1, rows.shape[1]):
        same = (hue_difference_deg(hue[:, i : i + 1], hue[:, :i]) <= NEW_HUE_DEG) & fresh[:, :i]
        count += fresh[:, i] & ~same.any(axis=1)
    return np.asarray(count)
