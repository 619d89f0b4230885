"""Colours are described as in the contract: roles, neutrals, temperature, and colours that a client gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.color.gamut import in_gamut
from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import oklab_to_srgb, oklch_to_oklab
from pipeline.color.words import parse_color
from pipeline.options import ColorShare
from pipeline.palette.swatches import describe, palette_from_colors, spoken
from pipeline.types import PaletteColor

hexes = st.tuples(*[st.integers(0, 255)] * 3).map(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb))
given_colors = st.lists(st.builds(ColorShare, hexes, st.none() | st.floats(0.01, 5)), min_size=1, max_size=12)
few = settings(max_examples=60, derandomize=True, deadline=None)


def test_describe_when_the_contracts_example() -> None:
    """Navy is described as in the contract's example."""
    palette = [PaletteColor((0x1F, 0x2A, 0x44), 0.71, 0.9, 5.2), PaletteColor((255, 255, 255), 0.29, 0.9, 1.0)]
    navy = describe([palette])[0][0]
    assert (navy.role, navy.hex, navy.lab) == ("main", "#1f2a44", (17.3, 3.9, -17.8))
    assert navy.oklch == pytest.approx((0.288, 0.050, 265.9), abs=6e-4)
    assert (navy.share, navy.confidence, navy.spread_de00) == (0.71, 0.9, 5.2)
    assert (navy.temperature, navy.neutral, navy.text_color) == ("cool", True, "#ffffff")
    assert navy.contrast == pytest.approx(14.2, abs=0.15)
    assert (navy.names.basic.name, navy.names.fashion.name) == ("blue", "navy")


def test_describe_when_shares_differ() -> None:
    """The largest share is the main colour; other colours are secondary from 15 % on, and accents below."""
    shares = {(200, 0, 0): 0.1, (0, 0, 200): 0.65, (0, 200, 0): 0.25}
    (found,) = describe([[PaletteColor(rgb, share, 1.0, 0.0) for rgb, share in shares.items()]])
    assert [(swatch.hex, swatch.role) for swatch in found] == [
        ("#0000c8", "main"),
        ("#00c800", "secondary"),
        ("#c80000", "accent"),
    ]


def test_describe_when_empty() -> None:
    """No colours give no swatches, beside a garment with colours too."""
    assert describe([]) == []
    assert describe([[]]) == [()]
    none, one = describe([[], [PaletteColor((200, 0, 0), 1.0, 1.0, 0.0)]])
    assert (none, [swatch.hex for swatch in one]) == ((), ["#c80000"])


@pytest.mark.parametrize(
    ("code", "neutral", "temperature"),
    [
        ("#ffffff", True, "neutral"), ("#000000", True, "neutral"), ("#808080", True, "neutral"),
        ("#1f2a44", True, "cool"), ("#4f6d94", True, "cool"), ("#a3cbe8", False, "cool"),
        ("#c19a6b", True, "warm"), ("#6f4526", True, "warm"),
        ("#c0392b", False, "warm"), ("#2e8b57", False, "cool"), ("#1f5fbf", False, "cool"), ("#ffdb58", False, "warm"),
    ],
)  # fmt: skip
def test_describe_when_neutral_or_not(code: str, neutral: bool, temperature: str) -> None:
    """Greys, navy, denim and earth colours are neutral; reds, greens and blues are not."""
    (swatch,) = palette_from_colors([ColorShare(code)])
    assert (swatch.neutral, swatch.temperature) == (neutral, temperature)


@few
@given(given_colors)
def test_swatches_when_any_color(colors: list[ColorShare]) -> None:
    """The rounded OKLCH of every swatch is displayable, and is its hex within two steps of 255."""
    for swatch in palette_from_colors(colors):
        rgb = oklab_to_srgb(oklch_to_oklab(np.array(swatch.oklch)))
        assert in_gamut(rgb, slack=2 / 255)
        np.testing.assert_allclose(rgb * 255, hex_to_rgb(swatch.hex), atol=2)


@few
@given(given_colors)
def test_palette_from_colors_when_any(colors: list[ColorShare]) -> None:
    """Shares sum to 1 within rounding and are sorted, and every given colour occurs once."""
    found = palette_from_colors(colors)
    shares = [swatch.share for swatch in found]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares == sorted(shares, reverse=True)
    assert sorted(swatch.hex for swatch in found) == sorted({color.hex for color in colors})
    assert {(swatch.confidence, swatch.spread_de00) for swatch in found} == {(1.0, 0.0)}
    assert found[0].role == "main"


@pytest.mark.parametrize(
    ("given_shares", "expected"),
    [
        ((None, None), (0.5, 0.5)),
        ((0.6, None), (0.6, 0.4)),
        ((0.5, None, None), (0.5, 0.25, 0.25)),
        ((3.0, 1.0), (0.75, 0.25)),
        ((2.0, None), (0.5, 0.5)),
    ],
)
def test_palette_from_colors_when_shares_miss(
    given_shares: tuple[float | None, ...], expected: tuple[float, ...]
) -> None:
    """Missing shares divide what is left of 1, or are the mean of the given shares; then all are normalised."""
    codes = ("#1f2a44", "#c19a6b", "#ffffff")
    found = palette_from_colors([ColorShare(code, share) for code, share in zip(codes, given_shares, strict=False)])
    assert tuple(sorted((swatch.share for swatch in found), reverse=True)) == expected


def test_palette_from_colors_when_given_twice() -> None:
    """A colour that is given twice becomes one colour with both shares."""
    found = palette_from_colors([ColorShare("#1f2a44", 0.3), ColorShare("#ffffff", 0.4), ColorShare("#1f2a44", 0.3)])
    assert [(swatch.hex, swatch.share) for swatch in found] == [("#1f2a44", 0.6), ("#ffffff", 0.4)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Navy", "Navy"),
        ("off-white", "off-white"),
        ("#1f2a44", "navy"),
        ("1F2A44", "navy"),
        ("#00f", "electric blue"),
        ("rgb(31, 42, 68)", "navy"),
        (None, "navy"),
    ],
)
def test_spoken_when_given(text: str | None, said: str) -> None:
    """A word that a client wrote is kept. A code has the name of its colour."""
    code = parse_color(text).hex if text else "#1f2a44"
    (swatch,) = palette_from_colors([ColorShare(code, given=text)])
    assert spoken(swatch) == said


def test_hexes_when_described() -> None:
    """A described colour keeps its hex."""
    (swatch,) = palette_from_colors([ColorShare("#abcdef")])
    assert hex_to_rgb(swatch.hex) == (0xAB, 0xCD, 0xEF)
