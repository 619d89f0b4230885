"""The colours that people write are read: hex, words of cloth, CSS names and functions."""

import pytest

from pipeline.color.vocabulary import vocabulary
from pipeline.color.words import EXAMPLES, known_words, parse_color, split_colors
from pipeline.errors import InvalidOptions
from pipeline.limits import MAX_COLOR_CHARS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("#1F2a44", "#1f2a44"),
        ("1f2a44", "#1f2a44"),
        ("#abc", "#aabbcc"),
        ("#1f2a44ff", "#1f2a44"),
        ("RebeccaPurple", "#663399"),
        (" red ", "#b5121b"),
        ("navy", "#1f2a44"),
        ("Navy  Blue", "#1f2a44"),
        ("navy-blue", "#1f2a44"),
        ("OFF WHITE", "#f5f2ea"),
        ("offwhite", "#f5f2ea"),
        ("gray", "#808080"),
        ("light sky blue", "#87cefa"),
        ("rgb(31, 42, 68)", "#1f2a44"),
        ("rgb(31 42 68 / 100%)", "#1f2a44"),
        ("RGB(300, 0, -5)", "#ff0000"),
        ("hsl(210 40% 30%)", "#2e4c6b"),
        ("oklch(0.2883 0.0503 265.9)", "#1f2a44"),
        ("oklch(none none none)", "#000000"),
        # Standard: CSS Color 4. These are the two that were wrong.
        ("MediumPurple", "#9370db"),
        ("pale violet red", "#db7093"),
    ],
)
def test_parse_color_when_valid(text: str, code: str) -> None:
    """A word means cloth first, then CSS; case, spaces and hyphens do not matter; functions are clamped or fitted."""
    assert parse_color(text).hex == code


def test_parse_color_when_known_words() -> None:
    """Every word of the vocabularies is read, however it is spaced, and the text is kept."""
    words = vocabulary("fashion")
    for name, code in zip(words.names, words.hexes, strict=True):
        for text in (name, name.upper(), name.replace(" ", "-"), name.replace(" ", "").replace("-", "")):
            assert parse_color(text).hex == code
            assert parse_color(text).given == text
    assert len({parse_color(word).hex for word in known_words()}) > 250
    assert all(parse_color(text) for text in EXAMPLES)


def test_parse_color_when_outside_srgb() -> None:
    """A colour outside sRGB is mapped into it at its own lightness and hue."""
    assert parse_color("color(display-p3 1 0 0)").hex == "#ff0b0c"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("camle", "Did you mean camel"),
        ("terracota", "Did you mean terracotta"),
        ("bleu", "Did you mean blue"),
        ("", "not a known colour"),
        ("#12", "cannot be read"),
        ("#11223344", "transparent (alpha 0.26"),
        ("rgb(1 2 3 / 50%)", "transparent (alpha 0.5)"),
        ("transparent", "not a known colour"),
        ("rgb(1,2", "not a known colour"),
        ("rgb(1e999 0 0)", "too large"),
        ("url(x)", "cannot be read"),
        ("é", "not a known colour"),
        ("navy" * 40, f"at most {MAX_COLOR_CHARS}"),
    ],
)
def test_parse_color_when_invalid(text: str, part: str) -> None:
    """Anything else is refused: the error says what is wrong, and names the nearest words."""
    with pytest.raises(InvalidOptions) as refused:
        parse_color(text)
    assert part in refused.value.detail


def test_split_colors_when_functions() -> None:
    """Commas inside parentheses do not separate."""
    assert split_colors("rgb(1, 2, 3),navy, hsl(1,2%,3%)") == ["rgb(1, 2, 3)", "navy", "hsl(1,2%,3%)"]
