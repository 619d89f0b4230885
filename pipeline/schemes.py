"""Colour schemes: which wearable colours a scheme offers for a base, as scored combinations; numpy only.

Only the hue comes from the scheme; lightness and chroma come from the catalogue, because a hue turned at constant
lightness and chroma gives mud. A plan says what fills each slot of a suggestion, the largest share first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.bases import Base, Place
from pipeline.color import delta_e_2000
from pipeline.pair_score import hue_difference, mood, pair_parts, pair_score
from pipeline.types import Floats, Intent, Role, Scheme, Wheel
from pipeline.wearables import wearable_positions, wearable_scores, wearables
from pipeline.wheels import wheel_positions

NEUTRAL = 1000  # slot kinds: a neutral, a tone of the base's own (grey to grey), any colour; else an angle in degrees
TONE = 1001
FREE = 1002
Plan = tuple[int, ...]

PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((180,), (180, NEUTRAL), (NEUTRAL, 180)),
    "split_complementary": ((150, 210), (210, 150), (150, NEUTRAL), (NEUTRAL, 210)),
    "analogous": ((30,), (330,), (30, 330), (330, 30), (30, NEUTRAL), (330, NEUTRAL)),
    "triadic": ((120, 240), (240, 120)),
    "tetradic": ((180, 90, 270), (90, 180, 270), (270, 180, 90)),
    "monochromatic": ((0,), (0, 0), (0, NEUTRAL)),
    "neutral": ((NEUTRAL,), (NEUTRAL, NEUTRAL)),
}
# A base without a hue leaves the hue free: then the suggested colours stand in the scheme's relation to each other.
GREY_PLANS: dict[Scheme, tuple[Plan, ...]] = {
    "complementary": ((FREE, 180),),
    "split_complementary": ((FREE, 150),),
    "analogous": ((FREE, 30), (FREE, 330)),
    "triadic": ((FREE, 120),),
    "tetradic": ((FREE, 90, 180),),
    "monochromatic": ((TONE,), (TONE, TONE)),
    "neutral": PLANS["neutral"],
}
# (role, share of the whole outfit) of one, two and three suggested colours: 60-30-10 with the base in its place.
LAYOUTS: dict[Place, tuple[tuple[tuple[Role, float], ...], ...]] = {
    "main": (
        (("secondary", 0.3),),
        (("secondary", 0.3), ("accent", 0.1)),
        (("secondary", 0.25), ("accent", 0.1), ("accent", 0.05)),
    ),
    "secondary": (
        (("main", 0.6),),
        (("main", 0.6), ("accent", 0.1)),
        (("main", 0.55), ("accent", 0.1), ("accent", 0.05)),
    ),
    "accent": (
        (("main", 0.8),),
        (("main", 0.6), ("secondary", 0.3)),
        (("main", 0.6), ("secondary", 0.2), ("accent", 0.1)),
    ),
    "look": ((("accent", 0.1),), (("accent", 0.1), ("accent", 0.05))),
}

HUE_TOLERANCE_DEG = 20.0
NEAREST_HUES = 3  # where the catalogue has nothing within the tolerance
TONE_STEP = 0.12  # OKLab lightness between tones of one hue
APART_DE00 = 10.0  # between suggested colours, and from the base's largest colour
WIDTHS = (8, 8, 5)  # candidates per slot, for one, two and three slots
PER_GROUP = 2
CLARITY = 0.1  # what a suggestion whose hues hardly show loses in rank: a complement should be seen as one
NEUTRAL_CLARITY = 0.1  # among neutrals, camel and navy come a little before another grey
POOL = 40  # combinations kept per scheme
MAX_HUES = 3
HUE_EXCESS_PENALTY = 0.06
NEW_HUE_DEG = 30.0


@dataclass(frozen=True, slots=True)
class Combination:
    """Catalogue indices filling a plan's slots, with its score 0..1.

    rank: the score, less where the scheme's hues hardly show; it orders the offers of one scheme.
    """

    scheme: Scheme
    base: int
    colors: tuple[int, ...]
    layout: tuple[tuple[Role, float], ...]
    score: float
    rank: float


@dataclass
class Bench:
    """One base against the whole catalogue: everything the schemes of one request look up.

    difference: (m, n) ΔE00, parts: (4, m, n), base colours by catalogue; mean_parts: (4, n), scores: (n,) their means by the base's weights.
    """

    base: Base
    intent: Intent
    wheel: Wheel
    difference: Floats = field(init=False)
    parts: Floats = field(init=False)
    mean_parts: Floats = field(init=False)
    scores: Floats = field(init=False)
    free: np.ndarray = field(init=False)
    slots: dict[tuple[int, Role, float | None], np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        stock = wearables()
        self.difference = delta_e_2000(self.base.points.lab[:, None], stock.points.lab[None])
        self.parts = pair_parts(self.base.points, stock.points, difference=self.difference)
        self.mean_parts = np.tensordot(self.parts, self.base.weights, axes=([1], [0]))
        self.scores = self.base.weights @ pair_score(self.parts, self.intent)
        self.free = self.difference[0] >= APART_DE00
        self.slots = {}

    @cached_property
    def worth(self) -> Floats:
        """What a candidate is worth on its own: its score with the base, in the intent's mood, (n,)."""
        return mood(self.scores, wearables().presence, self.intent)

    @cached_property
    def new_hue(self) -> np.ndarray:
        """Whether a catalogue colour adds a hue that the base does not show, (n,)."""
        points, stock = self.base.points, wearables().points
        shown = (points.vivid >= 0.5) & (self.base.weights >= 0.06)
        if not shown.any():
            return stock.vivid >= 0.5
        turn = hue_difference(stock.oklch[:, None, 2], points.oklch[None, shown, 2])
        return np.asarray((stock.vivid >= 0.5) & (turn.min(axis=1) > NEW_HUE_DEG))

    @cached_property
    def base_hues(self) -> int:
        """How many chromatic hues the base shows."""
        hues: list[float] = []
        for hue, vivid, weight in zip(
            self.base.points.oklch[:, 2], self.base.points.vivid, self.base.weights, strict=True
        ):
            if vivid >= 0.5 and weight >= 0.06 and all(abs((hue - h + 180) % 360 - 180) > NEW_HUE_DEG for h in hues):
                hues.append(float(hue))
        return len(hues)

    @cached_property
    def anchor_position(self) -> float | None:
        """Where the base's hue lies on the wheel, degrees; None without one."""
        if self.base.anchor is None:
            return None
        return float(wheel_positions(self.base.points.oklch[self.base.anchor, 2], self.wheel))


def combinations(bench: Bench, base: int, scheme: Scheme) -> list[Combination]:
    """What a scheme offers for a base, best first; ties go by catalogue order."""
    grey = bench.anchor_position is None
    layouts = LAYOUTS[bench.base.place]
    found: dict[tuple[int, ...], Combination] = {}
    for plan in (GREY_PLANS if grey else PLANS)[scheme]:
        layout = layouts[min(len(plan), len(layouts)) - 1]
        for colors, score, rank in _scored(bench, plan[: len(layout)], layout):
            known = found.get(colors)
            if known is None or known.rank < rank:
                found[colors] = Combination(scheme, base, colors, layout, score, rank)
    return sorted(found.values(), key=lambda one: (-one.rank, one.colors))[:POOL]


def score_rows(bench: Bench, rows: np.ndarray, shares: Floats) -> Floats:
    """Area-weighted mean over all pairs of base and suggested colours, in the intent's mood. rows: (r, k); gives (r,).

    The pairs within the base are left out: they are worn already.
    """
    stock, pair = wearables(), wearable_scores(bench.intent)
    base_share = 1 - shares.sum()
    total = base_share * bench.scores[rows] @ shares
    weight = base_share * shares.sum()
    for i in range(rows.shape[1]):
        for j in range(i):
            total = total + shares[i] * shares[j] * pair[rows[:, i], rows[:, j]]
            weight += shares[i] * shares[j]
    excess = np.maximum(0, bench.base_hues + _fresh_hues(bench, rows) - MAX_HUES)
    presence = stock.presence[rows] @ shares / shares.sum()
    return mood(np.maximum(0.0, total / weight - HUE_EXCESS_PENALTY * excess), presence, bench.intent)


def _fresh_hues(bench: Bench, rows: np.ndarray) -> np.ndarray:
    """How many hues the rows add to the base's, (r,); two colours of one hue add one."""
    fresh = bench.new_hue[rows]
    hue = wearables().points.oklch[rows, 2]
    count = fresh[:, 0].astype(int)
    for i in range(1, rows.shape[1]):
        same = (hue_difference(hue[:, i : i + 1], hue[:, :i]) <= NEW_HUE_DEG) & fresh[:, :i]
        count += fresh[:, i] & ~same.any(axis=1)
    return count


def _scored(
    bench: Bench, plan: Plan, layout: tuple[tuple[Role, float], ...]
) -> Iterator[tuple[tuple[int, ...], float, float]]:
    """Colours, score and rank of every way to fill a plan."""
    rows = _rows(bench, plan, layout)
    if not len(rows):
        return
    apart = np.ones(len(rows), dtype=bool)
    for i in range(rows.shape[1]):
        for j in range(i):
            apart &= wearables().difference[rows[:, i], rows[:, j]] >= APART_DE00
    rows = rows[apart]
    scores = score_rows(bench, rows, np.array([share for _, share in layout]))
    shown = wearables().shown[rows]
    of_hue = [k for k, kind in enumerate(plan) if kind not in (NEUTRAL, TONE)]
    clear = shown[:, of_hue].mean(axis=1) if of_hue else NEUTRAL_CLARITY * shown.mean(axis=1)
    ease = 0.0 if bench.intent == "bold" else EASE
    ranks = scores * (1 - CLARITY + CLARITY * clear) * (1 - ease + ease * wearables().ease[rows].mean(axis=1))
    for row, score, rank in zip(rows.tolist(), scores.tolist(), ranks.tolist(), strict=True):
        yield tuple(row), round(score, 3), round(rank, 4)


def _rows(bench: Bench, plan: Plan, layout: tuple[tuple[Role, float], ...]) -> np.ndarray:
    """Every way to fill the plan's slots from their candidates, (r, k)."""
    width = WIDTHS[len(plan) - 1]
    if plan[0] != FREE:
        anchor = bench.anchor_position
        return _product([_slot(bench, kind, role, anchor)[:width] for kind, (role, _) in zip(plan, layout, strict=True)])
    positions = wearable_positions(bench.wheel)
    blocks = []
    for first in _slot(bench, FREE, layout[0][0], None):
        rest = [
            _slot(bench, kind, role, float(positions[first]))[:2]
            for kind, (role, _) in zip(plan[1:], layout[1:], strict=True)
        ]
        blocks.append(_product([np.array([first]), *rest]))
    return np.concatenate(blocks)


def _product(slots: list[np.ndarray]) -> np.ndarray:
    return np.stack([axis.ravel() for axis in np.meshgrid(*slots, indexing="ij")], axis=1)


def _slot(bench: Bench, kind: int, role: Role, anchor: float | None) -> np.ndarray:
    key = (kind, role, anchor)
    if key not in bench.slots:
        bench.slots[key] = _candidates(bench, kind, role, anchor)
    return bench.slots[key]


def _candidates(bench: Bench, kind: int, role: Role, anchor: float | None) -> np.ndarray:
    """What may fill a slot by worth, best first. anchor: the wheel position that angles count from."""
    stock = wearables()
    fit = bench.free & stock.wearable[role]
    worth = bench.worth
    if kind == NEUTRAL:
        return _spread(np.where(fit & stock.neutral, worth, 0.0), PER_GROUP)
    if kind == FREE:
        basic = stock.wearable["main"] if bench.intent != "bold" else stock.hued  # a leading hue one can live in
        return _spread(np.where(fit & stock.hued & basic, worth * (0.8 + 0.2 * stock.shown), 0.0), 1)
    lightness_step = np.abs(stock.points.oklch[:, 0] - bench.base.points.oklch[0, 0])
    if kind == TONE:
        return _best(np.where(fit & ~stock.hued & (lightness_step >= TONE_STEP), worth, 0.0))
    turn = np.abs((wearable_positions(bench.wheel) - (anchor or 0.0) - kind + 180) % 360 - 180)
    fit &= stock.hued
    if kind == 0:
        fit &= lightness_step >= TONE_STEP
    near = fit & (turn <= HUE_TOLERANCE_DEG)
    if not near.any():
        near = np.zeros_like(fit)
        near[np.argsort(np.where(fit, turn, 999.0), kind="stable")[:NEAREST_HUES]] = True
        near &= fit
    exact = (1 - 0.15 * (turn / HUE_TOLERANCE_DEG) ** 2).clip(0.1)
    return _best(np.where(near, worth * exact * (1 - CLARITY + CLARITY * stock.shown), 0.0))


def _best(worth: Floats) -> np.ndarray:
    order = np.argsort(-worth, kind="stable")[: WIDTHS[0]]
    return order[worth[order] > 0]


def _spread(worth: Floats, per_group: int) -> np.ndarray:
    """The best, at most so many of one colour group: else whites would fill every list of neutrals."""
    groups = wearables().groups
    taken: dict[str, int] = {}
    chosen = []
    for k in np.argsort(-worth, kind="stable").tolist():
        if worth[k] <= 0 or len(chosen) == 2 * WIDTHS[0]:
            break
        if taken.get(groups[k], 0) < per_group:
            taken[groups[k]] = taken.get(groups[k], 0) + 1
            chosen.append(k)
    return np.array(chosen, dtype=int)
