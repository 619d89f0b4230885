"""Composes outfits: items of a client's wardrobe around the garments of a photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from pipeline.garments.kinds import BODY, KINDS, BodyPart, area_of, covered_by
from pipeline.harmony.base_scores import MAX_HUES, SHOWN_SHARE, shown_hues
from pipeline.harmony.bases import Base
from pipeline.harmony.pair_score import Points, components_from_parts, join, pair_parts, pair_score, take
from pipeline.harmony.percentile import percentile, rating_of
from pipeline.harmony.reasons import outfit_reasons, tones
from pipeline.harmony.wardrobe import Fit, WardrobeColors, seen_tones, wearable_together
from pipeline.limits import MAX_OUTFIT_ITEMS, MAX_OUTFITS
from pipeline.options import HarmonyOptions
from pipeline.parts import Outfit, worded
from pipeline.types import Category, Floats, GarmentClass

# The constants below are taste.
# The number of items of each kind that are tried: those that go best with the base.
PER_CATEGORY = 6
# Items are scored with each other by this number of their largest colours.
PAIR_COLORS = 2
# How many outfits of a template are examined, those with the best scores first, and how many of them are kept.
EXAMINED, FINALISTS = 40, 6
# The most outfits with the same item, and with the same set of kinds.
ITEM_REPEATS = 2
TEMPLATE_REPEATS = 2
# Areas that are nearer than this ΔE76 are one colour to an eye at arm's length.
SAME_COLOR_DE76 = 15.0
# The share of the deviation from 60-30-10 that an outfit loses from its score.
DEVIATION_PENALTY = 0.1
IDEAL_SHARES = (0.6, 0.3, 0.1)
# The least share of a colour that shows its hue. Shares here are of the whole outfit, of which each garment is only a
# part, so the limit is half of that for shares of a base alone.
OUTFIT_SHOWN_SHARE = SHOWN_SHARE / 2

FEET: GarmentClass = "shoes"
# The kind that covers each part of the body.
COVERS: dict[BodyPart, GarmentClass] = {"upper": "top", "lower": "bottom"}

# The kinds of an outfit's items.
Template = tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    """The scores of c candidates.

    index: their places in the wardrobe, (c,). base_scores: with the base, (c,). parts and pairs: the parts, (4, c, c),
    and the scores, (c, c), of all pairs of candidates.
    """

    index: np.ndarray
    base_scores: Floats
    parts: Floats
    pairs: Floats


@dataclass(frozen=True, slots=True)
class _Composition:
    """One outfit. rows: its candidates. areas: their usual areas. deviation: from 60-30-10, 0 to 1. hues: how many."""

    rows: tuple[int, ...]
    areas: Floats
    score: float
    deviation: float
    hues: int


def outfits(fit: Fit, wardrobe: WardrobeColors, options: HarmonyOptions) -> tuple[Outfit, ...]:
    """At most 6 outfits, best first, of up to four items that go with the base and with each other.

    An outfit has one item of a kind, only known kinds, and no item that cannot be worn with the base. Items cover the
    body and the feet, where the wardrobe allows it; `missing` names the kinds that would cover the rest. An outfit
    shows at most three hues, or as many as the base shows by itself.
    """
    candidates = _candidates(fit, wardrobe)
    templates = _templates(fit.base, set(candidates))
    if not templates:
        return ()
    table = _table(fit, wardrobe, np.concatenate([candidates[kind] for kind in candidates]), options)
    rows_of, start = {}, 0
    for kind, index in candidates.items():
        rows_of[kind] = np.arange(start, start + len(index))
        start += len(index)
    composed = [
        one for template in templates for one in _best(fit.base, wardrobe, table, template=template, rows_of=rows_of)
    ]
    composed.sort(key=lambda one: (-one.score, [wardrobe.items[table.index[row]].id for row in one.rows]))
    return tuple(_outfit(fit, wardrobe, table, one, options) for one in _varied(composed))


def _candidates(fit: Fit, wardrobe: WardrobeColors) -> dict[Category, np.ndarray]:
    """The items of each kind that go best with the base, as indices into the wardrobe; the largest kind first."""
    by_kind: dict[Category, list[int]] = {}
    for k in np.argsort(-fit.scores, kind="stable").tolist():
        kind = wardrobe.items[k].category
        if kind is None or kind == "unknown" or kind in fit.base.categories:
            continue
        if all(wearable_together(kind, worn) for worn in fit.base.categories):
            by_kind.setdefault(kind, []).append(k)
    largest_first = sorted(by_kind, key=area_of, reverse=True)
    return {kind: np.array(by_kind[kind][:PER_CATEGORY]) for kind in largest_first}


def _templates(base: Base, have: set[Category]) -> list[Template]:
    """The sets of kinds that complete the base. They cover body and feet where the wardrobe allows it."""
    kinds = [kind for kind in KINDS if kind.name in have]
    extras = [kind for kind in kinds if not kind.covers]
    cores = [core for count in (0, 2, 1) for core in combinations([kind for kind in kinds if kind.covers], count)]
    if "unknown" in base.categories:
        cores = [core for core in cores if len(core) < 2 or not core[0].covers & core[1].covers]
    else:
        bare = sorted(_bare(base.categories))
        cores = [core for core in cores if sorted(part for kind in core for part in kind.covers) == bare] or [
            core for core in cores if all(kind.covers <= set(bare) for kind in core)
        ]
        most = max(len(core) for core in cores)
        cores = [core for core in cores if len(core) == most or sorted(p for k in core for p in k.covers) == bare]
    shod = FEET in base.categories or FEET not in have
    more = [
        chosen
        for count in range(len(extras) + 1)
        for chosen in combinations(extras, count)
        if shod or any(kind.name == FEET for kind in chosen)
    ]
    templates = [tuple(kind.name for kind in core + extra) for core, extra in product(cores, more)]
    whole = [one for one in templates if len(one) == 1 and not _missing(base, one)]
    return whole + [one for one in templates if 2 <= len(one) <= MAX_OUTFIT_ITEMS]


def _bare(categories: Sequence[Category]) -> frozenset[BodyPart]:
    """The parts of the body that garments of these kinds leave bare."""
    return BODY.difference(*(covered_by(category) for category in categories))


def _missing(base: Base, template: Template) -> tuple[GarmentClass, ...]:
    """The kinds that would cover what the base and the items leave bare. A base of unknown kind lacks only shoes."""
    worn = (*base.categories, *template)
    bare = frozenset[BodyPart]() if "unknown" in base.categories else _bare(worn)
    lacking: list[GarmentClass] = [COVERS[part] for part in ("upper", "lower") if part in bare]
    return tuple([*lacking, *([] if FEET in worn else [FEET])])


def _table(fit: Fit, wardrobe: WardrobeColors, index: np.ndarray, options: HarmonyOptions) -> _Table:
    """Scores the candidates with each other, by the largest colours of each."""
    ends = np.append(wardrobe.starts[1:], len(wardrobe.shares))
    counts = np.minimum(ends - wardrobe.starts, PAIR_COLORS)[index]
    colors = np.concatenate(
        [np.arange(wardrobe.starts[k], wardrobe.starts[k] + n) for k, n in zip(index, counts, strict=True)]
    )
    begin = np.cumsum(counts) - counts
    weight = wardrobe.shares[colors]
    weight = weight / np.repeat(np.add.reduceat(weight, begin), counts)
    points = take(wardrobe.points, colors)
    parts = pair_parts(points, points)
    scores = pair_score(parts, options.intent)
    both = weight[:, None] * weight[None, :]

    def fold(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(np.add.reduceat(values * both, begin, axis=-1), begin, axis=-2))

    return _Table(index, fit.scores[index], fold(parts), fold(scores))


def _best(
    base: Base, wardrobe: WardrobeColors, table: _Table, *, template: Template, rows_of: dict[Category, np.ndarray]
) -> Iterator[_Composition]:
    """A template's best outfits. Pairs give the score; too many hues exclude, and distance from 60-30-10 costs."""
    slots = [rows_of[kind] for kind in template]
    rows = np.stack([axis.ravel() for axis in np.meshgrid(*slots, indexing="ij")], axis=1)
    areas = np.array([area_of(kind) for kind in template])
    base_area = sum(area_of(kind) for kind in base.categories)
    total = base_area * (table.base_scores[rows] @ areas)
    weight = base_area * areas.sum()
    for i, j in combinations(range(len(template)), 2):
        total = total + areas[i] * areas[j] * table.pairs[rows[:, i], rows[:, j]]
        weight += areas[i] * areas[j]
    scores = total / weight
    base_hues = len(shown_hues(base.points, base.weights))
    kept = 0
    for k in np.argsort(-scores, kind="stable")[:EXAMINED].tolist():
        points, share = _worn(base, wardrobe, table.index[rows[k]], areas=areas, base_area=base_area)
        hues = len(shown_hues(points, share, least_share=OUTFIT_SHOWN_SHARE))
        if hues > max(MAX_HUES, base_hues):
            continue
        deviation = sixty_thirty_ten_deviation(points.lab, share)
        score = round(max(0.0, float(scores[k]) - DEVIATION_PENALTY * deviation), 3)
        yield _Composition(tuple(rows[k].tolist()), areas, score, deviation, hues)
        kept += 1
        if kept == FINALISTS:
            return


def _worn(
    base: Base, wardrobe: WardrobeColors, index: np.ndarray, *, areas: Floats, base_area: float
) -> tuple[Points, Floats]:
    """Every colour of an outfit with its share of the outfit, the base's colours first."""
    ends = np.append(wardrobe.starts[1:], len(wardrobe.shares))
    colors = np.concatenate([np.arange(wardrobe.starts[k], ends[k]) for k in index])
    of_item = np.repeat(areas, ends[index] - wardrobe.starts[index])
    share = np.concatenate([base.weights * base_area, wardrobe.shares[colors] * of_item])
    return join(base.points, take(wardrobe.points, colors)), share / share.sum()


def sixty_thirty_ten_deviation(lab: Floats, share: Floats) -> float:
    """How far areas of colour are from 60-30-10, 0 to 1: half the sum of the three differences. lab: (n, 3)."""
    close = np.linalg.norm(lab[:, None] - lab[None], axis=-1) < SAME_COLOR_DE76
    left = share.copy()
    sums = []
    for k in np.argsort(-share, kind="stable").tolist():
        sums.append(float(left[close[k]].sum()))
        left[close[k]] = 0.0
    first, second, *rest = [*sorted(sums, reverse=True), 0.0]
    return sum(abs(x - ideal) for x, ideal in zip((first, second, sum(rest)), IDEAL_SHARES, strict=True)) / 2


def _varied(composed: Sequence[_Composition]) -> list[_Composition]:
    """The best few. No item and no set of kinds is in more than two of them, and no outfit is part of another."""
    kept: list[_Composition] = []
    for one in composed:
        repeated = any(sum(row in other.rows for other in kept) >= ITEM_REPEATS for row in one.rows)
        nested = any(set(one.rows) <= set(other.rows) or set(other.rows) <= set(one.rows) for other in kept)
        same_kinds = sum(other.areas.tolist() == one.areas.tolist() for other in kept) >= TEMPLATE_REPEATS
        if not repeated and not nested and not same_kinds:
            kept.append(one)
        if len(kept) == MAX_OUTFITS:
            break
    return kept


def _outfit(fit: Fit, wardrobe: WardrobeColors, table: _Table, one: _Composition, options: HarmonyOptions) -> Outfit:
    base = fit.base
    base_area = sum(area_of(kind) for kind in base.categories)
    parts = [fit.parts[:, table.index[row]] for row in one.rows]
    weights = [base_area * area for area in one.areas]
    for i, j in combinations(range(len(one.rows)), 2):
        parts.append(table.parts[:, one.rows[i], one.rows[j]])
        weights.append(one.areas[i] * one.areas[j])
    index = table.index[list(one.rows)]
    worn = tones(take(base.points, np.arange(base.seen)))
    worn += [tone for k in index for tone in seen_tones(wardrobe, int(k))]
    found = outfit_reasons(worn, hues=one.hues, most_hues=MAX_HUES, deviation=one.deviation)
    items = [wardrobe.items[k] for k in index]
    score = percentile(one.score, options.intent)
    return Outfit(
        item_ids=tuple(item.id for item in items),
        score=score,
        rating=rating_of(score),
        missing=_missing(base, tuple(item.category or "unknown" for item in items)),
        components=components_from_parts(np.array(weights) @ np.array(parts) / sum(weights)),
        reasons=worded(found, " ".join(item.id for item in items)),
    )
