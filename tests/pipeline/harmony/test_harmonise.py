"""Tests suggestions: the contract's laws, each option's effect, and what a stylist would reject."""

from dataclasses import replace
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from pipeline.color.difference import delta_e_2000
from pipeline.color.hex import hex_to_rgb
from pipeline.color.neutral import is_neutral
from pipeline.color.sight import simulate_cvd
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import vocabulary
from pipeline.color.wheels import wheel_positions
from pipeline.harmony.catalogue import CVD_KINDS, GREY_GROUPS
from pipeline.harmony.harmonise import harmonise, neutral_classics
from pipeline.harmony.pair_score import points_from_hexes
from pipeline.harmony.percentile import rating_of
from pipeline.harmony.reasons import ECHO_DE00
from pipeline.messages import codes, summary_of, text_of
from pipeline.options import Options
from pipeline.parts import Garment, Suggestion
from pipeline.types import SCHEMES, Scheme
from pipeline.versions import HARMONY_VERSION
from tests.pipeline.from_hexes import garment, item

NAVY, WHITE, BLACK, RED, OLIVE = "#1f2a44", "#fafafa", "#151515", "#c0182a", "#66672f"
HOT_PINK, ORANGE, CAMEL, GREY = "#e8388a", "#ee7623", "#c19a6b", "#808080"
WORN = [NAVY, WHITE, BLACK, RED, OLIVE, HOT_PINK, ORANGE, CAMEL, GREY]
PRINT = garment(NAVY, "#f5f2ea", "#c0392b", "#cf9f2e", category="full_body", shares=[0.5, 0.3, 0.14, 0.06])
LOOK = (garment(WHITE, category="top"), garment("#52709a", category="bottom", id="g2"))
HEXES = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")


def suggested(garments: tuple[Garment, ...] | Garment, **options: Any) -> tuple[Suggestion, ...]:
    worn = garments if isinstance(garments, tuple) else (garments,)
    return harmonise(worn, Options(**options)).suggestions


def unlike(first: Suggestion, second: Suggestion) -> float:
    """The greatest ΔE00 from a colour of one suggestion to the nearest of the other."""
    one, two = (points_from_hexes([color.hex for color in each.colors]).lab for each in (first, second))
    distance = delta_e_2000(one[:, None], two[None])
    return float(max(distance.min(axis=1).max(), distance.min(axis=0).max()))


# --- laws -----------------------------------------------------------------------------------------------------
@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(HEXES, min_size=1, max_size=5), st.integers(0, 24), st.sampled_from(["subtle", "balanced", "bold"]))
def test_suggestions_when_any_colors(hexes: list[str], limit: int, intent: str) -> None:
    """There are as many as requested, scored 0 to 1, of catalogue colours in valid roles, no two alike."""
    words = vocabulary("fashion")
    known = {code: (name, roles) for code, name, roles in zip(words.hexes, words.names, words.roles, strict=True)}
    found = suggested(garment(*hexes), max_suggestions=limit, intent=intent)
    assert len(found) == limit
    for one in found:
        assert one.rating == rating_of(one.score)
        assert 0 <= one.score <= 1
        assert 1 <= len(one.colors) <= 3
        assert all(known[color.hex][0] == color.name and color.role in known[color.hex][1] for color in one.colors)
        assert 0 < sum(color.share for color in one.colors) < 1
    assert all(unlike(first, second) >= 10 for first, second in combinations(found, 2))


@settings(derandomize=True, max_examples=10, deadline=None)
@given(st.lists(HEXES, min_size=1, max_size=4))
def test_suggestions_when_asked_again(hexes: list[str]) -> None:
    """Equal requests get equal answers."""
    assert suggested(garment(*hexes)) == suggested(garment(*hexes))


@pytest.mark.parametrize("code", WORN)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_suggestions_when_one_scheme(code: str, scheme: Scheme) -> None:
    """Every scheme has suggestions for every garment, even a grey one, and they are of that scheme only."""
    found = suggested(garment(code), schemes=(scheme,))
    assert len(found) >= 3
    assert {one.scheme for one in found} == {scheme}


def test_suggestions_when_all_schemes() -> None:
    """Eight suggestions cover all seven schemes."""
    assert {one.scheme for one in suggested(garment(NAVY))} == set(SCHEMES)


@pytest.mark.parametrize(
    ("scheme", "angles"),
    [
        ("complementary", {180}),
        ("split_complementary", {150}),
        ("analogous", {30}),
        ("triadic", {120}),
        ("monochromatic", {0}),
    ],
)
@pytest.mark.parametrize("wheel", ["oklch", "ryb"])
def test_hues_when_scheme_and_wheel(scheme: Scheme, angles: set[int], wheel: Any) -> None:
    """Each suggestion has a colour within 25 degrees of the scheme's angle from the garment, on the requested wheel."""
    start = wheel_positions(points_from_hexes([RED]).oklch[:, 2], wheel)[0]
    for one in suggested(garment(RED), schemes=(scheme,), wheel=wheel, max_suggestions=4):
        places = wheel_positions(points_from_hexes([color.hex for color in one.colors]).oklch[:, 2], wheel)
        turns = np.abs((places - start + 180) % 360 - 180)
        assert min(abs(turn - angle) for turn in turns for angle in angles) <= 25


def test_neutral_scheme_when_asked() -> None:
    """The neutral scheme suggests neutrals only."""
    for one in suggested(garment(RED), schemes=("neutral",)):
        assert is_neutral(points_from_hexes([color.hex for color in one.colors]).oklch).all()


@pytest.mark.parametrize("code", ["#5f626b", "#151b3d", "#cccccc"], ids=["slate", "dark blue", "light grey"])
def test_neutral_scheme_when_blue_is_light(code: str) -> None:
    """Sky blue is a colour: no scheme offers it as a neutral that goes with anything."""
    found = suggested(garment(code), schemes=("neutral",), max_suggestions=24)
    assert "sky blue" not in {color.name for one in found for color in one.colors}


# --- options --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"schemes": ("analogous",)},
        {"intent": "subtle"},
        {"intent": "bold"},
        {"wheel": "ryb"},
        {"max_suggestions": 5},
        {"include": ("alternatives",)},
        {"wardrobe": (item("w1", CAMEL),)},
    ],
    ids=str,
)
@pytest.mark.parametrize("worn", [garment(RED), PRINT], ids=["plain", "print"])
def test_answer_when_one_option_changes(worn: Garment, change: dict[str, Any]) -> None:
    """Every option changes the answer."""
    assert harmonise((worn,), replace(Options(), **change)) != harmonise((worn,), Options())


@pytest.mark.parametrize("code", WORN)
def test_intent_when_subtle_balanced_and_bold(code: str) -> None:
    """Chroma rises from subtle over balanced to bold, and the first suggestions of subtle and bold differ."""
    by_intent = {intent: suggested(garment(code), intent=intent) for intent in ("subtle", "balanced", "bold")}
    chroma = {
        intent: mean(float(points_from_hexes([one.colors[0].hex]).oklch[0, 1]) for one in found)
        for intent, found in by_intent.items()
    }
    assert chroma["subtle"] < chroma["balanced"] < chroma["bold"]
    assert by_intent["subtle"][0].colors != by_intent["bold"][0].colors


def test_alternatives_when_included() -> None:
    """A swap replaces a suggested colour by another colour of the catalogue, and has a score between 0 and 1."""
    words = vocabulary("fashion")
    found = suggested(garment(NAVY), include=("alternatives",))
    assert all(one.alternatives is UNSET for one in suggested(garment(NAVY)))
    assert all(one.alternatives for one in found)
    for one in found:
        colors = {color.hex for color in one.colors}
        for swap in one.alternatives or ():
            assert swap.replaces in colors
            assert swap.hex not in colors
            assert words.names[words.hexes.index(swap.hex)] == swap.name
            assert 0 < swap.score <= 1


# --- targets and places ---------------------------------------------------------------------------------------
def test_targets_when_two_garments() -> None:
    """Suggestions are for each garment and for the whole look. Their targets name colours of these garments."""
    found = suggested(LOOK)
    assert {frozenset(one.target.garment_ids) for one in found} == {
        frozenset(("g1",)),
        frozenset(("g2",)),
        frozenset(("g1", "g2")),
    }
    worn = {"g1": {WHITE}, "g2": {"#52709a"}}
    for one in found:
        assert set(one.target.colors) <= set().union(*(worn[garment_id] for garment_id in one.target.garment_ids))
    assert all(color.role == "accent" for one in found if len(one.target.garment_ids) == 2 for color in one.colors)


def test_targets_when_no_color_is_known() -> None:
    """A garment without colours is skipped, and no garments give no suggestions."""
    bare = structs.replace(garment(NAVY, id="g2"), colors=())
    assert suggested((garment(NAVY), bare)) == suggested(garment(NAVY))
    assert suggested((bare,)) == suggested(()) == ()


@pytest.mark.parametrize(
    ("worn", "first_role", "share"),
    [
        pytest.param(garment(NAVY), "secondary", 0.3, id="a calm top is main"),
        pytest.param(garment(HOT_PINK), "main", 0.6, id="a loud top is secondary"),
        pytest.param(garment(HOT_PINK, category="full_body"), "secondary", 0.3, id="a loud dress is main too"),
        pytest.param(garment(NAVY, category="accessory"), "main", 0.6, id="a bag is the accent"),
    ],
)
def test_places_when_garment_differs(worn: Garment, first_role: str, share: float) -> None:
    """The garment is main, secondary or accent, and the suggested colours complete 60-30-10 around it."""
    for one in suggested(worn):
        if len(one.colors) == 2:
            assert (one.colors[0].role, one.colors[0].share) == (first_role, share)


def test_print_when_accent_is_picked_up() -> None:
    """The hue of a black and white print with red in it is red."""
    worn = garment(BLACK, WHITE, RED, shares=[0.6, 0.3, 0.1])
    red_deg = points_from_hexes([RED]).oklch[0, 2]
    for one in suggested(worn, schemes=("analogous",), max_suggestions=3):
        hues = points_from_hexes([color.hex for color in one.colors]).oklch[:, 2]
        assert np.abs((hues - red_deg + 180) % 360 - 180).min() <= 55


# --- what a stylist would say ---------------------------------------------------------------------------------
@pytest.mark.parametrize("code", WORN)
def test_legs_when_top(code: str) -> None:
    """What is suggested below a top comes in colours that trousers, jeans and skirts are made in."""
    words = vocabulary("fashion")
    for one in suggested(garment(code, category="top"), max_suggestions=24):
        assert "legs" in words.wear[words.names.index(one.colors[0].name)]


@pytest.mark.parametrize("kind", ["accessory", "shoes"])
def test_advice_when_nothing_is_worn_over(kind: Any) -> None:
    """Nothing is worn over or under a hat or shoes."""
    answer = harmonise((garment(NAVY, category=kind),), Options())
    told = {code.code for one in answer.suggestions for code in one.how_to_wear}
    assert not told & {"LAYER_OVER", "WEAR_UNDER", "WEAR_BELOW", "WEAR_ABOVE"}


@pytest.mark.parametrize("code", [GREY, BLACK, WHITE, "#606c79"])
def test_hues_when_base_shows_none(code: str) -> None:
    """For greys a scheme of hues speaks of two suggested colours, and tones of grey are grey."""
    words = vocabulary("fashion")
    for one in suggested(garment(code), max_suggestions=24):
        told = dict(one.reasons[0].words)
        if one.scheme == "monochromatic":
            assert all(words.groups[words.names.index(color.name)] in GREY_GROUPS for color in one.colors[:1])
        elif one.scheme != "neutral":
            assert {told["name"], told["other"]} <= {color.name for color in one.colors}


@pytest.mark.parametrize("code", [NAVY, RED, OLIVE, HOT_PINK, ORANGE, CAMEL])
def test_colors_when_no_mud(code: str) -> None:
    """The complement of a dark or dull garment differs from it in lightness, so that it is no muddy colour."""
    for one in suggested(garment(code), schemes=("complementary",), max_suggestions=3):
        lightness = points_from_hexes([color.hex for color in one.colors]).oklch[:, 0]
        assert np.abs(lightness - points_from_hexes([code]).oklch[0, 0]).max() >= 0.15


def test_reasons_when_given() -> None:
    """Every suggestion has reasons and advice, whose codes are published and have texts."""
    for one in (*suggested(garment(NAVY)), *suggested(LOOK), *suggested(PRINT)):
        assert 1 <= len(one.reasons) <= 3
        assert {reason.code for reason in one.reasons} <= set(codes("reasons"))
        assert {advice.code for advice in one.how_to_wear} <= set(codes("how_to_wear"))
        assert all(text_of("reasons", reason, "en") for reason in one.reasons)
        assert all(text_of("how_to_wear", advice, "en") for advice in one.how_to_wear)


def test_reasons_when_numbers_are_given() -> None:
    """The numbers in reasons are the measured ones: the step in lightness, and the scheme's angle."""
    navy = points_from_hexes([NAVY]).oklch[0]
    for one in suggested(garment(NAVY), schemes=("complementary", "neutral"), max_suggestions=12):
        by_code = {reason.code: reason.value for reason in one.reasons}
        oklch = points_from_hexes([color.hex for color in one.colors]).oklch
        step = abs(float(oklch[0, 0] - navy[0]))
        assert by_code.get("LIGHT_CONTRAST", round(step, 2)) == pytest.approx(step, abs=0.006)
        turns = np.abs((oklch[:, 2] - navy[2] + 180) % 360 - 180)
        assert by_code.get("COMPLEMENTARY_HUES", round(turns.max())) == pytest.approx(turns.max(), abs=0.51)


def test_common_when_told() -> None:
    """What holds for every suggestion stands once, and no suggestion repeats it."""
    answer = harmonise((PRINT,), Options())
    common = {code.code for code in answer.common}
    assert "KEEP_PRINT_SOLID" in common
    for one in answer.suggestions:
        assert not common & {code.code for code in (*one.reasons, *one.how_to_wear)}


@pytest.mark.parametrize("worn", [(garment(NAVY),), (garment(RED, category="top"),), (PRINT,), LOOK])
def test_summary_when_said_aloud(worn: tuple[Garment, ...]) -> None:
    """Each suggestion has one sentence that names its colours and the base."""
    answer = harmonise(worn, Options())
    said = [summary_of(one.summary, "en") for one in answer.suggestions]
    assert len(set(said)) == len(said)
    for one, sentence in zip(answer.suggestions, said, strict=True):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.count(".") == 1
        assert all(color.name in sentence.lower() for color in one.colors)
        assert dict(one.summary.words)["base"] in sentence.lower()


@pytest.mark.parametrize("code", [NAVY, RED, OLIVE, HOT_PINK, ORANGE, CAMEL])
def test_tetrad_when_told(code: str) -> None:
    """The reason for a tetrad names its quarter turn, and never "a quarter of the wheel, here 179°"."""
    for one in suggested(garment(code), schemes=("tetradic",)):
        (turn,) = [reason.value for reason in one.reasons if reason.code == "TETRADIC_HUES"]
        assert turn == pytest.approx(90, abs=25)


@pytest.mark.parametrize("worn", [garment(RED), PRINT], ids=["plain", "print"])
def test_cvd_when_worked_out_pair_by_pair(worn: Garment) -> None:
    """The report is the least ΔE00, per kind of eye, of all pairs of different colours with a suggested one."""
    for one in suggested(worn, wheel="ryb", max_suggestions=12):
        added = [color.hex for color in one.colors]
        edges = [
            (first, second)
            for first in one.target.colors
            for second in added
            if delta_e_2000(*points_from_hexes([first, second]).lab) > ECHO_DE00
        ] + list(combinations(added, 2))
        least = {}
        for kind in CVD_KINDS:
            seen = {
                code: srgb_to_lab_d65(simulate_cvd(np.array(hex_to_rgb(code)) / 255, kind))
                for code in (*one.target.colors, *added)
            }
            least[kind] = min(float(delta_e_2000(seen[first], seen[second])) for first, second in edges)
        report = (one.cvd.protan_min_de00, one.cvd.deutan_min_de00, one.cvd.tritan_min_de00)
        assert report == pytest.approx(tuple(least.values()), abs=0.051)
        assert one.cvd.distinct == (min(report) >= 10)
        assert one.cvd.distinct or "CVD_CLOSE" in {reason.code for reason in one.reasons}


def test_version_when_answered() -> None:
    """The answer names the version of the rules."""
    assert harmonise((garment(NAVY),), Options()).version == HARMONY_VERSION


# --- the last resort ------------------------------------------------------------------------------------------
def test_classics_when_schemes_fail() -> None:
    """They are neutrals other than the garment's own, best first, no more than requested, and marked by the version."""
    answer = neutral_classics((garment(BLACK),), Options(max_suggestions=5))
    names = [one.colors[0].name for one in answer.suggestions]
    assert len(names) == 5
    assert "black" not in names
    assert {one.scheme for one in answer.suggestions} == {"neutral"}
    assert [one.score for one in answer.suggestions] == sorted((one.score for one in answer.suggestions), reverse=True)
    assert answer.version != HARMONY_VERSION


def test_classics_when_everything_is_wrong() -> None:
    """No garment, an invalid colour and an unknown language raise no error."""
    broken = garment(NAVY)
    broken = structs.replace(broken, colors=(structs.replace(broken.colors[0], hex="teal-ish"),))
    assert neutral_classics((), Options()).suggestions == ()
    assert neutral_classics((broken,), Options()).suggestions == ()
    assert neutral_classics((garment(NAVY),), Options(lang="tlh")).suggestions
