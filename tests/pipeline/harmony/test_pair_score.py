"""Tests the score of two colours: the prototype's values, and the laws that hold for all colours."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.harmony.pair_score import (
    WEIGHTS,
    chroma_presence,
    intent_score,
    pair_parts,
    pair_score,
    points_from_hexes,
    vividness,
)
from pipeline.types import Intent

HEXES = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")
PALETTES = st.lists(HEXES, min_size=1, max_size=4)


def score(first: str, second: str, intent: Intent = "balanced") -> float:
    return float(pair_score(pair_parts(points_from_hexes([first]), points_from_hexes([second])), intent)[0, 0])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("#1f2a44", "#ffffff", 1.00, id="navy and white"),
        pytest.param("#1f2a44", "#c19a6b", 0.97, id="navy and camel"),
        pytest.param("#6d071a", "#1f2a44", 0.81, id="burgundy and navy"),
        pytest.param("#b7472a", "#005f6b", 0.82, id="rust and teal"),
        pytest.param("#ffd700", "#800080", 0.77, id="yellow and purple"),
        pytest.param("#c0392b", "#27ae60", 0.74, id="red and green"),
        pytest.param("#39ff14", "#ff1493", 0.69, id="neon green and hot pink"),
        pytest.param("#1f2a44", "#161b2a", 0.61, id="navy and ink"),
    ],
)
def test_pair_score_when_prototype_pair(first: str, second: str, expected: float) -> None:
    """The formula gives the figures of the prototype in the design."""
    assert score(first, second) == pytest.approx(expected, abs=0.011)


def test_parts_when_navy_and_camel() -> None:
    """The contract's example: hue 0.93, everything else 1."""
    parts = pair_parts(points_from_hexes(["#1f2a44"]), points_from_hexes(["#c19a6b"]))[:, 0, 0]
    assert parts == pytest.approx([0.93, 1.0, 1.0, 1.0], abs=0.005)


@pytest.mark.parametrize("angle_deg", [30, 150, 180])
def test_hue_is_best_when_its_angle_is_a_schemes(angle_deg: int) -> None:
    """Of all whole angles within ten degrees, vivid hues go best at the one of colour theory."""
    (red,) = (points_from_hexes(["#ff0000"]),)
    angles = np.arange(angle_deg - 10, angle_deg + 11)
    others = points_from_hexes(["#ff0000"] * len(angles))
    turned = others.oklch.copy()
    turned[:, 2] = (turned[:, 2] + angles) % 360
    hue = pair_parts(red, replace(others, oklch=turned))[0, 0]
    assert angles[hue.argmax()] == angle_deg


def test_separation_when_same_near_and_far() -> None:
    """An exact match is acceptable, a near miss is the worst, and a clear difference costs nothing."""
    base = points_from_hexes(["#1f2a44"])
    same, near, far = pair_parts(base, points_from_hexes(["#1f2a44", "#161b2a", "#f5f2ea"]))[2, 0]
    assert near < same < far
    assert (near, far) == (pytest.approx(0.26, abs=0.02), pytest.approx(1.0, abs=1e-6))


def test_vividness_when_earth_navy_and_near_black() -> None:
    """Colours that act as neutrals show little hue, a grey shows none, and a cobalt blue shows all of it."""
    camel, navy, oxblood, grey, cobalt = vividness(
        points_from_hexes(["#c19a6b", "#1f2a44", "#30060f", "#808080", "#1d48a6"]).oklch
    )
    assert max(camel, navy, oxblood) <= 0.35
    assert (grey, cobalt) == (0.0, 1.0)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(PALETTES, PALETTES)
def test_pair_score_when_swapped(first: list[str], second: list[str]) -> None:
    """The score does not depend on the order of the colours, and stays between 0 and 1."""
    one, two = points_from_hexes(first), points_from_hexes(second)
    forth, back = pair_parts(one, two), pair_parts(two, one)
    assert forth.shape == (4, len(first), len(second))
    np.testing.assert_allclose(forth, back.transpose(0, 2, 1), atol=1e-9)
    scores = pair_score(forth)
    assert np.all((scores > 0) & (scores <= 1 + 1e-12))


@settings(derandomize=True, max_examples=30, deadline=None)
@given(PALETTES, HEXES)
def test_pair_score_when_in_bulk(first: list[str], second: str) -> None:
    """A matrix of pairs has the same scores as the pairs one by one."""
    bulk = pair_score(pair_parts(points_from_hexes(first), points_from_hexes([second])))
    assert bulk[:, 0] == pytest.approx([score(one, second) for one in first], abs=1e-12)


def test_intents_when_vivid_is_added() -> None:
    """Of two equally good colours, bold prefers the vivid one, subtle the calm one, and balanced neither."""
    loud, calm = chroma_presence(points_from_hexes(["#e8388a", "#b0aca8"]).oklch)
    preference = {
        intent: np.subtract(*intent_score(np.array([0.9, 0.9]), np.array([loud, calm]), np.ones(2), intent))
        for intent in WEIGHTS
    }
    assert preference["bold"] > 0.1
    assert preference["subtle"] < -0.1
    assert preference["balanced"] == 0


@pytest.mark.parametrize(
    ("angle_deg", "quality"),
    [(106, 0.455), (113, 0.662), (120, 0.75), (127, 0.662), (134, 0.455), (90, 0.353)],
)
def test_hue_falls_when_its_angle_is_beside_a_third(angle_deg: int, quality: float) -> None:
    """This holds the width of the relation to what the results were measured with."""
    red = points_from_hexes(["#ff0000"])
    turned = red.oklch.copy()
    turned[:, 2] = (turned[:, 2] + angle_deg) % 360
    assert pair_parts(red, replace(red, oklch=turned))[0, 0, 0] == pytest.approx(quality, abs=0.004)
