"""Reads the texts of codes in each language, from one TOML file per language in `languages/`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pipeline.parts import Coded

LANGUAGES_DIR = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in LANGUAGES_DIR.glob("*.toml")))
Section = Literal["warnings", "reasons", "how_to_wear"]


@cache
def catalogue(lang: str) -> dict[str, dict[str, str]]:
    """The message catalogue of a language: section, code, template. Raises KeyError for a language without a file."""
    if lang not in LANGUAGES:
        raise KeyError(lang)
    with (LANGUAGES_DIR / f"{lang}.toml").open("rb") as file:
        return tomllib.load(file)


def codes(section: Section) -> tuple[str, ...]:
    """All codes of a section. The OpenAPI document publishes them."""
    return tuple(catalogue("en")[section])


def text_of(section: Section, said: Coded, lang: str) -> str:
    """The text of a code in a language. Raises KeyError for a code that the section does not have."""
    return catalogue(lang)[section][said.code].format(value=said.value, **dict(said.words))
