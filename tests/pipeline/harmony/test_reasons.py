"""Reasons are given where their measure is met, and not beside it."""

from dataclasses import replace

import pytest
from msgspec import UnsetType

from pipeline.harmony.reasons import (
    BALANCED_DEVIATION,
    MAX_REASONS,
    Tone,
    outfit_reasons,
    pair_reasons,
    relation_of,
    suggestion_reasons,
)
from pipeline.types import Scheme

NAVY = Tone("navy", lightness=0.3, chroma=0.05, hue_deg=265, warm=-1, between=False, neutral=True, vivid=0)
CAMEL = Tone("camel", lightness=0.7, chroma=0.08, hue_deg=75, warm=1, between=False, neutral=True, vivid=0)
RED = Tone("red", lightness=0.5, chroma=0.19, hue_deg=25, warm=1, between=False, neutral=False, vivid=1)


def _codes(*, hues: int = 2, most_hues: int = 2, deviation: float = 0.5) -> list[str]:
    found = outfit_reasons([NAVY, CAMEL], hues=hues, most_hues=most_hues, deviation=deviation)
    return [one.code for one in found]


@pytest.mark.parametrize(
    ("deviation", "balanced"),
    [(0.0, True), (BALANCED_DEVIATION, True), (BALANCED_DEVIATION + 0.01, False), (0.9, False)],
)
def test_shares_are_balanced_when_they_are_near_60_30_10(deviation: float, balanced: bool) -> None:
    """Up to the published deviation, and not beyond it."""
    assert ("BALANCED_SHARES" in _codes(deviation=deviation)) is balanced


@pytest.mark.parametrize(("hues", "few"), [(0, False), (1, True), (2, True), (3, False)])
def test_hues_are_few_when_the_outfit_has_some(hues: int, few: bool) -> None:
    """One or two are few where two are allowed; an outfit without hues has no such reason."""
    assert ("FEW_HUES" in _codes(hues=hues)) is few


def test_the_value_is_what_was_measured() -> None:
    """The number of hues, and the rounded deviation."""
    found = {one.code: one.value for one in outfit_reasons([NAVY, CAMEL], hues=2, most_hues=3, deviation=0.123)}
    assert (found["FEW_HUES"], found["BALANCED_SHARES"]) == (2.0, 0.12)


def test_an_outfit_has_few_reasons() -> None:
    """All four kinds hold here, and no more are given."""
    assert len(_codes(deviation=0.1)) == MAX_REASONS


@pytest.mark.parametrize(
    ("scheme", "base", "relation"),
    [
        ("analogous", RED, "blend"),
        ("complementary", RED, "contrast"),
        ("triadic", RED, "contrast"),
        ("analogous", NAVY, "warm"),
    ],
)
def test_relation_is_of_the_scheme_when_the_base_has_a_hue(scheme: Scheme, base: Tone, relation: str) -> None:
    """Only neighbours of a vivid base blend with it."""
    assert relation_of(scheme, base, CAMEL) == relation


@pytest.mark.parametrize(
    ("first", "second", "code"), [(CAMEL, CAMEL, "SHARED_WARMTH"), (NAVY, NAVY, "SHARED_COOLNESS")]
)
def test_warmth_is_shared_when_two_colours_have_it(first: Tone, second: Tone, code: str) -> None:
    """Two are enough."""
    assert code in _suggested(first, second)


def test_soft_contrast_has_two_decimals_when_told() -> None:
    """The step in lightness is rounded."""
    assert _suggested(CAMEL, replace(CAMEL, lightness=0.8123456))["SOFT_CONTRAST"] == 0.11


def _suggested(base: Tone, added: Tone) -> dict[str, float | UnsetType | None]:
    """The reasons of a neutral suggestion with their values."""
    found = suggestion_reasons("neutral", [base], [added], related=("a", "b"), turn_deg=0, echo_de00=None, cvd_de00=99)
    return {one.code: one.value for one in found}


@pytest.mark.parametrize(
    ("de00", "code"), [(2.4, "SAME_COLOR"), (2.6, "NEAR_MISS"), (9.9, "NEAR_MISS"), (10.1, "NEUTRAL_PIECE")]
)
def test_a_near_miss_is_told_when_colours_are_neither_one_nor_two(de00: float, code: str) -> None:
    """Between the two published differences, for colours that have a hue."""
    assert pair_reasons([CAMEL], [CAMEL], de00=de00)[0].code == code
