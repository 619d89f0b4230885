"""Colours as text are read and written without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.color.css import hex_to_rgb, parse_css_color, rgb_to_hex
from pipeline.errors import InvalidOptions
from tests.pipeline.color.drawn import few


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("#1F2a44", "#1f2a44"),
        ("1f2a44", "#1f2a44"),
        ("#abc", "#aabbcc"),
        ("RebeccaPurple", "#663399"),
        (" red ", "#ff0000"),
    ],
)
def test_parse_css_color_when_valid(text: str, code: str) -> None:
    """Hex with 3 or 6 digits, with or without #, and CSS colour names are read."""
    assert parse_css_color(text) == code


@pytest.mark.parametrize("text", ["", "#12", "#1234", "#11223344", "transparent", "navyish", "#ggg", "rgb(1,2,3)", "é"])
def test_parse_css_color_when_invalid(text: str) -> None:
    """Any other text is refused, and the error quotes it."""
    with pytest.raises(InvalidOptions, match="is not a colour") as refused:
        parse_css_color(text)
    assert repr(text) in refused.value.detail


@few
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_hex_when_there_and_back(rgb: tuple[int, int, int]) -> None:
    """Hex notation loses nothing."""
    assert hex_to_rgb(rgb_to_hex(rgb)) == rgb
