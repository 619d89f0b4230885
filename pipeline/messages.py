"""Reads the texts of codes in each language, from one TOML file per language in `languages/`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pipeline.parts import Coded

LANGUAGES_DIR = Path(__file__).parent / "languages"
LANGUAGES = tuple(sorted(path.stem for path in LANGUAGES_DIR.glob("*.toml")))
Section = Literal["warnings", "reasons", "how_to_wear"]


VOWELS = "aeiou"


class _Word(str):
    """A word that a template may write with its article ({name:a}, {name:t}) or with a capital ({name:C}, {name:A})."""

    def __format__(self, spec: str) -> str:
        plain = str(self)
        article = "an" if plain[:1] in VOWELS and plain[:2] != "eu" else "a"
        forms = {"a": f"{article} {plain}", "A": f"{article.capitalize()} {plain}", "t": f"the {plain}"}
        return forms.get(spec) or (plain[:1].upper() + plain[1:] if spec == "C" else plain)


@cache
def catalogue(lang: str) -> dict[str, Any]:
    """The message catalogue of a language: section, code, wordings. Raises KeyError for a language without a file."""
    if lang not in LANGUAGES:
        raise KeyError(lang)
    with (LANGUAGES_DIR / f"{lang}.toml").open("rb") as file:
        return tomllib.load(file)


def codes(section: Section) -> tuple[str, ...]:
    """All codes of a section. The OpenAPI document publishes them."""
    return tuple(catalogue("en")[section])


def text_of(section: Section, said: Coded, lang: str) -> str:
    """The text of a code in a language. Raises KeyError for a code that the section does not have."""
    return _chosen(catalogue(lang)[section][said.code], said.variant).format(value=said.value, **_words(said, lang))


def summary_of(said: Coded, lang: str) -> str:
    """A suggestion's sentence: what is worn, what it does, and to what. The code says what it does.

    words: `place` (where it is worn), `kind` (of the base), `base` and `name` (colours), and `second` and `third` where
    there are more colours.
    """
    table, words = catalogue(lang)["summary"], _words(said, lang)
    plural = words["place"] == "below"
    does = _chosen(table["does"][said.code], said.variant)
    plural_form, _, singular_form = does.partition("|")
    does = (plural_form if plural or not singular_form else singular_form).format(s="" if plural else "s")
    rest = table["rest"]["two" if "third" in words else "one"] if "second" in words else [""]
    return _chosen(table["SENTENCE"], said.variant).format(
        what=_chosen(table["what"][words["place"]], said.variant).format(**words),
        does=does,
        base=table["base"][words["kind"]].format(name=words["base"]),
        rest=_chosen(rest, said.variant // 7).format(**words),
    )


def _words(said: Coded, lang: str) -> dict[str, _Word]:
    own = catalogue(lang)["words"]
    return {name: _Word(own[word[1:]] if word.startswith("@") else word) for name, word in said.words}


def _chosen(wordings: list[str], variant: int) -> str:
    return wordings[variant % len(wordings)]
