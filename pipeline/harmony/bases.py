"""Makes the bases of advice: single garments, and the look, which is all garments of the photo together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000, hue_difference_deg
from pipeline.garments.kinds import BODY, BY_NAME, area_of, covered_by
from pipeline.harmony.catalogue import catalogue, shows_hue
from pipeline.harmony.pair_score import Points, points_from_hexes, take
from pipeline.harmony.schemes import Place
from pipeline.parts import Garment, Swatch
from pipeline.types import Category, Floats

# The constants below are taste. Shares of colours are shares of the base, 0 to 1.
# A garment's further colours, and colours with a smaller share, are too small to clash with anything.
MAX_BASE_COLORS = 6
MIN_SHARE = 0.02
# A smaller colour does not set the hue that schemes start from, and no reason speaks of it.
ANCHOR_SHARE = 0.05
# A suggestion's target names colours of at least this share, and always the largest colour.
TARGET_SHARE = 0.15
MAX_TARGET_COLORS = 3
# The most garments that get advice of their own.
MAX_GARMENT_BASES = 3
# A garment below this share of the leading garment's area counts in the look, but gets no advice of its own.
LEAST_OF_LARGEST = 0.1
# A second colour below this share is trim, not a print.
PRINT_SHARE = 0.12
# Colours whose OKLCH hue or OKLab lightness differ by less are shades of one cloth.
PRINT_HUE_DEG, PRINT_STEP = 30.0, 0.3


@dataclass(frozen=True, slots=True)
class Base:
    """The colours that advice is for, the largest share first.

    points, weights (sum 1), hexes and names describe every colour that enters the score. seen: how many of them, the
    largest, are large enough to be noticed. apart: how many of them, the largest, no suggestion may repeat. target: the
    colours that the advice names. anchor: the index of the colour whose hue the schemes start from; None when no colour
    shows a hue. place: the base's place in the outfit. printed: the base is one garment with a print.
    """

    garment_ids: tuple[str, ...]
    categories: tuple[Category, ...]
    hexes: tuple[str, ...]
    names: tuple[str, ...]
    seen: int
    apart: int
    points: Points
    weights: Floats
    target: tuple[str, ...]
    anchor: int | None
    place: Place
    printed: bool


def bases_of(garments: Sequence[Garment]) -> list[Base]:
    """One base for each leading garment, then one for the look when several garments have colours."""
    colored = by_salience(garments)
    groups = [(garment,) for garment in colored[:MAX_GARMENT_BASES] if _is_seen(garment, colored[0])]
    worn: list[tuple[Garment, ...]] = [*groups, tuple(colored)] if len(colored) > 1 else [*groups]
    if not worn:
        return []
    # For speed, the colours of all bases are converted at once.
    colors = [_colors(one) for one in worn]
    row = {code: k for k, code in enumerate(dict.fromkeys(swatch.hex for some in colors for swatch, _ in some))}
    points = points_from_hexes(list(row))
    rows = [np.array([row[swatch.hex] for swatch, _ in some]) for some in colors]
    loud = _are_loud(take(points, np.array([some[0] for some in rows]))).tolist()
    return [_base(*one) for one in zip(worn, colors, (take(points, some) for some in rows), loud, strict=True)]


def by_salience(garments: Sequence[Garment]) -> list[Garment]:
    """The garments that have colours: clothes before shoes and accessories, larger garments before smaller ones."""
    colored = (garment for garment in garments if garment.colors)
    return sorted(colored, key=lambda g: (_is_added(g.category), -garment_area(g), g.id))


def _is_seen(garment: Garment, leading: Garment) -> bool:
    added = _is_added(garment.category) and not _is_added(leading.category)
    return not added and garment_area(garment) >= LEAST_OF_LARGEST * garment_area(leading)


def _is_added(category: Category) -> bool:
    """Whether the kind is shoes or an accessory. Beside clothes, such garments get no advice of their own."""
    kind = BY_NAME.get(category)
    return kind is not None and not kind.clothing


def look_of(bases: Sequence[Base]) -> Base:
    """The base among those of `bases_of` that covers the whole look."""
    return max(bases, key=lambda base: len(base.garment_ids))


def garment_area(garment: Garment) -> float:
    """The garment's weight in the look: its area in the photo where it was measured, else its kind's usual area."""
    return garment.area or area_of(garment.category)


def _colors(garments: tuple[Garment, ...]) -> list[tuple[Swatch, float]]:
    """The colours that enter a base's score with their weights, the largest first."""
    pairs = [
        (swatch, swatch.share * garment_area(garment))
        for garment in garments
        for k, swatch in enumerate(garment.colors[:MAX_BASE_COLORS])
        if k == 0 or swatch.share >= MIN_SHARE
    ]
    pairs.sort(key=lambda pair: -pair[1])
    return pairs


def _base(
    garments: tuple[Garment, ...], colors: Sequence[tuple[Swatch, float]], points: Points, main_is_loud: bool
) -> Base:
    """A base of its colours. points: theirs.

    A swatch's own OKLCH and Lab values are rounded for the answer. The scores use the exact values of its hex code.
    """
    weights = np.array([weight for _, weight in colors])
    weights = weights / weights.sum()
    seen = max(1, int((weights >= ANCHOR_SHARE).sum()))
    hexes = tuple(swatch.hex for swatch, _ in colors)
    return Base(
        garment_ids=tuple(garment.id for garment in garments),
        categories=tuple(garment.category for garment in garments),
        hexes=hexes,
        names=tuple(swatch.names.fashion.name for swatch, _ in colors),
        seen=seen,
        apart=seen if _are_listed(garments) else 1,
        points=points,
        weights=weights,
        target=_target(hexes, weights),
        anchor=_anchor(points, weights),
        place=_place(garments, main_is_loud=main_is_loud),
        printed=len(garments) == 1 and _is_print(points, weights),
    )


def _are_listed(garments: tuple[Garment, ...]) -> bool:
    """Whether the colours are a list that somebody gave. A list has no smaller colour that could return elsewhere."""
    return all(garment.area is None and garment.category == "unknown" for garment in garments)


def _target(hexes: tuple[str, ...], weights: Floats) -> tuple[str, ...]:
    salient = [code for k, code in enumerate(hexes) if k == 0 or weights[k] >= TARGET_SHARE]
    return tuple(dict.fromkeys(salient))[:MAX_TARGET_COLORS]


def _anchor(points: Points, weights: Floats) -> int | None:
    """The index of the largest colour that shows a hue, so that a black dress with red roses counts as red."""
    hued = np.flatnonzero(shows_hue(points.oklch) & (weights >= ANCHOR_SHARE))
    return int(hued[0]) if len(hued) else None


def _place(garments: tuple[Garment, ...], *, main_is_loud: bool) -> Place:
    """The base's place in the outfit.

    Shoes and accessories are the accent. A garment whose main colour is too loud for large areas is secondary, unless
    it covers the whole body.
    """
    if len(garments) > 1:
        return "look"
    if _is_added(garments[0].category):
        return "accent"
    return "secondary" if main_is_loud and covered_by(garments[0].category) != BODY else "main"


def _are_loud(points: Points) -> np.ndarray:
    """Which of the colours are too loud for large areas, as the nearest colour of the catalogue is, (n,)."""
    table = catalogue()
    nearest = np.argmin(delta_e_2000(points.lab[:, None], table.points.lab[None]), axis=1)
    return np.asarray(~table.allowed["main"][nearest])


def _is_print(points: Points, weights: Floats) -> bool:
    """Whether two of the larger colours are not just shades of each other."""
    oklch = take(points, np.flatnonzero(weights >= PRINT_SHARE)).oklch
    hued = shows_hue(oklch)
    turn = hue_difference_deg(oklch[:, None, 2], oklch[None, :, 2])
    step = np.abs(oklch[:, None, 0] - oklch[None, :, 0])
    both, none = hued[:, None] & hued, ~(hued[:, None] | hued)
    apart = np.where(both, turn > PRINT_HUE_DEG, np.where(none, step > PRINT_STEP, True))
    return bool(apart[~np.eye(len(oklch), dtype=bool)].any())
