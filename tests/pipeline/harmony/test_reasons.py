"""Reasons of outfits are given where their measure is met, and not beside it."""

import pytest

from pipeline.harmony.reasons import BALANCED_DEVIATION, MAX_REASONS, Tone, outfit_reasons

NAVY = Tone("navy", lightness=0.3, chroma=0.05, hue_deg=265, warm=-1, between=False, neutral=True, vivid=0)
CAMEL = Tone("camel", lightness=0.7, chroma=0.08, hue_deg=75, warm=1, between=False, neutral=True, vivid=0)


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
