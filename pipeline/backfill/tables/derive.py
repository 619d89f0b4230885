"""Derives the tables `colors` and `suggestions` from answers."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pyarrow as pa

from pipeline.contract import AdviceBody, Suggestion, advice_of_json

COLORS = pa.schema(
    [
        ("id", pa.string()),
        ("garment_id", pa.string()),
        ("category", pa.string()),
        ("pattern", pa.string()),
        ("garment_area", pa.float64()),
        ("rank", pa.int32()),
        ("role", pa.string()),
        ("hex", pa.string()),
        ("share", pa.float64()),
        ("oklch_l", pa.float64()),
        ("oklch_c", pa.float64()),
        ("oklch_h", pa.float64()),
        ("lab_l", pa.float64()),
        ("lab_a", pa.float64()),
        ("lab_b", pa.float64()),
        ("confidence", pa.float64()),
        ("temperature", pa.string()),
        ("neutral", pa.bool_()),
        ("name_basic", pa.string()),
        ("name_iscc_nbs", pa.string()),
        ("name_fashion", pa.string()),
    ]
)
_SUGGESTED = pa.struct([("hex", pa.string()), ("name", pa.string()), ("role", pa.string()), ("share", pa.float64())])
SUGGESTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("rank", pa.int32()),
        ("summary", pa.string()),
        ("mood", pa.string()),
        ("scheme", pa.string()),
        ("intent", pa.string()),
        ("score", pa.float64()),
        ("rating", pa.string()),
        ("garment_ids", pa.list_(pa.string())),
        ("colors", pa.list_(_SUGGESTED)),
        ("reasons", pa.list_(pa.string())),
        ("how_to_wear", pa.list_(pa.string())),
        ("cvd_distinct", pa.bool_()),
    ]
)


# --- rows -------------------------------------------------------------------------------------------------------
def derive(answers: pa.Table) -> dict[str, pa.Table]:
    """`colors`, a row per colour of a garment, and `suggestions`, a row per suggestion, of a table of answers."""
    colors: list[dict[str, Any]] = []
    suggestions: list[dict[str, Any]] = []
    for id, text in zip(answers["id"].to_pylist(), answers["answer"].to_pylist(), strict=True):
        answer = advice_of_json(text)
        colors.extend(_color_rows(id, answer))
        suggestions.extend(_suggestion_row(id, rank, one) for rank, one in enumerate(answer.suggestions, 1))
    return {
        "colors": pa.Table.from_pylist(colors, schema=COLORS),
        "suggestions": pa.Table.from_pylist(suggestions, schema=SUGGESTIONS),
    }


def _color_rows(id: str, answer: AdviceBody) -> Iterable[dict[str, Any]]:
    for garment in answer.garments:
        for rank, color in enumerate(garment.colors, 1):
            (oklch_l, oklch_c, oklch_h), (lab_l, lab_a, lab_b) = color.oklch, color.lab
            yield {
                "id": id,
                "garment_id": garment.id,
                "category": garment.category,
                "pattern": garment.pattern.kind if garment.pattern else None,
                "garment_area": garment.area,
                "rank": rank,
                "role": color.role,
                "hex": color.hex,
                "share": color.share,
                "oklch_l": oklch_l,
                "oklch_c": oklch_c,
                "oklch_h": oklch_h,
                "lab_l": lab_l,
                "lab_a": lab_a,
                "lab_b": lab_b,
                "confidence": color.confidence,
                "temperature": color.temperature,
                "neutral": color.neutral,
                "name_basic": color.names.basic.name,
                "name_iscc_nbs": color.names.iscc_nbs.name,
                "name_fashion": color.names.fashion.name,
            }


def _suggestion_row(id: str, rank: int, one: Suggestion) -> dict[str, Any]:
    return {
        "id": id,
        "rank": rank,
        "summary": one.summary,
        "mood": one.mood,
        "scheme": one.scheme,
        "intent": one.intent,
        "score": one.score,
        "rating": one.rating,
        "garment_ids": list(one.target.garment_ids),
        "colors": [msgspec.to_builtins(color) for color in one.colors],
        "reasons": [reason.code for reason in one.reasons],
        "how_to_wear": [advice.code for advice in one.how_to_wear],
        "cvd_distinct": one.cvd.distinct,
    }
