"""Hex codes are read and written without loss."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.color.hex import hex_to_rgb, rgb_to_hex
from tests.pipeline.color.drawn import few


@few
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_hex_when_there_and_back(rgb: tuple[int, int, int]) -> None:
    """Hex notation loses nothing."""
    assert hex_to_rgb(rgb_to_hex(rgb)) == rgb
