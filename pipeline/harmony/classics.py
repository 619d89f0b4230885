"""The neutrals that go with anything, for when the schemes fail; tables and single pairs, numpy only."""

from collections.abc import Sequence

import numpy as np

from pipeline.color.css import hex_to_rgb
from pipeline.color.difference import DISTINCT_DE00, delta_e_2000
from pipeline.harmony.bases import by_salience
from pipeline.harmony.catalogue import cvd_lab
from pipeline.harmony.pair_score import components_from_parts, pair_parts, pair_score, points_from_hexes
from pipeline.options import HarmonyOptions
from pipeline.parts import CvdReport, Garment, SuggestedColor, Suggestion, Target, coded

# Name, hex (of the fashion vocabulary; a test compares), the order being that of preference among equals.
CLASSICS = (
    ("off-white", "#f5f2ea"),
    ("black", "#111113"),
    ("navy", "#1f2a44"),
    ("camel", "#c19a6b"),
    ("mid grey", "#7f8184"),
    ("denim", "#52709a"),
    ("beige", "#cfb997"),
    ("chocolate", "#4b2e22"),
)
SHARE = 0.3


def classics(garments: Sequence[Garment], options: HarmonyOptions) -> tuple[Suggestion, ...]:
    """One neutral each for the garment that leads, best first; nothing at all rather than an error."""
    try:
        return _classics(garments, options)
    except Exception:
        return ()


def _classics(garments: Sequence[Garment], options: HarmonyOptions) -> tuple[Suggestion, ...]:
    garments = by_salience(garments)
    if not garments:
        return ()
    garment = garments[0]
    worn = garment.colors[0].hex
    found = [_suggestion(garment.id, worn, name, code, options=options) for name, code in CLASSICS]
    found.sort(key=lambda one: -one.score)
    apart = [
        one for one in found if one.components.separation > 0 and _difference(worn, one.colors[0].hex) >= DISTINCT_DE00
    ]
    return tuple(apart[: options.max_suggestions])


def _suggestion(garment_id: str, worn: str, name: str, code: str, *, options: HarmonyOptions) -> Suggestion:
    parts = pair_parts(points_from_hexes([worn]), points_from_hexes([code]))
    return Suggestion(
        scheme="neutral",
        intent=options.intent,
        score=round(float(pair_score(parts)[0, 0]), 3),
        target=Target((garment_id,), (worn,)),
        components=components_from_parts(parts[:, 0, 0]),
        colors=(SuggestedColor(code, name, "secondary", SHARE),),
        reasons=(coded("CLASSIC_NEUTRAL"),),
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
