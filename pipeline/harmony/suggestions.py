"""Makes suggestions: scores the schemes' combinations, chooses some, and describes them for the answer."""

from collections.abc import Sequence
from functools import cache, partial
from itertools import combinations as pairs
from typing import Any

import numpy as np
from msgspec import UNSET, structs

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000, hue_difference_deg
from pipeline.color.hex import hex_to_rgb
from pipeline.harmony.base_scores import BaseScores, score_bases, score_rows
from pipeline.harmony.bases import Base
from pipeline.harmony.catalogue import catalogue, catalogue_cvd_lab, catalogue_positions, cvd_lab
from pipeline.harmony.choice import choose
from pipeline.harmony.combinations import Combination, offers
from pipeline.harmony.pair_score import CALM_CHROMA, components_from_parts, take
from pipeline.harmony.percentile import percentile, rating_of
from pipeline.harmony.reasons import ECHO_DE00, Tone, relation_of, suggestion_reasons, told_once, tones, wearing_advice
from pipeline.harmony.schemes import MOODS, angles_of
from pipeline.options import HarmonyOptions
from pipeline.parts import (
    Coded,
    Components,
    CvdReport,
    SuggestedColor,
    Suggestion,
    SwapColor,
    Target,
    coded,
    worded,
)
from pipeline.types import Floats

# The constants below are taste.
# Each scheme offers this number of extra combinations, because some are too much like those chosen already.
SPARE = 8
# The most alternatives for one suggested colour, and how far their OKLCH hue may be from its own.
MAX_SWAPS = 3
SWAP_HUE_DEG = 35.0
# Where the first suggested colour is worn, by the kind of the base.
PLACES = {
    "top": "below", "outerwear": "under", "bottom": "above", "full_body": "over", "shoes": "around",
    "accessory": "around", "unknown": "beside", "look": "accent",
}  # fmt: skip


def suggest(bases: Sequence[Base], options: HarmonyOptions) -> tuple[tuple[Suggestion, ...], tuple[Coded, ...]]:
    """At most `options.max_suggestions` suggestions in the order of their rank, and what holds for all of them.

    The first three are a safe, a tonal and a daring one for the leading base, where the schemes leave room. The others
    follow base by base, the best of each first.
    """
    if options.max_suggestions == 0 or not bases:
        return (), ()
    scored = score_bases(bases, options.intent, options.wheel)
    schemes = tuple(dict.fromkeys(options.schemes))
    depth = SPARE + 4 * -(-options.max_suggestions // max(1, len(schemes)))
    chosen = choose(
        offers(scored, schemes, depth=depth),
        options.max_suggestions,
        grey=scored.anchor_positions[0] is None,
        calm=options.intent != "subtle" and float(bases[0].points.oklch[: bases[0].seen, 1].max()) < CALM_CHROMA,
    )
    worn = [tones(take(base.points, np.arange(base.seen)), base.names) for base in bases]
    found = [
        _suggestion(scored, one, cvd, worn=worn[one.base], options=options)
        for one, cvd in zip(chosen, _cvd_reports(scored, chosen), strict=True)
    ]
    trimmed, common = told_once(found)
    return tuple(_worded(one) for one in trimmed), worded(common, bases[0].hexes[0])


def _worded(one: Suggestion) -> Suggestion:
    """The suggestion in wordings that depend on its own colours alone."""
    seed = " ".join((*one.target.colors, *(color.name for color in one.colors)))
    return structs.replace(
        one,
        summary=worded([one.summary], seed)[0],
        reasons=worded(one.reasons, seed),
        how_to_wear=worded(one.how_to_wear, seed),
    )


# --- colour-blind vision ---------------------------------------------------------------------------------------
def _cvd_reports(scored: BaseScores, chosen: Sequence[Combination]) -> list[CvdReport]:
    """For each combination, the least ΔE00 of a suggested colour to the target's and the other suggested colours.

    Pairs within the target do not count, because a print's own shades say nothing about the advice. Neither does a
    colour of the target that returns, because it is meant to look the same. For speed, all combinations share one pass.
    """
    if not chosen:
        return []
    hexes = list(dict.fromkeys(code for base in scored.bases for code in base.target))
    row = {code: k for k, code in enumerate(hexes)}
    used = sorted({color for one in chosen for color in one.colors})
    column = {color: len(hexes) + k for k, color in enumerate(used)}
    rgb = np.array([hex_to_rgb(code) for code in hexes], dtype=float) / 255
    lab = np.concatenate([cvd_lab(rgb), catalogue_cvd_lab()[:, used]], axis=1)
    edges = [
        [(row[code], column[color]) for code, color in _different(scored, one)]
        + [(column[a], column[b]) for a, b in pairs(one.colors, 2)]
        for one in chosen
    ]
    flat = np.array([edge for group in edges for edge in group])
    starts = np.cumsum([0] + [len(group) for group in edges[:-1]])
    least = np.minimum.reduceat(delta_e_2000(lab[:, flat[:, 0]], lab[:, flat[:, 1]]), starts, axis=1)
    return [_cvd_report(*values) for values in least.T.tolist()]


def _different(scored: BaseScores, one: Combination) -> list[tuple[str, int]]:
    """The pairs of a target's and a suggested colour that are not one colour. The main colour is in some of them."""
    base, difference = scored.bases[one.base], scored.difference[one.base]
    return [
        (code, color)
        for code in base.target
        for color in one.colors
        if difference[base.hexes.index(code), color] > ECHO_DE00
    ]


def _cvd_report(protan: float, deutan: float, tritan: float) -> CvdReport:
    values = (round(protan, 1), round(deutan, 1), round(tritan, 1))
    return CvdReport(*values, distinct=min(values) >= DISTINCT_DE00)


# --- the answer's parts -----------------------------------------------------------------------------------------
def _suggestion(
    scored: BaseScores, one: Combination, cvd: CvdReport, *, worn: Sequence[Tone], options: HarmonyOptions
) -> Suggestion:
    """A combination as the answer has it. worn: the base's visible colours, the largest first."""
    table, base = catalogue(), scored.bases[one.base]
    added = [_catalogue_tones()[color] for color in one.colors]
    score = percentile(one.score, options.intent)
    return Suggestion(
        summary=_summary(base, one, worn),
        mood=MOODS[one.scheme],
        scheme=one.scheme,
        intent=options.intent,
        score=score,
        rating=rating_of(score),
        target=Target(base.garment_ids, base.target),
        components=_components(scored, one),
        colors=tuple(
            SuggestedColor(table.hexes[color], table.names[color], role, share)
            for color, (role, share) in zip(one.colors, one.layout, strict=True)
        ),
        reasons=suggestion_reasons(
            one.scheme,
            worn,
            added,
            related=_related(scored, one),
            turn_deg=_scheme_turn(scored, one)[0],
            echo_de00=_echo(scored.difference[one.base], one.colors),
            cvd_de00=min(cvd.protan_min_de00, cvd.deutan_min_de00, cvd.tritan_min_de00),
        ),
        how_to_wear=wearing_advice(
            base.categories,
            [(tone, role) for tone, (role, _) in zip(added, one.layout, strict=True)],
            base=worn,
            scheme=one.scheme,
            printed=base.printed,
            legs=_legs(one.colors[0], skirts=True),
            small="@leather" if table.wear["leather"][_accent(one)] else "@textile",
        ),
        cvd=cvd,
        alternatives=_swaps(scored, one) if "alternatives" in options.include else UNSET,
    )


def _summary(base: Base, one: Combination, worn: Sequence[Tone]) -> Coded:
    """What the suggestion does to the base, for a sentence that could be said aloud."""
    names = [catalogue().names[color] for color in one.colors]
    kind = "look" if len(base.categories) > 1 else base.categories[0]
    further: Any = dict(zip(("second", "third"), names[1:], strict=False))
    return coded(
        relation_of(one.scheme, worn[0], _catalogue_tones()[one.colors[0]]),
        place=PLACES[kind],
        kind=kind,
        base=base.names[0],
        name=names[0],
        legs=_legs(one.colors[0], skirts=False),
        **further,
    )


def _legs(color: int, *, skirts: bool) -> str:
    """What a catalogue colour is worn as on the legs, a word of the language file."""
    table = catalogue()
    if table.wear["jeans"][color]:
        return "@jeans" if table.groups[color] == "blues" else "@jeans_or_trousers" if skirts else "@trousers"
    return "@trousers_or_skirt" if skirts else "@trousers"


def _accent(one: Combination) -> int:
    """The catalogue index of the suggestion's first accent, or of its only colour."""
    roles = [role for role, _ in one.layout]
    return one.colors[roles.index("accent")] if "accent" in roles else one.colors[0]


@cache
def _catalogue_tones() -> list[Tone]:
    return tones(catalogue().points, catalogue().names)


def _components(scored: BaseScores, one: Combination) -> Components:
    """The parts of the score: means over the same pairs with the same weights."""
    shares = [share for _, share in one.layout]
    base_share = 1 - sum(shares)
    weights = [base_share * share for share in shares]
    parts = [scored.mean_parts[one.base][:, color] for color in one.colors]
    for i, j in pairs(range(len(shares)), 2):
        weights.append(shares[i] * shares[j])
        parts.append(catalogue().parts[:, one.colors[i], one.colors[j]])
    return components_from_parts(np.array(weights) @ np.array(parts) / sum(weights))


def _scheme_turn(scored: BaseScores, one: Combination) -> tuple[float, int]:
    """The measured angle on the wheel that stands for the scheme, and the place of its colour among the suggested ones.

    It is that of the colour nearest to the scheme's angle, among those that show a hue and have another name than the
    base's. A tetrad is known by its quarter turn, although it has an opposite too. The angle counts from the base's
    hue, or from the first suggested colour's where the base has none.
    """
    positions, table, base = catalogue_positions(scored.wheel), catalogue(), scored.bases[one.base]
    anchor = scored.anchor_positions[one.base]
    angles = angles_of(one.scheme)
    hued = [k for k in range(0 if anchor is not None else 1, len(one.colors)) if table.hued[one.colors[k]]]
    told = base.names[base.anchor] if base.anchor is not None else table.names[one.colors[0]]
    places = [k for k in hued if table.names[one.colors[k]] != told] or hued
    if not places or not angles:
        return 0.0, 0
    start = float(positions[one.colors[0]]) if anchor is None else anchor
    turns = [(hue_difference_deg(float(positions[one.colors[k]]), start), k) for k in places]
    return min(turns, key=lambda turn: abs(turn[0] - angles[0]))


def _related(scored: BaseScores, one: Combination) -> tuple[str, str]:
    """The names of the two colours that stand in the scheme's relation: a suggested one, and the base's or another."""
    names, base = catalogue().names, scored.bases[one.base]
    if one.scheme == "monochromatic" or base.anchor is not None:
        return names[one.colors[_scheme_turn(scored, one)[1]]], base.names[base.anchor or 0]
    return names[one.colors[_scheme_turn(scored, one)[1]]], names[one.colors[0]]


def _echo(difference: Floats, colors: tuple[int, ...]) -> float | None:
    """The least ΔE00 from a suggested colour to the base's smaller colours; None when the base has one colour."""
    return float(difference[1:, colors].min()) if len(difference) > 1 else None


def _swaps(scored: BaseScores, one: Combination) -> tuple[SwapColor, ...]:
    """The best replacements of each suggested colour (neutral, or of a similar hue), with the score that they give."""
    table, shares = catalogue(), np.array([share for _, share in one.layout])
    rise = partial(percentile, intent=scored.intent)
    swaps: list[SwapColor] = []
    for k, color in enumerate(one.colors):
        rows = np.tile(np.array(one.colors), (len(table.names), 1))
        rows[:, k] = np.arange(len(table.names))
        base = np.full(len(rows), one.base)
        scores = score_rows(scored, base, rows, np.broadcast_to(shares, rows.shape))
        scores = np.where(_swappable(scored, one, k), scores, 0.0)
        best = np.argsort(-scores, kind="stable")[:MAX_SWAPS]
        swaps += [
            SwapColor(table.hexes[color], table.hexes[other], table.names[other], rise(float(scores[other])))
            for other in best.tolist()
            if scores[other] > 0
        ]
    return tuple(swaps)


def _swappable(scored: BaseScores, one: Combination, k: int) -> np.ndarray:
    """Which catalogue colours can replace the k-th one: same role, same kind, and distinct from the other colours."""
    table, color = catalogue(), one.colors[k]
    fit = scored.distinct[one.base] & table.allowed[one.layout[k][0]]
    fit[list(one.colors)] = False
    for other in one.colors:
        if other != color:
            fit &= table.difference[other] >= DISTINCT_DE00
    if table.neutral[color]:
        return np.asarray(fit & table.neutral)
    hue = table.points.oklch[:, 2]
    return np.asarray(fit & table.hued & (hue_difference_deg(hue, hue[color]) <= SWAP_HUE_DEG))
