"""Suggests classic neutrals when the schemes fail."""

from collections.abc import Sequence

import numpy as np

from pipeline.color.difference import DISTINCT_DE00, delta_e_2000
from pipeline.color.hex import hex_to_rgb
from pipeline.harmony.bases import by_salience
from pipeline.harmony.catalogue import cvd_lab
from pipeline.harmony.pair_score import components_from_parts, pair_parts, pair_score, points_from_hexes
from pipeline.harmony.percentile import percentile, rating_of
from pipeline.options import HarmonyOptions
from pipeline.parts import CvdReport, Garment, SuggestedColor, Suggestion, Target, coded

# Taste: names and colours of the fashion vocabulary. The order decides between neutrals of equal score.
CLASSICS = (
    ("off-white", "#f5f2ea"),
    ("black", "#111113"),
    ("navy", "#1f2a44"),
    ("camel", "#c19a6b"),
    ("grey", "#808080"),
    ("denim", "#52709a"),
    ("beige", "#cfb997"),
    ("chocolate", "#4b2e22"),
)
# Taste: the 30 of 60-30-10, the share of one suggested colour in the whole outfit.
SHARE = 0.3


def classics(garments: Sequence[Garment], options: HarmonyOptions) -> tuple[Suggestion, ...]:
    """One suggestion for each neutral that suits the leading garment, best first. Never raises: an error gives none."""
    try:
        return _classics(garments, options)
    except Exception:
        return ()


def _classics(garments: Sequence[Garment], options: HarmonyOptions) -> tuple[Suggestion, ...]:
    garments = by_salience(garments)
    if not garments:
        return ()
    garment = garments[0]
    worn, base_name = garment.colors[0].hex, garment.colors[0].names.fashion.name
    suggestions = [
        _suggestion(garment.id, (base_name, worn), name, code, options=options)
        for name, code in CLASSICS
        if _difference(worn, code) >= DISTINCT_DE00
    ]
    suggestions.sort(key=lambda suggestion: -suggestion.score)
    return tuple(suggestions[: options.max_suggestions])


def _suggestion(garment_id: str, base: tuple[str, str], name: str, code: str, *, options: HarmonyOptions) -> Suggestion:
    base_name, worn = base
    parts = pair_parts(points_from_hexes([worn]), points_from_hexes([code]))
    score = percentile(float(pair_score(parts)[0, 0]), "balanced")
    return Suggestion(
        summary=coded("ground", place="beside", kind="unknown", base=base_name, name=name, legs="@trousers"),
        mood="safe",
        scheme="neutral",
        intent=options.intent,
        score=score,
        rating=rating_of(score),
        target=Target((garment_id,), (worn,)),
        components=components_from_parts(parts[:, 0, 0]),
        colors=(SuggestedColor(code, name, "secondary", SHARE),),
        reasons=(coded("NEUTRAL_ANCHOR", name=name),),
        how_to_wear=(coded("ONE_LEADS"),),
        cvd=_cvd(worn, code),
    )


def _difference(first: str, second: str) -> float:
    lab = points_from_hexes([first, second]).lab
    return float(delta_e_2000(lab[0], lab[1]))


def _cvd(first: str, second: str) -> CvdReport:
    lab = cvd_lab(np.array([hex_to_rgb(first), hex_to_rgb(second)], dtype=float) / 255)
    protan, deutan, tritan = (round(float(value), 1) for value in delta_e_2000(lab[:, 0], lab[:, 1]))
    return CvdReport(protan, deutan, tritan, distinct=min(protan, deutan, tritan) >= DISTINCT_DE00)
