"""Tools for assistants over the Model Context Protocol: colour advice in this process, without a server.

`stylesync mcp` speaks the protocol over standard input and output. Answers are short: an assistant reads every word.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from models.advice import Choices, advise
from models.cards import ModelError
from pipeline.color.hex import hex_to_rgb
from pipeline.color.naming import name_colors
from pipeline.color.words import parse_color
from pipeline.contract import AdviceBody
from pipeline.errors import ColorMatchError
from pipeline.palette.files import export
from pipeline.palette.swatches import spoken
from pipeline.types import Category, GarmentClass, Intent
from serve.version import VERSION

INSTRUCTIONS = (
    "Colour advice for clothes. advise_photo finds the garments of a photo, their colours, and what goes with them; "
    "advise_colors does the same for colours alone; palette writes colours as a file. Scores rank combinations by "
    "rules of colour harmony; they do not measure beauty. A colour is a hex code, a word of cloth such as navy or "
    "camel, or a CSS colour."
)
ColorTexts = Annotated[
    list[str], Field(min_length=1, max_length=12, description="Such as ['navy', '#c19a6b']; the main colour first.")
]
Loudness = Annotated[Intent, Field(description="How far the suggestions may stand out.")]
Count = Annotated[int, Field(ge=1, le=8, description="The most suggestions.")]


class Piece(BaseModel):
    """A garment that the person owns."""

    id: str = Field(description="Any name that the answer may use.")
    colors: ColorTexts
    category: Category | None = Field(None, description="What it is, where known.")


Wardrobe = Annotated[list[Piece], Field(max_length=100, description="What the person owns; matches name these ids.")]

server = MCPServer("stylesync", instructions=INSTRUCTIONS, version=VERSION, log_level="WARNING")


@server.tool()
def advise_photo(
    path: Annotated[str, Field(description="A JPEG, PNG, WebP or AVIF file on this machine.")],
    intent: Loudness = "balanced",
    category: Annotated[GarmentClass | None, Field(description="What the garment is, where known.")] = None,
    max_suggestions: Count = 3,
    wardrobe: Wardrobe = [],  # noqa: B006
) -> dict[str, Any]:
    """Find the garments in a photo of clothes, their named colours, and what goes with them."""
    choices = _choices(intent, max_suggestions, wardrobe)
    if category is not None:
        choices["category"] = category
    return _advice(photo=path, **choices)


@server.tool()
def advise_colors(
    colors: ColorTexts,
    intent: Loudness = "balanced",
    max_suggestions: Count = 3,
    wardrobe: Wardrobe = [],  # noqa: B006
) -> dict[str, Any]:
    """Find what goes with 1 to 12 colours of clothes, and why."""
    return _advice(colors=colors, **_choices(intent, max_suggestions, wardrobe))


@server.tool()
def palette(
    colors: ColorTexts,
    format: Annotated[
        Literal["json", "css", "svg", "gpl"], Field(description="gpl is a GIMP palette; svg is a picture.")
    ] = "json",
) -> str:
    """Write colours as a palette file, each with its nearest name."""
    try:
        codes = [parse_color(text).hex for text in colors]
        names = name_colors(np.array([hex_to_rgb(code) for code in codes]) / 255)
        named = [(code, name.fashion.name) for code, name in zip(codes, names, strict=True)]
        return export(named, format)[0].decode()
    except ColorMatchError as error:
        raise ToolError(error.detail) from error


def main() -> None:
    """Serves the tools over standard input and output until the input ends."""
    server.run("stdio")


def _choices(intent: Intent, most: int, wardrobe: Sequence[Piece]) -> Choices:
    return {
        "intent": intent,
        "max_suggestions": most,
        "wardrobe": [
            {"id": one.id, "colors": one.colors, **({"category": one.category} if one.category else {})}
            for one in wardrobe
        ],
    }


def _advice(**asked: Any) -> dict[str, Any]:
    try:
        return brief(advise(**asked))
    except (ColorMatchError, ModelError) as error:
        raise ToolError(error.detail if isinstance(error, ColorMatchError) else str(error)) from error
    except OSError as error:
        raise ToolError(f"{error.filename}: {error.strerror or 'it cannot be read'}.") from error


def brief(advice: AdviceBody) -> dict[str, Any]:
    """The parts of an answer that an assistant tells on."""
    return {
        "garments": [
            {
                "id": garment.id,
                "category": garment.category,
                "pattern": garment.pattern.kind if garment.pattern else None,
                "colors": [
                    {"hex": color.hex, "name": spoken(color), "share": round(color.share, 2)}
                    for color in garment.colors
                ],
            }
            for garment in advice.garments
        ],
        "suggestions": [
            {
                "summary": one.summary,
                "mood": one.mood,
                "rating": one.rating,
                "colors": [{"hex": color.hex, "name": color.name, "role": color.role} for color in one.colors],
                "why": [reason.text for reason in one.reasons],
                "how_to_wear": [said.text for said in one.how_to_wear],
            }
            for one in advice.suggestions
        ],
        "holds_for_all": [said.text for said in advice.common],
        "matches": [{"id": match.item_id, "rating": match.rating, "score": match.score} for match in advice.matches],
        "outfits": [
            {"ids": outfit.item_ids, "rating": outfit.rating, "missing": outfit.missing} for outfit in advice.outfits
        ],
        "warnings": [warning.text for warning in advice.warnings],
    }
