"""Fills the plans of colour schemes with catalogue colours, and scores the combinations.

A scheme determines only hues. Lightness and chroma come from the catalogue, because a hue that is rotated at constant
lightness and chroma gives muddy colours. For speed, plans with equally many slots are scored together, for all bases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, product
from typing import NamedTuple, TypeAlias

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, hue_difference_deg
from pipeline.harmony.base_scores import BaseScores, score_rows
from pipeline.harmony.catalogue import catalogue, catalogue_positions
from pipeline.harmony.schemes import FREE, NEUTRAL, TONE, Layout, Plan, plans_for
from pipeline.types import Floats, Role, Scheme

# The constants below are taste.
# A colour fits a slot when its hue is this near to the scheme's, degrees on the wheel.
HUE_TOLERANCE_DEG = 20.0
# This number of nearest hues fits where the catalogue has no colour within the tolerance.
NEAREST_HUES = 3
# A hue at the edge of the tolerance loses this share of its value; no hue loses more than 0.9.
HUE_LOSS, LEAST_HUE_VALUE = 0.15, 0.1
# Tones of one hue differ by at least this step in OKLab lightness.
TONE_STEP = 0.12
# Greys that differ by more than this step do not look like one family.
MOST_TONE_STEP = 0.45
# The number of candidates for each slot of suggestions with one, two and three slots.
WIDTHS = (8, 6, 4)
# The number of free first colours, and of colours for each slot that relates to one of them.
FREE_WIDTH, RELATED_WIDTH = 10, 2
# The most neutral candidates from one colour group.
PER_GROUP = 2
# A suggestion whose hues hardly show loses this share of its rank: a complement should be seen as one.
CLARITY = 0.1
# Neutrals lose only this part of CLARITY, just enough that camel and navy come before another grey.
NEUTRAL_CLARITY = 0.4
# Colours that are accents only lose this share of their rank, unless the intent is bold.
EASE = 0.08

# A slot's base, its kind, its role, the wheel position from which its angle counts, and the use of `Vocabulary.wear`
# that its colour must have, or "".
Slot: TypeAlias = tuple[int, int, Role, float, str]
# A filled plan: minus its rank, its colours, its score and its layout. It sorts best first.
_Ranked: TypeAlias = tuple[float, tuple[int, ...], float, Layout]


class Combination(NamedTuple):
    """A plan that is filled with catalogue colours.

    base: the index of its base. colors: catalogue indices, one a slot. score: 0 to 1. rank: the score, lowered where
    the scheme's hues hardly show; it orders the offers of one scheme.
    """

    scheme: Scheme
    base: int
    colors: tuple[int, ...]
    layout: Layout
    score: float
    rank: float


@dataclass(frozen=True, slots=True)
class _FilledPlan:
    """A plan of a base and all the ways to fill it. rows: catalogue indices, one a slot."""

    base: int
    scheme: Scheme
    plan: Plan
    layout: Layout
    rows: list[tuple[int, ...]]


def offers(scored: BaseScores, schemes: Sequence[Scheme], *, depth: int) -> list[list[Combination]]:
    """For each base, at most `depth` combinations of each scheme, best first. Catalogue order decides ties."""
    filled = _filled_plans(scored, schemes)
    ranked: dict[tuple[int, Scheme], list[_Ranked]] = {
        (base, scheme): [] for base in range(len(scored.bases)) for scheme in schemes
    }
    for slots in (1, 2, 3):
        same_length = [one for one in filled if len(one.plan) == slots]
        if same_length:
            _add_best(ranked, scored, same_length, depth=depth)
    return [
        [
            Combination(scheme, base, colors, layout, round(score, 3), -minus_rank)
            for minus_rank, colors, score, layout in _distinct(sorted(best), depth)
        ]
        for (base, scheme), best in ranked.items()
    ]


def _distinct(ranked: list[_Ranked], depth: int) -> list[_Ranked]:
    """The first `depth` with different colours, since two plans may give the same ones."""
    kept: dict[tuple[int, ...], _Ranked] = {}
    for one in ranked:
        if len(kept) == depth:
            break
        kept.setdefault(one[1], one)
    return list(kept.values())


def _filled_plans(scored: BaseScores, schemes: Sequence[Scheme]) -> list[_FilledPlan]:
    """Every plan of the schemes that the catalogue can fill, base by base."""
    plans: list[tuple[int, Scheme, Plan, Layout, list[int], list[Slot]]] = []
    for k, base in enumerate(scored.bases):
        firsts: dict[Role, list[int]] = {}
        hued = scored.anchor_positions[k] is not None
        for scheme in schemes:
            for plan, layout in plans_for(scheme, base.place, hued=hued):
                role = layout[0][0]
                if plan[0] == FREE and role not in firsts:
                    firsts[role] = _free_colors(scored, k, role)
                first = firsts[role] if plan[0] == FREE else []
                plans.append((k, scheme, plan, layout, first, _slots(scored, k, plan, layout, first)))
    wanted = dict.fromkeys(slot for *_, slots in plans for slot in slots)
    candidates = dict(zip(wanted, _candidates(scored, list(wanted)), strict=True))
    return [
        _FilledPlan(k, scheme, plan, layout, rows)
        for k, scheme, plan, layout, first, slots in plans
        if (rows := _rows(plan, first, [candidates[slot] for slot in slots]))
    ]


def _slots(scored: BaseScores, base: int, plan: Plan, layout: Layout, firsts: list[int]) -> list[Slot]:
    """The slots of a plan. A plan whose first colour is free has one set of related slots for each first colour."""
    if plan[0] != FREE:
        anchor, uses = scored.anchor_positions[base] or 0.0, (_first_use(scored, base), "", "")
        return [(base, kind, role, anchor, use) for kind, (role, _), use in zip(plan, layout, uses, strict=False)]
    related = list(zip(plan[1:], layout[1:], strict=True))
    positions = catalogue_positions(scored.wheel)
    return [(base, kind, role, float(positions[first]), "") for first in firsts for kind, (role, _) in related]


def _first_use(scored: BaseScores, base: int) -> str:
    """What the first suggested colour must be made as: with a top it is worn on the legs."""
    return "legs" if scored.bases[base].categories == ("top",) else ""


def _rows(plan: Plan, firsts: list[int], candidates: list[list[int]]) -> list[tuple[int, ...]]:
    """All the ways to fill a plan with its slots' candidates."""
    if plan[0] != FREE:
        return list(product(*[some[: WIDTHS[len(plan) - 1]] for some in candidates]))
    rows: list[tuple[int, ...]] = []
    related = len(plan) - 1
    for k, first in enumerate(firsts):
        rows += product([first], *[some[:RELATED_WIDTH] for some in candidates[k * related : (k + 1) * related]])
    return rows


# --- candidates -----------------------------------------------------------------------------------------------
def _candidates(scored: BaseScores, slots: list[Slot]) -> list[list[int]]:
    """The catalogue indices that fit each slot, the most valuable first."""
    if not slots:
        return []
    table = catalogue()
    base = np.array([k for k, *_ in slots])
    kinds = np.array([kind for _, kind, *_ in slots])[:, None]
    anchors = np.array([anchor for *_, anchor, _ in slots])[:, None]
    fit = scored.distinct[base] & np.stack([_made_for(role, use) for *_, role, _, use in slots])
    lightness = np.array([one.points.oklch[0, 0] for one in scored.bases])
    depth = np.abs(table.points.oklch[:, 0] - lightness[:, None])
    step, family = (depth >= TONE_STEP)[base], (depth <= MOST_TONE_STEP)[base]
    turn = hue_difference_deg(catalogue_positions(scored.wheel) - anchors, kinds)
    near = fit & table.hued & (turn <= HUE_TOLERANCE_DEG) & (step | (kinds != 0))
    for k in np.flatnonzero(~near.any(axis=1) & (kinds[:, 0] < 360)):
        closest = np.where(fit[k] & table.hued & (step[k] | (kinds[k] != 0)), turn[k], np.inf)
        near[k] = np.isfinite(closest) & (closest <= np.sort(closest)[NEAREST_HUES - 1])
    worth = scored.intent_scores[base]
    exact = np.maximum(LEAST_HUE_VALUE, 1 - HUE_LOSS * (turn / HUE_TOLERANCE_DEG) ** 2)
    value = np.where(near, worth * exact * (1 - CLARITY + CLARITY * table.shown), 0.0)
    plain = 1 - CLARITY * NEUTRAL_CLARITY * (1 - table.shown)
    value = np.where(kinds == NEUTRAL, (fit & table.neutral) * worth * plain, value)
    value = np.where(kinds == TONE, (fit & table.grey & step & family) * worth, value)
    owner, fitting = np.nonzero(value)
    ordered = fitting[np.lexsort((-value[owner, fitting], owner))].tolist()
    ends = np.cumsum(np.bincount(owner, minlength=len(slots))).tolist()
    found = [ordered[start:end] for start, end in pairwise([0, *ends])]
    return [
        _spread(some, PER_GROUP)[: WIDTHS[0]] if kind == NEUTRAL else some[: WIDTHS[0]]
        for some, (_, kind, *_) in zip(found, slots, strict=True)
    ]


def _made_for(role: Role, use: str) -> np.ndarray:
    """Which catalogue colours may take a role in a use."""
    table = catalogue()
    return table.allowed[role] & table.wear[use] if use else table.allowed[role]


def _free_colors(scored: BaseScores, base: int, role: Role) -> list[int]:
    """The first colours of a plan whose hue is free, best first, one of each colour group."""
    table = catalogue()
    leads = _made_for(role, _first_use(scored, base)) & table.hued
    if scored.intent != "bold":
        leads = leads & table.allowed["main"]
    worth = scored.intent_scores[base] * (1 - CLARITY + CLARITY * table.shown)
    value = np.where(scored.distinct[base] & leads, worth, 0.0)
    order = np.argsort(-value, kind="stable")[: np.count_nonzero(value > 0)].tolist()
    return _spread(order, 1)[:FREE_WIDTH]


def _spread(order: list[int], per_group: int) -> list[int]:
    """The first `per_group` of each colour group. Without this, whites would fill every list of neutrals."""
    groups = catalogue().groups
    taken: dict[str, int] = {}
    chosen = []
    for k in order:
        taken[groups[k]] = taken.get(groups[k], 0) + 1
        if taken[groups[k]] <= per_group:
            chosen.append(k)
    return chosen


# --- scores ---------------------------------------------------------------------------------------------------
def _add_best(
    ranked: dict[tuple[int, Scheme], list[_Ranked]], scored: BaseScores, filled: list[_FilledPlan], *, depth: int
) -> None:
    """Adds the best `depth` combinations of each base and scheme to `ranked`. All plans have equally many slots."""
    counts = [len(one.rows) for one in filled]
    flat = chain.from_iterable(chain.from_iterable(one.rows for one in filled))
    rows = np.fromiter(flat, np.intp).reshape(sum(counts), -1)
    owner = np.repeat(np.arange(len(filled)), counts)
    shares = np.array([[share for _, share in one.layout] for one in filled])[owner]
    scores = score_rows(scored, np.array([one.base for one in filled])[owner], rows, shares)
    factor = _rank_factor(scored, rows, np.array([_hue_slots(one.plan) for one in filled])[owner])
    ranks = np.where(_apart(rows), scores * factor, 0.0)
    groups = list(dict.fromkeys((one.base, one.scheme) for one in filled))
    group_of = np.array([groups.index((one.base, one.scheme)) for one in filled])[owner]
    order = np.lexsort((-ranks, group_of))
    bounds = np.searchsorted(group_of[order], np.arange(len(groups) + 1))
    for k, group in enumerate(groups):
        best = order[bounds[k] : bounds[k + 1]][:depth]
        best = best[ranks[best] > 0]
        layout = filled[int(owner[order[bounds[k]]])].layout
        ranked[group] += [
            (-rank, tuple(colors), score, layout)
            for rank, colors, score in zip(
                ranks[best].tolist(), rows[best].tolist(), scores[best].tolist(), strict=True
            )
        ]


def _hue_slots(plan: Plan) -> list[bool]:
    """Which slots of a plan are of a hue."""
    return [kind not in (NEUTRAL, TONE) for kind in plan]


def _rank_factor(scored: BaseScores, rows: np.ndarray, of_hue: np.ndarray) -> Floats:
    """The factor from score to rank, (r,): below 1 where the scheme's hues hardly show, or colours are hard to wear.

    of_hue: which slots are of a hue, (r, k).
    """
    table = catalogue()
    shown = table.shown[rows]
    hued = of_hue.sum(axis=1)
    of_neutrals = 1 - NEUTRAL_CLARITY * (1 - shown.mean(axis=1))
    clear = np.where(hued > 0, (shown * of_hue).sum(axis=1) / np.maximum(hued, 1), of_neutrals)
    ease = 0.0 if scored.intent == "bold" else EASE
    return np.asarray((1 - CLARITY + CLARITY * clear) * (1 - ease + ease * table.ease[rows].mean(axis=1)))


def _apart(rows: np.ndarray) -> np.ndarray:
    """Whether all colours of a row are distinct, (r,)."""
    apart = np.ones(len(rows), dtype=bool)
    for i in range(rows.shape[1]):
        for j in range(i):
            apart &= catalogue().difference[rows[:, i], rows[:, j]] >= DISTINCT_DE00
    return apart
