"""Scores the items of a client's wardrobe against the bases, and chooses matches that are good and varied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.garments.kinds import BY_NAME, covered_by
from pipeline.harmony.bases import ANCHOR_SHARE, Base
from pipeline.harmony.catalogue import familiarity
from pipeline.harmony.pair_score import (
    Points,
    chroma_presence,
    components_from_parts,
    intent_score,
    pair_parts,
    pair_score,
    points_from_hexes,
    take,
)
from pipeline.harmony.percentile import percentile, rating_of
from pipeline.harmony.reasons import Tone, pair_reasons, tones
from pipeline.limits import MAX_MATCHES
from pipeline.options import HarmonyOptions, WardrobeItem
from pipeline.palette.swatches import shares_of
from pipeline.parts import Match, MatchTarget, worded
from pipeline.types import Category, Floats

# Taste: an item's further colours are too small to clash.
MAX_ITEM_COLORS = 4
# Taste: items whose main colours are nearer than this ΔE76 are alike, and the most of them that come before others.
ALIKE_DE76 = 8.0
ALIKE_LIMIT = 3


@dataclass(frozen=True, slots=True)
class WardrobeColors:
    """The n items of a wardrobe and their N colours as arrays, item by item, each item's largest colour first.

    starts: the index of each item's first colour, (n,). shares: (N,), with sum 1 for each item. presence, familiar: how
    loud and how common each item is, (n,), 0 to 1.
    """

    items: tuple[WardrobeItem, ...]
    points: Points
    starts: np.ndarray
    shares: Floats
    presence: Floats
    familiar: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """The scores of a base with n items.

    parts: (4, n). scores: 0 to 1, (n,). main_difference: ΔE00 between the main colours, (n,).
    """

    base: Base
    parts: Floats
    scores: Floats
    main_difference: Floats


def matches_from_fits(fits: Sequence[Fit], wardrobe: WardrobeColors, options: HarmonyOptions) -> tuple[Match, ...]:
    """At most MAX_MATCHES items, best first, each with the garment that it suits best.

    fits: those of single garments. An item that cannot be worn with any of the garments is left out, such as a second
    pair of trousers.
    """
    scores = np.stack([np.where(_can_be_worn(fit.base, wardrobe), fit.scores, 0.0) for fit in fits])
    best, value = scores.argmax(axis=0), scores.max(axis=0)
    chosen = _diverse(wardrobe, value)
    base_tones = [tones(take(fit.base.points, np.arange(fit.base.seen))) for fit in fits]
    return tuple(_match(fits[best[k]], wardrobe, k, base_tones[best[k]], options) for k in chosen.tolist())


def _match(fit: Fit, wardrobe: WardrobeColors, k: int, base: list[Tone], options: HarmonyOptions) -> Match:
    score = percentile(float(fit.scores[k]), options.intent)
    found = pair_reasons(base, seen_tones(wardrobe, k), de00=float(fit.main_difference[k]))
    return Match(
        item_id=wardrobe.items[k].id,
        score=score,
        rating=rating_of(score),
        target=MatchTarget(fit.base.garment_ids),
        components=components_from_parts(fit.parts[:, k]),
        reasons=worded(found, f"{fit.base.hexes[0]} {wardrobe.items[k].id}"),
    )


def seen_tones(wardrobe: WardrobeColors, k: int) -> list[Tone]:
    """The colours of the k-th item that are large enough to be noticed, the largest first."""
    first = int(wardrobe.starts[k])
    last = int(wardrobe.starts[k + 1]) if k + 1 < len(wardrobe.starts) else len(wardrobe.shares)
    seen = [j for j in range(first, last) if j == first or wardrobe.shares[j] >= ANCHOR_SHARE]
    return tones(take(wardrobe.points, np.array(seen)))


def wardrobe_colors(items: Sequence[WardrobeItem]) -> WardrobeColors:
    """A wardrobe as arrays, ready for scoring."""
    hexes: list[str] = []
    shares: list[float] = []
    starts: list[int] = []
    for item in items:
        colors = [(share, color.hex) for share, color in zip(shares_of(item.colors), item.colors, strict=True)]
        colors.sort(key=lambda pair: -pair[0])
        colors = colors[:MAX_ITEM_COLORS]
        total = sum(share for share, _ in colors)
        starts.append(len(hexes))
        hexes += [code for _, code in colors]
        shares += [share / total for share, _ in colors]
    points = points_from_hexes(hexes)
    weight, begin = np.array(shares), np.array(starts)
    presence = np.add.reduceat(chroma_presence(points.oklch) * weight, begin)
    familiar = np.add.reduceat(familiarity(points.lab) * weight, begin)
    return WardrobeColors(tuple(items), points, begin, weight, presence, familiar)


def fit_all(bases: Sequence[Base], wardrobe: WardrobeColors, options: HarmonyOptions) -> list[Fit]:
    """Scores every base with every item: weighted means over all pairs of colours, adjusted to the intent."""
    fits = []
    for base in bases:
        difference = delta_e_2000(base.points.lab[:, None], wardrobe.points.lab[None])
        parts = pair_parts(base.points, wardrobe.points, difference=difference)
        color_scores = base.weights @ pair_score(parts, options.intent)
        item_scores = np.add.reduceat(color_scores * wardrobe.shares, wardrobe.starts)
        fits.append(
            Fit(
                base=base,
                parts=np.add.reduceat((base.weights @ parts) * wardrobe.shares, wardrobe.starts, axis=1),
                scores=intent_score(item_scores, wardrobe.presence, wardrobe.familiar, options.intent),
                main_difference=difference[0, wardrobe.starts],
            )
        )
    return fits


def wearable_together(first: Category | None, second: Category | None) -> bool:
    """Whether garments of these kinds can be worn together. An unknown kind can be worn with anything."""
    if first not in BY_NAME or second not in BY_NAME:
        return True
    if first == second:
        return BY_NAME[first].several
    return not covered_by(first) & covered_by(second)


def _can_be_worn(base: Base, wardrobe: WardrobeColors) -> np.ndarray:
    """Which items can be worn with all garments of the base, (n,)."""
    kinds = {item.category for item in wardrobe.items}
    fits = {kind: all(wearable_together(kind, category) for category in base.categories) for kind in kinds}
    return np.array([fits[item.category] for item in wardrobe.items])


def _diverse(wardrobe: WardrobeColors, value: Floats) -> np.ndarray:
    """The indices of at most MAX_MATCHES items, best first.

    Of items that look alike only the best few are chosen, unless there is room for more.
    """
    order = np.argsort(-value, kind="stable")
    order = order[value[order] > 0][: 4 * MAX_MATCHES]
    lab = wardrobe.points.lab[wardrobe.starts[order]]
    close = np.linalg.norm(lab[:, None] - lab[None], axis=-1) < ALIKE_DE76
    kept: list[int] = []
    for k in range(len(order)):
        if len(kept) < MAX_MATCHES and close[k, kept].sum() < ALIKE_LIMIT:
            kept.append(k)
    spare = [k for k in range(len(order)) if k not in set(kept)]
    return np.asarray(order[sorted(kept + spare[: MAX_MATCHES - len(kept)])])
