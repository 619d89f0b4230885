"""Checks the reasons of an answer against its colours, independently of the code that writes them.

Everything is read from the answer as clients get it. Colours are converted by coloraide; no module of
`pipeline.harmony` is used.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from math import cos, hypot, radians
from typing import Any

from coloraide import Color

# A base's colour of a smaller share of it is too small to be seen. Shares in answers are rounded, so a colour near the
# limit may count or not: a statement is wrong only when it is wrong both ways.
SEEN = (0.0475, 0.0525)
WARM, COOL = 1, -1
# A colour of less OKLCH chroma shows no hue, so no relation of hues may be claimed of it.
LEAST_HUED_CHROMA = 0.02
# A colour of this CIE Lab chroma and a hue between warm and cool has a hue that is neither.
LEAST_BETWEEN_CHROMA = 12
# The angles, in degrees of OKLCH, at which each relation of hues may be claimed.
HUE_CODES = {
    "COMPLEMENTARY_HUES": (154, 180), "SPLIT_COMPLEMENTARY_HUES": (124, 180), "ANALOGOUS_HUES": (4, 56),
    "TRIADIC_HUES": (94, 146), "TETRADIC_HUES": (64, 116), "SAME_HUE": (0, 16), "UNRELATED_HUES": (44, 101),
}  # fmt: skip
PLACES = {
    "WEAR_BELOW": {"top"}, "WEAR_ABOVE": {"bottom"}, "WEAR_UNDER": {"outerwear"}, "LAYER_OVER": {"full_body"},
    "PIECE_AS_ACCENT": {"shoes", "accessory"},
}  # fmt: skip


def contradictions(answer: dict[str, Any]) -> list[str]:
    """Every statement of the suggestions that their colours contradict, in words."""
    garments = {garment["id"]: garment for garment in answer["garments"]}
    found = []
    for number, one in enumerate(answer["suggestions"]):
        bases = [_seen([garments[name] for name in one["for"]["garment_ids"]], least) for least in SEEN]
        kinds = {garments[name]["category"] for name in one["for"]["garment_ids"]}
        added = [color["hex"] for color in one["colors"]]
        said = [*one["reasons"], *one["how_to_wear"], *answer["common"]]
        names = _names([garments[name] for name in one["for"]["garment_ids"]], one)
        either = [
            list(
                dict.fromkeys(
                    [
                        *_wrong(said, base, added, kinds, one),
                        *_wrong_summary(one, base, added),
                        *_wrong_names(one, names),
                    ]
                )
            )
            for base in bases
        ]
        found += [f"{number}: {wrong}: {bases[0]} + {added}" for wrong in either[0] if wrong in either[1]]
    return found


def _wrong(
    said: list[dict[str, Any]], base: list[str], added: list[str], kinds: set[str], one: dict[str, Any]
) -> Iterator[str]:
    worn = [*base, *added]
    warm = {warmth(code) for code in worn} - {0}
    # Violet is neither warm nor cool, but it has a hue: beside it not every hue is warm.
    between = any(warmth(code) == 0 and _lab_chroma(code) >= LEAST_BETWEEN_CHROMA for code in worn)
    chroma = sorted((_oklch(code)[1] for code in worn), reverse=True)
    light = [_oklch(code)[0] for code in worn]
    step = abs(_oklch(base[0])[0] - _oklch(added[0])[0])
    true = {
        "SHARED_WARMTH": warm == {WARM} and not between,
        "SHARED_COOLNESS": warm == {COOL} and not between,
        "WARM_COOL_BALANCE": warm == {WARM, COOL},
        "METAL_GOLD": warm == {WARM} and not between,
        "METAL_SILVER": warm == {COOL} and not between,
        "LIGHT_CONTRAST": step >= 0.295,
        "SOFT_CONTRAST": max(light) - min(light) <= 0.155,
        "CALM_CHROMA": chroma[0] < 0.105,
        "STATEMENT_COLOR": chroma[0] > 0.125 and chroma[1] < 0.105,
        "VIVID_COLORS": chroma[1] > 0.125,
        "NEUTRAL_ANCHOR": _oklch(added[0])[1] < 0.11,
        "CVD_CLOSE": not one["cvd"]["distinct"],
        "KEEP_PRINT_SOLID": len(base) > 1,
        "ONE_LEADS": len(added) == 1,
        "SIXTY_THIRTY_TEN": len(added) > 1,
        "ADD_TO_LOOK": len(one["for"]["garment_ids"]) > 1,
    }
    if not one["cvd"]["distinct"] and "CVD_CLOSE" not in {code["code"] for code in said}:
        yield "colour-blind eyes cannot tell, and nothing says so"
    for code in said:
        name = code["code"]
        if not true.get(name, True):
            yield name
        if name in PLACES and not kinds <= PLACES[name]:
            yield f"{name} for {kinds}"
        if name in HUE_CODES and code.get("value") is not None and not _has_angle(code["value"], base, added):
            yield f"{name} of {code['value']}°, which no two colours have"
        if name in HUE_CODES and not HUE_CODES[name][0] <= code.get("value", HUE_CODES[name][0]) <= HUE_CODES[name][1]:
            yield f"{name} of {code['value']}°"
        if name == "TONE_ON_TONE" and not any(_one_family(a, b) for a, b in combinations(worn, 2)):
            yield name


def _names(garments: list[dict[str, Any]], one: dict[str, Any]) -> dict[str, list[str]]:
    """The colours that may be meant by each name: those of the garments and of the suggestion."""
    found: dict[str, list[str]] = {}
    for color in (color for garment in garments for color in garment["colors"]):
        found.setdefault(color["names"]["fashion"]["name"], []).append(color["hex"])
    for color in one["colors"]:
        found.setdefault(color["name"], []).append(color["hex"])
    return found


def _wrong_names(one: dict[str, Any], names: dict[str, list[str]]) -> Iterator[str]:
    """A relation of hues is one of two colours that show a hue, with two names."""
    for code in one["reasons"]:
        if code["code"] not in (*HUE_CODES, "TONE_ON_TONE"):
            continue
        text, said = code["text"].lower(), list[str]()
        for name in sorted(names, key=len, reverse=True):
            count = len(re.findall(rf"\b{re.escape(name)}\b", text))
            said += [name] * count
            text = text.replace(name, "")
        if len(set(said)) != len(said):
            yield f"{code['code']} names one colour twice: {code['text']}"
        for name in said:
            if code["code"] in HUE_CODES and all(_oklch(code)[1] < LEAST_HUED_CHROMA for code in names[name]):
                yield f"{code['code']} speaks of {name}, which shows no hue"


def _wrong_summary(one: dict[str, Any], base: list[str], added: list[str]) -> Iterator[str]:
    sentence = one["summary"].lower()
    if missing := [color["name"] for color in one["colors"] if color["name"] not in sentence]:
        yield f"the summary does not name {missing}"
    step = _oklch(added[0])[0] - _oklch(base[0])[0]
    if re.search(r"\b(lifts?|brightens?|lightens?)\b", sentence) and step <= 0:
        yield "the summary says that it is lighter"
    if re.search(r"\b(deepens?|gives? depth|adds? weight)\b", sentence) and step >= 0:
        yield "the summary says that it is darker"
    if re.search(r"\b(warms? up|brings? warmth|adds? warmth)\b", sentence) and warmth(added[0]) != WARM:
        yield "the summary says that it is warm"
    if re.search(r"\b(cools?|freshens?|a cool note)\b", sentence) and warmth(added[0]) != COOL:
        yield "the summary says that it is cool"


# --- colours --------------------------------------------------------------------------------------------------
@cache
def warmth(code: str) -> int:
    """1 for warm, -1 for cool, 0 for neither: by the CIE Lab hue, and only with enough chroma."""
    _, a, b = Color(code).convert("lab-d65").coords()
    chroma = _lab_chroma(code)
    lean = (a * cos(radians(50)) + b * cos(radians(40))) / max(chroma, 1e-9)
    return 0 if chroma < 8 or abs(lean) < 0.2 else WARM if lean > 0 else COOL


@cache
def _lab_chroma(code: str) -> float:
    _, a, b = Color(code).convert("lab-d65").coords()
    return hypot(a, b)


def _seen(garments: list[dict[str, Any]], least: float) -> list[str]:
    """The colours of a base that are large enough to be seen, the largest first."""
    usual = {"top": 0.3, "outerwear": 0.4, "bottom": 0.35, "full_body": 0.6, "shoes": 0.08, "accessory": 0.07}
    weights: dict[str, float] = {}
    for garment in garments:
        area = garment["area"] or usual.get(garment["category"], 0.3)
        for color in garment["colors"][:6]:
            weights[color["hex"]] = weights.get(color["hex"], 0) + area * color["share"]
    total = sum(weights.values())
    ordered = sorted(weights, key=lambda code: -weights[code])
    return [code for k, code in enumerate(ordered) if k == 0 or weights[code] >= least * total]


@cache
def _oklch(code: str) -> tuple[float, float, float]:
    lightness, chroma, hue = Color(code).convert("oklch").coords(nans=False)
    return lightness, chroma, hue


def _has_angle(value: float, base: list[str], added: list[str]) -> bool:
    """Whether two of the colours, one of them added, are this many degrees of OKLCH apart."""
    pairs = [(a, b) for a in (*base, *added) for b in added]
    return any(abs(abs((_oklch(a)[2] - _oklch(b)[2] + 180) % 360 - 180) - value) <= 1.1 for a, b in pairs)


def _one_family(first: str, second: str) -> bool:
    """Two greys, or two colours of one hue. The darkest colours are black, whatever their hue."""
    (_, c1, h1), (_, c2, h2) = (
        (lightness, 0.0 if lightness < 0.2 else chroma, hue) for lightness, chroma, hue in map(_oklch, (first, second))
    )
    return max(c1, c2) < 0.045 or abs((h1 - h2 + 180) % 360 - 180) <= 25
