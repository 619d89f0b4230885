"""Reads the colours that people write: hex, words of cloth, CSS names, and functions such as `rgb()` and `oklch()`."""

import difflib
import re
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from PIL import ImageColor

from pipeline.color.gamut import fit_srgb
from pipeline.color.hex import rgb_to_hex
from pipeline.color.vocabulary import vocabulary
from pipeline.errors import InvalidOptions
from pipeline.limits import MAX_COLOR_CHARS

# What `parse_color` takes, in words, for errors and documents.
FORMS = (
    "hex such as #1f2a44, words such as navy, camel or off-white, CSS colour names, "
    "and rgb(), hsl() or oklch() without transparency"
)
EXAMPLES = ("navy", "#c19a6b", "off-white", "rgb(31 42 68)", "hsl(210 40% 30%)", "oklch(0.7 0.08 71)")
# Taste: how many words an error suggests, and how alike they must be to what was written, 0 to 1.
SUGGESTIONS, LEAST_LIKENESS = 3, 0.6
# Words for a colour of the fashion vocabulary other than its name.
ALIASES = {
    "gray": "grey", "mid grey": "grey", "medium grey": "grey", "optic white": "white", "jet black": "black",
    "offwhite": "off-white", "marl grey": "heather grey", "light gray": "light grey", "dark gray": "dark grey",
}  # fmt: skip
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})")
_FUNCTION = re.compile(r"[a-z0-9-]+\(.*\)|#[0-9a-f]+")
# Standard: CSS Color 4 clamps the values of these spaces; colours of the others are mapped into the gamut.
_CLAMPED = ("srgb", "hsl", "hwb")
_SEPARATOR = re.compile(r",(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class WrittenColor:
    """A colour that somebody wrote. hex: `#rrggbb`. given: the text, with single spaces."""

    hex: str
    given: str


def is_code(text: str) -> bool:
    """Whether a colour is written as a code, such as #1f2a44 or rgb(31, 42, 68), and not as a word."""
    plain = text.lower()
    return bool(_HEX.fullmatch(plain) or _FUNCTION.fullmatch(plain))


def parse_color(text: str) -> WrittenColor:
    """The colour that a text means: a word of the fashion vocabulary first, then CSS.

    Case, spaces and hyphens do not matter in words. A word that is followed by its basic name ("navy blue") means the
    word. Colours outside sRGB are fitted. Raises InvalidOptions with the nearest words.
    """
    given = " ".join(text.split())
    plain = given.lower()
    if len(given) > MAX_COLOR_CHARS:
        raise InvalidOptions(f"A colour of {len(given)} characters; at most {MAX_COLOR_CHARS} are allowed.")
    if match := _HEX.fullmatch(plain):
        digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
        return WrittenColor(f"#{digits}", given)
    if code := _hex_of_word(plain):
        return WrittenColor(code, given)
    if _FUNCTION.fullmatch(plain):
        return WrittenColor(_hex_of_function(plain, given), given)
    raise InvalidOptions(f"'{given[:32]}' is not a known colour.{_suggestion(plain)} Allowed are {FORMS}.")


def split_colors(text: str) -> list[str]:
    """The colours of a comma-separated list. Commas inside parentheses do not separate."""
    return [part.strip() for part in _SEPARATOR.split(text)]


# --- words ----------------------------------------------------------------------------------------------------
@cache
def known_words() -> dict[str, str]:
    """The hex code of every word, by the word as it is usually written."""
    words = vocabulary("fashion")
    cloth = dict(zip(words.names, words.hexes, strict=True))
    # Standard: Pillow has the 148 names of CSS Color 4. coloraide 8 has two of them with other values.
    css = {name: rgb_to_hex(ImageColor.getrgb(name)) for name in ImageColor.colormap}
    return css | cloth | {alias: cloth[name] for alias, name in ALIASES.items()}


@cache
def _by_key() -> dict[str, str]:
    basics = dict.fromkeys(vocabulary("basic").names)
    cloth = vocabulary("fashion")
    followed = {
        _key(word + basic): code
        for (word, code), basic in product(zip(cloth.names, cloth.hexes, strict=True), basics)
        if word not in basics and " " not in word
    }
    return followed | {_key(word): code for word, code in known_words().items()}


def _hex_of_word(plain: str) -> str | None:
    return _by_key().get(_key(plain))


def _key(word: str) -> str:
    return re.sub(r"[\s_-]", "", word).replace("gray", "grey")


def _suggestion(plain: str) -> str:
    near = difflib.get_close_matches(plain, known_words(), SUGGESTIONS, LEAST_LIKENESS)
    return f" Did you mean {' or '.join(near)}?" if near else ""


# --- functions ------------------------------------------------------------------------------------------------
def _hex_of_function(plain: str, given: str) -> str:
    # Loading it takes a fifth of a second, and most processes never read a function.
    from coloraide import Color

    try:
        color = Color(plain)
        alpha, sent = color.alpha(nans=False), color.coords(nans=False)
        values = color.convert("srgb" if color.space() in _CLAMPED else "oklch").coords(nans=False)
    except (ValueError, OverflowError, ArithmeticError):
        raise InvalidOptions(f"'{given[:32]}' cannot be read as a CSS colour. Allowed are {FORMS}.") from None
    if alpha < 1:
        raise InvalidOptions(f"'{given[:32]}' is transparent (alpha {alpha:g}); give an opaque colour, alpha 1.")
    if not np.isfinite([*sent, *values]).all():
        raise InvalidOptions(f"'{given[:32]}' has a number that is too large. Allowed are {FORMS}.")
    return rgb_to_hex(255 * (np.array(values) if color.space() in _CLAMPED else fit_srgb(np.array(values))))
