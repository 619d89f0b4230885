"""`stylesync advise`: advice in this process, as a table, as JSON or as a picture."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pipeline.errors import ColorMatchError, InvalidOptions

# Taste: suggestions that fit a screen.
SUGGESTIONS = 3
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks on the command line. options: a JSON object; the other fields stand above it."""

    words: tuple[str, ...]
    options: str = "{}"
    intent: str | None = None
    suggestions: int | None = None
    model: str | None = None


class CannotAdvise(Exception):
    """The request is refused; the one argument says why and what to do."""


def run(asked: Asked, *, as_json: bool, picture: Path | None) -> int:
    """Prints the advice. Exit status: 0, or 2 when refused."""
    from models.cards import ModelError

    try:
        photo = photo_of(asked.words)
        if photo is None and picture is not None:
            raise CannotAdvise("--picture needs a photo: the advice is drawn on it.")
        choices = _choices(asked, most=None if as_json or picture else SUGGESTIONS)
        advice = _advised(asked, photo, choices, picture)
    except (CannotAdvise, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ColorMatchError as error:
        sys.stderr.write(f"{_plain(error)}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{error.filename or photo}: {error.strerror or 'it cannot be read'}.\n")
        return 2
    if as_json:
        sys.stdout.write(msgspec.json.encode(advice).decode() + "\n")
    else:
        Console(highlight=False).print(table_of(advice))
    return 0


def photo_of(words: tuple[str, ...]) -> Path | None:
    """The photo that the words name; None when they are colours. Raises CannotAdvise for several photos or a mix."""
    photos = [word for word in words if Path(word).is_file() or word.lower().endswith(IMAGE_SUFFIXES)]
    if not photos:
        return None
    if len(words) > 1:
        raise CannotAdvise(
            "Give one photo, or colours. For many photos: stylesync backfill --input FOLDER --output OUT"
        )
    return Path(photos[0])


def _choices(asked: Asked, *, most: int | None) -> dict[str, Any]:
    try:
        choices = msgspec.json.decode(asked.options, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidOptions("--options is not a JSON object, such as '{\"max_colors\": 3}'.") from error
    if asked.intent is not None:
        choices["intent"] = asked.intent
    if asked.suggestions is not None:
        choices["max_suggestions"] = asked.suggestions
    elif most is not None:
        choices.setdefault("max_suggestions", most)
    return choices


def _advised(asked: Asked, photo: Path | None, choices: dict[str, Any], picture: Path | None) -> Any:
    # The network's packages take seconds to import, so they wait until the arguments are known to be good.
    from models.advice import advise_colors, look_at, options_of
    from models.cards import DEFAULT_MODEL

    options = options_of(choices)
    if photo is None:
        return advise_colors(asked.words, options)
    if picture is not None:
        options = replace(options, include=tuple({*options.include, "masks"}))
    look = look_at(photo, options, model=asked.model or DEFAULT_MODEL)
    if picture is not None:
        from pipeline.picture.page import page

        picture.parent.mkdir(parents=True, exist_ok=True)
        page(photo.name, look.image, look.advice, options).save(picture, "PNG")
        sys.stderr.write(f"{photo} -> {picture}\n")
    return look.advice


def _plain(error: ColorMatchError) -> str:
    """The error's sentence. A pointer of JSON means nothing on a command line, unless it names an option."""
    text = error.detail
    return text.partition(": ")[2] if text.startswith("/colors/") else text


# --- the table ------------------------------------------------------------------------------------------------
def table_of(advice: Any) -> Group:
    """An answer as tables: the garments with their colours, then what goes with them."""
    garments = Table(box=None, pad_edge=False, show_header=False)
    for garment in advice.garments:
        kind = "" if garment.category == "unknown" else garment.category.replace("_", " ")
        pattern = garment.pattern.kind.replace("_", " ") if garment.pattern and garment.category != "unknown" else ""
        garments.add_row(Text(kind, "bold"), Text(pattern), _swatches(garment.colors))
    suggestions = Table(box=None, pad_edge=False, show_header=False)
    for one in advice.suggestions:
        colors = Text("  ").join(_chip(color.hex, color.name) for color in one.colors)
        suggestions.add_row(Text(one.mood, "bold"), Text(one.rating), colors)
        suggestions.add_row("", "", Text(one.summary, "italic"))
    parts: list[Any] = [garments]
    if advice.suggestions:
        parts += ["", Text("Goes with it", "bold underline"), suggestions]
    if advice.matches:
        matches = Table(box=None, pad_edge=False, show_header=False)
        for match in advice.matches:
            matches.add_row(match.item_id, match.rating, f"{match.score:.2f}")
        parts += ["", Text("From the wardrobe", "bold underline"), matches]
    parts += [Text(warning.text, "yellow") for warning in advice.warnings]
    return Group(*parts)


def _swatches(colors: Iterable[Any]) -> Text:
    from pipeline.palette.swatches import spoken

    return Text("  ").join(_chip(color.hex, spoken(color)).append(f" {color.share:.0%}") for color in colors)


def _chip(code: str, name: str) -> Text:
    """A square of the colour, its name and its hex code."""
    return Text.assemble(("■", code), " ", name, " ", (code, "dim"))
