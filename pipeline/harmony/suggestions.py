"""Makes suggestions: scores the schemes' combinations, chooses some, and describes them for the answer."""

from collections.abc import Sequence
from functools import cache
from itertools import combinations as pairs

import numpy as np
from msgspec import UNSET

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000, hue_difference_deg
from pipeline.color.hex import hex_to_rgb
from pipeline.harmony.base_scores import BaseScores, score_base, score_rows
from pipeline.harmony.bases import Base
from pipeline.harmony.catalogue import catalogue, catalogue_cvd_lab, catalogue_positions, cvd_lab
from pipeline.harmony.choice import choose
from pipeline.harmony.combinations import Combination, offers
from pipeline.harmony.pair_score import components_from_parts
from pipeline.harmony.reasons import Tone, suggestion_reasons, tones, wearing_advice
from pipeline.harmony.schemes import angles_of
from pipeline.options import HarmonyOptions
from pipeline.parts import Components, CvdReport, SuggestedColor, Suggestion, SwapColor, Target

# The constants below are taste.
# Each scheme offers this number of extra combinations, because some are too much like those chosen already.
SPARE = 8
# The most alternatives for one suggested colour, and how far their OKLCH hue may be from its own.
MAX_SWAPS = 3
SWAP_HUE_DEG = 35.0


def suggest(bases: Sequence[Base], options: HarmonyOptions) -> tuple[Suggestion, ...]:
    """At most `options.max_suggestions` suggestions, grouped by base, the best of each base first."""
    if options.max_suggestions == 0:
        return ()
    scored_bases = [score_base(base, options.intent, options.wheel) for base in bases]
    schemes = tuple(dict.fromkeys(options.schemes))
    depth = SPARE + 4 * -(-options.max_suggestions // max(1, len(schemes)))
    queues = [queue for k, scored in enumerate(scored_bases) for queue in offers(scored, k, schemes, depth=depth)]
    chosen = sorted(choose(queues, options.max_suggestions), key=lambda one: (one.base, -one.score))
    base_tones = [tones(scored.base.points)[0] for scored in scored_bases]
    reports = _cvd_reports(scored_bases, chosen)
    return tuple(
        _suggestion(scored_bases[one.base], one, cvd, base_tone=base_tones[one.base], options=options)
        for one, cvd in zip(chosen, reports, strict=True)
    )


# --- colour-blind vision ---------------------------------------------------------------------------------------
def _cvd_reports(scored_bases: Sequence[BaseScores], chosen: Sequence[Combination]) -> list[CvdReport]:
    """For each combination, the least ΔE00 of a suggested colour to the target's and the other suggested colours.

    Pairs within the target do not count, because a print's own shades say nothing about the advice. For speed, all
    combinations share one pass.
    """
    if not chosen:
        return []
    hexes = list(dict.fromkeys(code for scored in scored_bases for code in scored.base.target))
    row = {code: k for k, code in enumerate(hexes)}
    used = sorted({color for one in chosen for color in one.colors})
    column = {color: len(hexes) + k for k, color in enumerate(used)}
    rgb = np.array([hex_to_rgb(code) for code in hexes], dtype=float) / 255
    lab = np.concatenate([cvd_lab(rgb), catalogue_cvd_lab()[:, used]], axis=1)
    edges = [
        [(row[code], column[color]) for code in scored_bases[one.base].base.target for color in one.colors]
        + [(column[a], column[b]) for a, b in pairs(one.colors, 2)]
        for one in chosen
    ]
    flat = np.array([edge for group in edges for edge in group])
    starts = np.cumsum([0] + [len(group) for group in edges[:-1]])
    least = np.minimum.reduceat(delta_e_2000(lab[:, flat[:, 0]], lab[:, flat[:, 1]]), starts, axis=1)
    return [_cvd_report(*values) for values in least.T.tolist()]


def _cvd_report(protan: float, deutan: float, tritan: float) -> CvdReport:
    values = (round(protan, 1), round(deutan, 1), round(tritan, 1))
    return CvdReport(*values, distinct=min(values) >= DISTINCT_DE00)


# --- the answer's parts -----------------------------------------------------------------------------------------
def _suggestion(
    scored: BaseScores, one: Combination, cvd: CvdReport, *, base_tone: Tone, options: HarmonyOptions
) -> Suggestion:
    table, base = catalogue(), scored.base
    all_tones = _catalogue_tones()
    added = [all_tones[color] for color in one.colors]
    return Suggestion(
        scheme=one.scheme,
        intent=options.intent,
        score=one.score,
        target=Target(base.garment_ids, base.target),
        components=_components(scored, one),
        colors=tuple(
            SuggestedColor(table.hexes[color], table.names[color], role, share)
            for color, (role, share) in zip(one.colors, one.layout, strict=True)
        ),
        reasons=suggestion_reasons(
            one.scheme,
            base_tone,
            added,
            turn_deg=_scheme_turn(scored, one),
            echo_de00=_echo(scored, one.colors),
        ),
        how_to_wear=wearing_advice(
            base.categories,
            [(tone, role) for tone, (role, _) in zip(added, one.layout, strict=True)],
            base=base_tone,
            scheme=one.scheme,
            printed=base.printed,
        ),
        cvd=cvd,
        alternatives=_swaps(scored, one) if "alternatives" in options.include else UNSET,
    )


@cache
def _catalogue_tones() -> list[Tone]:
    return tones(catalogue().points, catalogue().names)


def _components(scored: BaseScores, one: Combination) -> Components:
    """The parts of the score: means over the same pairs with the same weights."""
    shares = [share for _, share in one.layout]
    base_share = 1 - sum(shares)
    weights = [base_share * share for share in shares]
    parts = [scored.mean_parts[:, color] for color in one.colors]
    for i, j in pairs(range(len(shares)), 2):
        weights.append(shares[i] * shares[j])
        parts.append(catalogue().parts[:, one.colors[i], one.colors[j]])
    return components_from_parts(np.array(weights) @ np.array(parts) / sum(weights))


def _scheme_turn(scored: BaseScores, one: Combination) -> float:
    """The measured angle on the wheel that stands for the scheme: that of the colour nearest to the scheme's angle.

    A tetrad is known by its quarter turn, although it has an opposite too. The angle counts from the base's hue, or
    from the first suggested colour's where the base has none.
    """
    positions = catalogue_positions(scored.wheel)
    anchor = scored.anchor_position
    others = one.colors if anchor is not None else one.colors[1:]
    angles = angles_of(one.scheme)
    if not others or not angles:
        return 0.0
    wanted = angles[0]
    start = float(positions[one.colors[0]]) if anchor is None else anchor
    turns = [hue_difference_deg(float(positions[color]), start) for color in others]
    return min(turns, key=lambda turn: abs(turn - wanted))


def _echo(scored: BaseScores, colors: tuple[int, ...]) -> float | None:
    """The least ΔE00 from a suggested colour to the base's smaller colours; None when the base has one colour."""
    return float(scored.difference[1:, colors].min()) if len(scored.difference) > 1 else None


def _swaps(scored: BaseScores, one: Combination) -> tuple[SwapColor, ...]:
    """The best replacements of each suggested colour (neutral, or of a similar hue), with the score that they give."""
    table, shares = catalogue(), np.array([share for _, share in one.layout])
    swaps: list[SwapColor] = []
    for k, color in enumerate(one.colors):
        rows = np.tile(np.array(one.colors), (len(table.names), 1))
        rows[:, k] = np.arange(len(table.names))
        scores = np.where(
            _swappable(scored, one, k), score_rows(scored, rows, np.broadcast_to(shares, rows.shape)), 0.0
        )
        best = np.argsort(-scores, kind="stable")[:MAX_SWAPS]
        swaps += [
            SwapColor(table.hexes[color], table.hexes[other], table.names[other], round(float(scores[other]), 3))
            for other in best.tolist()
            if scores[other] > 0
        ]
    return tuple(swaps)


def _swappable(scored: BaseScores, one: Combination, k: int) -> np.ndarray:
    """Which catalogue colours can replace the k-th one: same role, same kind, and distinct from the other colours."""
    table, color = catalogue(), one.colors[k]
    fit = scored.distinct & table.allowed[one.layout[k][0]]
    fit[list(one.colors)] = False
    for other in one.colors:
        if other != color:
            fit &= table.difference[other] >= DISTINCT_DE00
    if table.neutral[color]:
        return np.asarray(fit & table.neutral)
    hue = table.points.oklch[:, 2]
    return np.asarray(fit & table.hued & (hue_difference_deg(hue, hue[color]) <= SWAP_HUE_DEG))
