"""Colour schemes: which wearable colours a scheme offers for a base, as scored combinations; numpy only.

Only the hue comes from the scheme; lightness and chroma come from the catalogue, because a hue turned at constant
lightness and chroma gives mud. All plans of all schemes are filled and scored together, by number of slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, hue_difference_deg
from pipeline.harmony.base_scores import BaseScores, score_rows
from pipeline.harmony.catalogue import catalogue, catalogue_positions
from pipeline.harmony.plans import FREE, NEUTRAL, TONE, Layout, Plan, plans_for
from pipeline.types import Floats, Role, Scheme

HUE_TOLERANCE_DEG = 20.0
NEAREST_HUES = 3  # where the catalogue has nothing within the tolerance
TONE_STEP = 0.12  # OKLab lightness between tones of one hue
WIDTHS = (8, 6, 4)  # candidates per slot, of suggestions with one, two and three slots
FREE_WIDTH, RELATED_WIDTH = 10, 2  # free first colours, and colours that stand in a relation to each of them
PER_GROUP = 2
CLARITY = 0.1  # what a suggestion whose hues hardly show loses in rank: a complement should be seen as one
NEUTRAL_CLARITY = 0.4  # among neutrals, camel and navy come a little before another grey
EASE = 0.08  # what colours worn as accents only lose in rank, where the intent is not bold

Slot: TypeAlias = tuple[int, Role, float]  # kind, role, the wheel position that angles count from
_Found: TypeAlias = tuple[float, tuple[int, ...], float, Layout]  # minus rank, colours, score


@dataclass(frozen=True, slots=True)
class Combination:
    """Catalogue indices filling a plan's slots, with its score 0..1.

    rank: the score, less where the scheme's hues hardly show; it orders the offers of one scheme.
    """

    scheme: Scheme
    base: int
    colors: tuple[int, ...]
    layout: Layout
    score: float
    rank: float


@dataclass(frozen=True, slots=True)
class _Job:
    """One plan with every way to fill it: rows (r, k)."""

    scheme: Scheme
    plan: Plan
    layout: Layout
    rows: np.ndarray


def offers(scored: BaseScores, base: int, schemes: Sequence[Scheme], *, depth: int) -> list[list[Combination]]:
    """What each scheme offers for a base, at most `depth` each, best first; ties go by catalogue order."""
    jobs = _jobs(scored, schemes)
    found: dict[Scheme, list[_Found]] = {scheme: [] for scheme in schemes}
    for slots in (1, 2, 3):
        alike = [job for job in jobs if len(job.plan) == slots]
        if alike:
            _score(scored, alike, depth=depth, found=found)
    return [
        [
            Combination(scheme, base, colors, layout, round(score, 3), -minus_rank)
            for minus_rank, colors, score, layout in _distinct(sorted(rows), depth)
        ]
        for scheme, rows in found.items()
    ]


def _distinct(found: list[_Found], depth: int) -> list[_Found]:
    """The first of each set of colours: two plans may come upon the same."""
    kept: dict[tuple[int, ...], _Found] = {}
    for one in found:
        if len(kept) == depth:
            break
        kept.setdefault(one[1], one)
    return list(kept.values())


def _jobs(scored: BaseScores, schemes: Sequence[Scheme]) -> list[_Job]:
    hued = scored.anchor_position is not None
    plans = [(scheme, *one) for scheme in schemes for one in plans_for(scheme, scored.base.place, hued=hued)]
    firsts = {role: _free(scored, role) for _, plan, ((role, _), *_) in plans if plan[0] == FREE}
    wanted = dict.fromkeys(slot for _, plan, layout in plans for slot in _slots(scored, plan, layout, firsts))
    filled = dict(zip(wanted, _candidates(scored, list(wanted)), strict=True))
    return [
        _Job(scheme, plan, layout, rows)
        for scheme, plan, layout in plans
        if len(rows := _rows(scored, plan, layout, firsts=firsts, filled=filled))
    ]


def _slots(scored: BaseScores, plan: Plan, layout: Layout, firsts: dict[Role, list[int]]) -> list[Slot]:
    """Every slot of a plan; of a plan that starts free, one set of related slots for each first colour."""
    if plan[0] != FREE:
        anchor = scored.anchor_position or 0.0
        return [(kind, role, anchor) for kind, (role, _) in zip(plan, layout, strict=True)]
    related = list(zip(plan[1:], layout[1:], strict=True))
    positions = _positions(scored)
    return [(kind, role, positions[first]) for first in firsts[layout[0][0]] for kind, (role, _) in related]


def _rows(
    scored: BaseScores,
    plan: Plan,
    layout: Layout,
    *,
    firsts: dict[Role, list[int]],
    filled: dict[Slot, np.ndarray],
) -> np.ndarray:
    slots = _slots(scored, plan, layout, firsts)
    if plan[0] != FREE:
        return _product([filled[slot][: WIDTHS[len(plan) - 1]] for slot in slots])
    blocks, related = [], len(plan) - 1
    for k, first in enumerate(firsts[layout[0][0]]):
        rest = [filled[slot][:RELATED_WIDTH] for slot in slots[k * related : (k + 1) * related]]
        blocks.append(_product([np.array([first]), *rest]))
    return np.concatenate(blocks) if blocks else np.empty((0, len(plan)), dtype=int)


def _product(slots: list[np.ndarray]) -> np.ndarray:
    return np.stack([slot[index] for slot, index in zip(slots, _grid(tuple(map(len, slots))), strict=True)], axis=1)


@cache
def _grid(sizes: tuple[int, ...]) -> np.ndarray:
    return np.indices(sizes).reshape(len(sizes), -1)


# --- candidates -----------------------------------------------------------------------------------------------
def _positions(scored: BaseScores) -> list[float]:
    return [float(position) for position in catalogue_positions(scored.wheel)]


def _candidates(scored: BaseScores, slots: list[Slot]) -> list[np.ndarray]:
    """Each slot's candidates by worth, best first."""
    if not slots:
        return []
    table = catalogue()
    kinds = np.array([kind for kind, _, _ in slots])[:, None]
    anchors = np.array([anchor for _, _, anchor in slots])[:, None]
    fit = scored.distinct & np.stack([table.allowed[role] for _, role, _ in slots])
    step = np.abs(table.points.oklch[:, 0] - scored.base.points.oklch[0, 0]) >= TONE_STEP
    turn = hue_difference_deg(catalogue_positions(scored.wheel) - anchors, kinds)
    near = fit & table.hued & (turn <= HUE_TOLERANCE_DEG) & (step | (kinds != 0))
    for k in np.flatnonzero(~near.any(axis=1) & (kinds[:, 0] < 360)):
        closest = np.where(fit[k] & table.hued & (step | (kinds[k] != 0)), turn[k], np.inf)
        near[k] = np.isfinite(closest) & (closest <= np.sort(closest)[NEAREST_HUES - 1])
    exact = np.maximum(0.1, 1 - 0.15 * (turn / HUE_TOLERANCE_DEG) ** 2)
    worth = np.where(near, scored.intent_scores * exact * (1 - CLARITY + CLARITY * table.shown), 0.0)
    plain = 1 - CLARITY * NEUTRAL_CLARITY * (1 - table.shown)
    worth = np.where(kinds == NEUTRAL, (fit & table.neutral) * scored.intent_scores * plain, worth)
    worth = np.where(kinds == TONE, (fit & ~table.hued & step) * scored.intent_scores, worth)
    order = np.argsort(-worth, axis=1, kind="stable")
    counts = (worth > 0).sum(axis=1)
    return [
        _spread(order[k, : counts[k]], PER_GROUP)[: WIDTHS[0]]
        if kind == NEUTRAL
        else order[k, : min(counts[k], WIDTHS[0])]
        for k, (kind, _, _) in enumerate(slots)
    ]


def _free(scored: BaseScores, role: Role) -> list[int]:
    """First colours where the base leaves the hue free: one of each colour group."""
    table = catalogue()
    leads = table.allowed[role] & (table.hued if scored.intent == "bold" else table.hued & table.allowed["main"])
    worth = np.where(scored.distinct & leads, scored.intent_scores * (1 - CLARITY + CLARITY * table.shown), 0.0)
    order = np.argsort(-worth, kind="stable")[: int((worth > 0).sum())]
    return [int(k) for k in _spread(order, 1)[:FREE_WIDTH]]


def _spread(order: np.ndarray, per_group: int) -> np.ndarray:
    """The first of each colour group: else whites would fill every list of neutrals."""
    groups = catalogue().groups
    taken: dict[str, int] = {}
    chosen = []
    for k in order.tolist():
        taken[groups[k]] = taken.get(groups[k], 0) + 1
        if taken[groups[k]] <= per_group:
            chosen.append(k)
    return np.array(chosen, dtype=int)


# --- scores ---------------------------------------------------------------------------------------------------
def _score(scored: BaseScores, jobs: list[_Job], *, depth: int, found: dict[Scheme, list[_Found]]) -> None:
    """Adds the best `depth` combinations of each scheme to what was found; all plans have equally many slots."""
    counts = [len(job.rows) for job in jobs]
    rows = np.concatenate([job.rows for job in jobs])
    owner = np.repeat(np.arange(len(jobs)), counts)
    shares = np.array([[share for _, share in job.layout] for job in jobs])[owner]
    scores = score_rows(scored, rows, shares)
    factor = _rank_factor(scored, rows, np.array([_hue_slots(job.plan) for job in jobs])[owner])
    ranks = np.where(_apart(rows), scores * factor, 0.0)
    schemes = list(dict.fromkeys(job.scheme for job in jobs))
    scheme_of = np.array([schemes.index(job.scheme) for job in jobs])[owner]
    order = np.lexsort((-ranks, scheme_of))
    bounds = np.searchsorted(scheme_of[order], np.arange(len(schemes) + 1))
    for k, scheme in enumerate(schemes):
        best = order[bounds[k] : bounds[k + 1]][:depth]
        best = best[ranks[best] > 0]
        layout = jobs[int(owner[order[bounds[k]]])].layout
        found[scheme] += [
            (-rank, tuple(colors), score, layout)
            for rank, colors, score in zip(
                ranks[best].tolist(), rows[best].tolist(), scores[best].tolist(), strict=True
            )
        ]


def _hue_slots(plan: Plan) -> list[bool]:
    return [kind not in (NEUTRAL, TONE) for kind in plan]


def _rank_factor(scored: BaseScores, rows: np.ndarray, of_hue: np.ndarray) -> Floats:
    """Below 1 where the scheme's hues hardly show, or where colours are hard to wear. of_hue: (r, k) slots of a hue."""
    table = catalogue()
    shown = table.shown[rows]
    hued = of_hue.sum(axis=1)
    of_neutrals = 1 - NEUTRAL_CLARITY * (1 - shown.mean(axis=1))
    clear = np.where(hued > 0, (shown * of_hue).sum(axis=1) / np.maximum(hued, 1), of_neutrals)
    ease = 0.0 if scored.intent == "bold" else EASE
    return np.asarray((1 - CLARITY + CLARITY * clear) * (1 - ease + ease * table.ease[rows].mean(axis=1)))


def _apart(rows: np.ndarray) -> np.ndarray:
    apart = np.ones(len(rows), dtype=bool)
    for i in range(rows.shape[1]):
        for j in range(i):
            apart &= catalogue().difference[rows[:, i], rows[:, j]] >= DISTINCT_DE00
    return apart
