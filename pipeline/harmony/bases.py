"""What advice is for: one garment, or the whole look; its colours, weights, hue and place in the outfit; numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import hue_difference_deg
from pipeline.garments.kinds import BODY, BY_NAME, area_of, covered_by
from pipeline.harmony.catalogue import catalogue, catalogue_index, shows_hue
from pipeline.harmony.pair_score import Points, points_from_hexes, take
from pipeline.harmony.plans import Place
from pipeline.parts import Garment, Swatch
from pipeline.types import Category, Floats

MAX_BASE_COLORS = 6  # of one garment; what is left is too small to clash
MIN_SHARE = 0.02
ANCHOR_SHARE = 0.05  # a smaller colour does not set the hue
TARGET_SHARE = 0.15  # from here on a colour is named in the target
MAX_TARGET_COLORS = 3
MAX_GARMENT_BASES = 3
LEAST_OF_LARGEST = 0.1  # of the leading garment's area: a smaller one counts in the look, but is not advised on
PRINT_SHARE = 0.12  # a smaller second colour is trim
PRINT_HUE_DEG, PRINT_STEP = 30.0, 0.3  # nearer colours are shades of one cloth


@dataclass(frozen=True, slots=True)
class Base:
    """Colours that something is to go with, the largest first.

    points, weights (sum 1), hexes: all colours scored against. target: those the advice names. anchor: index of the
    colour whose hue the schemes start from, None where no hue can be told. place: of the base in the outfit.
    """

    garment_ids: tuple[str, ...]
    categories: tuple[Category, ...]
    hexes: tuple[str, ...]
    points: Points
    weights: Floats
    target: tuple[str, ...]
    anchor: int | None
    place: Place
    printed: bool


def bases_of(garments: Sequence[Garment]) -> list[Base]:
    """The garments that lead, one base each, and, of several garments with colours, the whole look last."""
    colored = by_salience(garments)
    bases = [_base((garment,)) for garment in colored[:MAX_GARMENT_BASES] if _is_seen(garment, colored[0])]
    if len(colored) > 1:
        bases.append(_base(tuple(colored)))
    return bases


def by_salience(garments: Sequence[Garment]) -> list[Garment]:
    """The garments with colours: clothes before shoes and accessories, the larger before the smaller."""
    colored = (garment for garment in garments if garment.colors)
    return sorted(colored, key=lambda g: (_is_added(g.category), -garment_area(g), g.id))


def _is_seen(garment: Garment, leading: Garment) -> bool:
    added = _is_added(garment.category) and not _is_added(leading.category)
    return not added and garment_area(garment) >= LEAST_OF_LARGEST * garment_area(leading)


def _is_added(category: Category) -> bool:
    """Whether a garment of this kind counts in the look only when it is seen beside clothes: shoes and accessories."""
    kind = BY_NAME.get(category)
    return kind is not None and not kind.clothing


def look_of(bases: Sequence[Base]) -> Base:
    """Of `bases_of`'s answer the one that stands for everything worn."""
    return max(bases, key=lambda base: len(base.garment_ids))


def garment_area(garment: Garment) -> float:
    """How much the garment weighs in a look: what was measured in the photo, else its kind's usual area."""
    return garment.area or area_of(garment.category)


def _base(garments: tuple[Garment, ...]) -> Base:
    pairs = [
        (swatch, swatch.share * garment_area(garment))
        for garment in garments
        for k, swatch in enumerate(garment.colors[:MAX_BASE_COLORS])
        if k == 0 or swatch.share >= MIN_SHARE
    ]
    pairs.sort(key=lambda pair: -pair[1])
    weights = np.array([weight for _, weight in pairs])
    weights = weights / weights.sum()
    hexes = tuple(swatch.hex for swatch, _ in pairs)
    points = points_from_hexes(hexes)
    return Base(
        garment_ids=tuple(garment.id for garment in garments),
        categories=tuple(garment.category for garment in garments),
        hexes=hexes,
        points=points,
        weights=weights,
        target=_target(hexes, weights),
        anchor=_anchor(points, weights),
        place=_place(garments, pairs[0][0]),
        printed=len(garments) == 1 and _is_print(points, weights),
    )


def _target(hexes: tuple[str, ...], weights: Floats) -> tuple[str, ...]:
    salient = [code for k, code in enumerate(hexes) if k == 0 or weights[k] >= TARGET_SHARE]
    return tuple(dict.fromkeys(salient))[:MAX_TARGET_COLORS]


def _anchor(points: Points, weights: Floats) -> int | None:
    """The largest colour if its hue can be told, else the largest that has one: a black dress with red roses is red."""
    hued = np.flatnonzero(shows_hue(points.oklch) & (weights >= ANCHOR_SHARE))
    return int(hued[0]) if len(hued) else None


def _place(garments: tuple[Garment, ...], swatch: Swatch) -> Place:
    """Shoes and accessories are the accent; a colour too loud for a whole outfit is second, but for a dress."""
    if len(garments) > 1:
        return "look"
    if _is_added(garments[0].category):
        return "accent"
    nearest = catalogue_index().get(swatch.names.fashion.name)
    loud = nearest is not None and not catalogue().allowed["main"][nearest]
    return "secondary" if loud and covered_by(garments[0].category) != BODY else "main"


def _is_print(points: Points, weights: Floats) -> bool:
    """Two colours that are no shades of each other: something is going on in the cloth."""
    oklch = take(points, np.flatnonzero(weights >= PRINT_SHARE)).oklch
    hued = shows_hue(oklch)
    turn = hue_difference_deg(oklch[:, None, 2], oklch[None, :, 2])
    step = np.abs(oklch[:, None, 0] - oklch[None, :, 0])
    both, none = hued[:, None] & hued, ~(hued[:, None] | hued)
    apart = np.where(both, turn > PRINT_HUE_DEG, np.where(none, step > PRINT_STEP, True))
    return bool(apart[~np.eye(len(oklch), dtype=bool)].any())
