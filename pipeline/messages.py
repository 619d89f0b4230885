"""Texts by code and language, one TOML file each in languages/; imports the standard library only."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pipeline.types import Notice

LANGUAGES_DIR = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in LANGUAGES_DIR.glob("*.toml")))
Section = Literal["warnings", "reasons", "how_to_wear"]


@cache
def catalogue(lang: str) -> dict[str, dict[str, str]]:
    """All texts of one language: section -> code -> template. Raises KeyError for a language without a file."""
    if lang not in LANGUAGES:
        raise KeyError(lang)
    with (LANGUAGES_DIR / f"{lang}.toml").open("rb") as file:
        return tomllib.load(file)


def codes(section: Section) -> tuple[str, ...]:
    """Every code of a section, as published in the OpenAPI document."""
    return tuple(catalogue("en")[section])


def notice(section: Section, code: str, lang: str, *, value: float | None = None, **words: Any) -> Notice:
    """One coded message in a language; `words` fill the template's other placeholders."""
    template = catalogue(lang)[section][code]
    return Notice(code, template.format(value=value, **words), value)
