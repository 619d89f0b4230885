"""Explains why colours go together and how to wear them, as codes with measured numbers.

Every reason is judged by all colours that are worn: the base's visible colours and everything that is added.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import structs

from pipeline.color.difference import DISTINCT_DE00, hue_difference_deg
from pipeline.color.neutral import is_neutral
from pipeline.color.sight import NEUTRAL_LAB_CHROMA, temperatures
from pipeline.garments.kinds import BY_NAME
from pipeline.harmony.pair_score import CALM_CHROMA, CLEAR_STEP, NEAR_MISS_CHROMA, Points
from pipeline.harmony.schemes import angles_of
from pipeline.parts import Coded, Suggestion, coded
from pipeline.types import Category, Role, Scheme

# The constants below are taste.
# A difference in OKLab lightness is a soft contrast below this step, and a clear one from CLEAR_STEP on.
SMALL_STEP = 0.15
# Main colours are the same below the first ΔE00, and a near miss below the second.
SAME_DE00, NEAR_MISS_DE00 = 2.5, 10.0
# A suggestion picks up one of the base's smaller colours when it comes this near, ΔE00.
ECHO_DE00 = 5.0
# Colours are vivid from this OKLCH chroma on.
VIVID_CHROMA = 0.13
# Areas are balanced up to this deviation from 60-30-10, 0 to 1.
BALANCED_DEVIATION = 0.15
# A suggestion says only what sets it apart: its scheme, and at most this number of further reasons.
MAX_FURTHER = 2
MAX_REASONS = 4
# A scheme is told by its name up to this far from its angle, degrees on the wheel.
MOST_OFF_DEG = 25.0
# A reason that more than this share of the suggestions would give sets none of them apart.
COMMONPLACE = 0.5
SCHEME_REASONS: dict[Scheme, str] = {
    "complementary": "COMPLEMENTARY_HUES",
    "split_complementary": "SPLIT_COMPLEMENTARY_HUES",
    "analogous": "ANALOGOUS_HUES",
    "triadic": "TRIADIC_HUES",
    "tetradic": "TETRADIC_HUES",
    "monochromatic": "TONE_ON_TONE",
    "neutral": "NEUTRAL_ANCHOR",
}


@dataclass(frozen=True, slots=True)
class Tone:
    """One colour, as the reasons describe it.

    warm: 1 for warm, -1 for cool, 0 for neither. between: it has a hue, which is neither warm nor cool, such as violet.
    vivid: see `Points`.
    """

    name: str
    lightness: float
    chroma: float
    hue_deg: float
    warm: int
    between: bool
    neutral: bool
    vivid: float


_WARM = {"warm": 1, "cool": -1, "neutral": 0}


def tones(points: Points, names: Sequence[str] = ()) -> list[Tone]:
    """Points as tones, with names where they are given."""
    neutral = is_neutral(points.oklch).tolist()
    vivid = points.vivid.tolist()
    warm = [_WARM[one] for one in temperatures(points.lab)]
    colored = (np.hypot(points.lab[:, 1], points.lab[:, 2]) >= NEUTRAL_LAB_CHROMA).tolist()
    between = [has and not one for has, one in zip(colored, warm, strict=True)]
    return [
        Tone(names[k] if names else "", lightness, chroma, hue_deg, warm[k], between[k], neutral[k], vivid[k])
        for k, (lightness, chroma, hue_deg) in enumerate(points.oklch.tolist())
    ]


# --- suggestions ----------------------------------------------------------------------------------------------
def suggestion_reasons(
    scheme: Scheme,
    base: Sequence[Tone],
    added: Sequence[Tone],
    *,
    related: tuple[str, str],
    turn_deg: float,
    echo_de00: float | None,
    cvd_de00: float,
) -> tuple[Coded, ...]:
    """Why a suggestion works, the scheme's reason first.

    base: its visible colours, the largest first. related: the names of the two colours that stand in the scheme's
    relation, `turn_deg` apart on the requested wheel. echo_de00: the ΔE00 from the suggestion to the nearest of the
    base's smaller colours; None when the base has one colour. cvd_de00: the least difference for colour-blind eyes.
    """
    worn = [*base, *added]
    found = [_scheme_reason(scheme, base[0], added, related=related, turn_deg=turn_deg)]
    if related[0] == related[1] and scheme != "neutral" and echo_de00 is not None:
        # A relation of two colours of one name says nothing; that one of the base's colours returns does.
        found = [coded("ECHOES_PRINT", value=round(echo_de00, 1))]
    if cvd_de00 < DISTINCT_DE00:
        found.append(coded("CVD_CLOSE", value=round(cvd_de00, 1)))
    if echo_de00 is not None and echo_de00 <= ECHO_DE00 and found[0].code != "ECHOES_PRINT":
        found.append(coded("ECHOES_PRINT", value=round(echo_de00, 1)))
    found += _temperature_reason(worn)
    found += _chroma_reason(worn)
    if scheme != "monochromatic":
        found += _lightness_reason(worn, step=abs(base[0].lightness - added[0].lightness))
    return tuple(found)


def told_once(suggestions: Sequence[Suggestion]) -> tuple[tuple[Suggestion, ...], tuple[Coded, ...]]:
    """The suggestions with only what sets each apart, and the codes that hold for all of them.

    A single suggestion has nothing to share. Scheme reasons stay, because they name the suggestion's own colours.
    """
    if len(suggestions) < 2:
        return tuple(_trimmed(one, set()) for one in suggestions), ()
    said = [code for one in suggestions for code in (*one.reasons[1:], *one.how_to_wear)]
    counts = Counter(code.code for code in said if not code.words)
    everywhere = [code for code, count in counts.items() if count == len(suggestions)]
    commonplace = {code for code, count in counts.items() if count > COMMONPLACE * len(suggestions)} - {"CVD_CLOSE"}
    dropped = commonplace.union(everywhere)
    return tuple(_trimmed(one, dropped) for one in suggestions), tuple(coded(code) for code in everywhere)


def _trimmed(one: Suggestion, dropped: set[str]) -> Suggestion:
    reasons = [code for code in one.reasons[1:] if code.code not in dropped][:MAX_FURTHER]
    advice = tuple(code for code in one.how_to_wear if code.code not in dropped)
    return structs.replace(one, reasons=(one.reasons[0], *reasons), how_to_wear=advice)


def wearing_advice(
    categories: Sequence[Category],
    colors: Sequence[tuple[Tone, Role]],
    *,
    base: Sequence[Tone],
    scheme: Scheme,
    printed: bool,
    legs: str,
    small: str,
) -> tuple[Coded, ...]:
    """How to wear a suggestion with garments of these kinds.

    colors: the suggested ones, the largest share first. legs, small: words for what the first colour is worn as on the
    legs, and for the small things that come in the accent's colour.
    """
    first = colors[0][0].name
    if len(categories) > 1:
        found = [coded("ADD_TO_LOOK", name=first, small=small)]
    else:
        code = BY_NAME[categories[0]].advice if categories[0] in BY_NAME else None
        if code is None:
            found = [coded("SIXTY_THIRTY_TEN" if len(colors) > 1 else "ONE_LEADS")]
        else:
            found = [coded(code, name=first, legs=legs) if code == "WEAR_BELOW" else coded(code, name=first)]
    loud = [tone.name for tone, role in colors if role == "accent" and tone.chroma >= CALM_CHROMA]
    if loud and len(categories) == 1:
        found.append(coded("ACCENT_SMALL", name=loud[0], small=small))
    if printed:
        found.append(coded("KEEP_PRINT_SOLID"))
    if scheme == "monochromatic":
        found.append(coded("MIX_TEXTURES"))
    if shared := _shared_warmth([*base, *(tone for tone, _ in colors)]):
        found.append(coded("METAL_GOLD" if shared > 0 else "METAL_SILVER"))
    return tuple(found)


def relation_of(scheme: Scheme, base: Tone, first: Tone) -> str:
    """What the first suggested colour does to the base, as the summary says it."""
    step = first.lightness - base.lightness
    if scheme == "monochromatic":
        return "echo"
    if scheme == "analogous" and base.chroma >= VIVID_CHROMA / 2:
        return "blend"
    if scheme not in ("neutral", "analogous"):
        return "enliven" if first.chroma >= VIVID_CHROMA > base.chroma else "contrast"
    if first.warm > 0 >= base.warm and first.chroma >= base.chroma:
        return "warm"
    if step >= CLEAR_STEP:
        return "lift"
    if step <= -CLEAR_STEP:
        return "deepen"
    return "cool" if first.warm < 0 <= base.warm else "ground"


# --- matches and outfits --------------------------------------------------------------------------------------
def pair_reasons(base: Sequence[Tone], other: Sequence[Tone], *, de00: float) -> tuple[Coded, ...]:
    """Why two garments do or do not go together.

    base, other: their visible colours, the largest first. de00: between their main colours.
    """
    main, item = base[0], other[0]
    if de00 < SAME_DE00:
        found = [coded("SAME_COLOR", value=round(de00, 1))]
    elif de00 < NEAR_MISS_DE00 and max(main.chroma, item.chroma) >= NEAR_MISS_CHROMA[1]:
        found = [coded("NEAR_MISS", value=round(de00, 1))]
    elif main.neutral or item.neutral:
        found = [coded("NEUTRAL_PIECE")]
    else:
        found = _hue_reason(hue_difference_deg(main.hue_deg, item.hue_deg))
    worn = [*base, *other]
    found += _lightness_reason(worn, step=abs(main.lightness - item.lightness))
    found += _chroma_reason(worn)
    found += _temperature_reason(worn)
    return tuple(found[:MAX_REASONS])


def outfit_reasons(worn: Sequence[Tone], *, hues: int, most_hues: int, deviation: float) -> tuple[Coded, ...]:
    """Why garments make an outfit.

    worn: the main colours of the base and of each item. hues: how many hues the outfit shows; they are few up to
    most_hues. deviation: from 60-30-10, 0 to 1.
    """
    found = [coded("FEW_HUES", value=float(hues))] if 0 < hues <= most_hues else []
    if deviation <= BALANCED_DEVIATION:
        found.append(coded("BALANCED_SHARES", value=round(deviation, 2)))
    lightness = [tone.lightness for tone in worn]
    found += _lightness_reason(worn, step=max(lightness) - min(lightness))
    found += _chroma_reason(worn)
    found += _temperature_reason(worn)
    return tuple(found[:MAX_REASONS])


# --- single reasons -------------------------------------------------------------------------------------------
def _scheme_reason(
    scheme: Scheme, base: Tone, added: Sequence[Tone], *, related: tuple[str, str], turn_deg: float
) -> Coded:
    code = SCHEME_REASONS[scheme]
    if scheme == "neutral":
        return coded(code, name=added[0].name)
    if abs(turn_deg - angles_of(scheme)[0]) > MOST_OFF_DEG:
        # The catalogue had no colour at the scheme's angle. The reason tells the relation that is there.
        code = _relation(turn_deg)
        return coded(code, value=float(round(turn_deg)), name=related[0], other=related[1])
    value = abs(base.lightness - added[0].lightness) if scheme == "monochromatic" else float(round(turn_deg))
    return coded(code, value=round(value, 2), name=related[0], other=related[1])


def _hue_reason(turn_deg: float) -> list[Coded]:
    """The named relation of two garments' hues."""
    return [coded(_relation(turn_deg), value=float(round(turn_deg)), name="@piece", other="@garment")]


def _relation(turn_deg: float) -> str:
    """The named relation of two hues that is nearest to their difference."""
    return (
        "SAME_HUE" if turn_deg <= 15
        else "ANALOGOUS_HUES" if turn_deg <= 45
        else "UNRELATED_HUES" if turn_deg < 100
        else "TRIADIC_HUES" if turn_deg <= 135
        else "SPLIT_COMPLEMENTARY_HUES" if turn_deg <= 165
        else "COMPLEMENTARY_HUES"
    )  # fmt: skip


def _lightness_reason(worn: Sequence[Tone], *, step: float) -> list[Coded]:
    """A clear step between the two main colours, or a soft look where everything is about equally light."""
    lightness = [tone.lightness for tone in worn]
    if step >= CLEAR_STEP:
        return [coded("LIGHT_CONTRAST", value=round(step, 2))]
    spread = max(lightness) - min(lightness)
    return [coded("SOFT_CONTRAST", value=round(spread, 2))] if spread < SMALL_STEP else []


def _chroma_reason(worn: Sequence[Tone]) -> list[Coded]:
    chroma = sorted((tone.chroma for tone in worn), reverse=True)
    if chroma[0] < CALM_CHROMA:
        return [coded("CALM_CHROMA", value=round(chroma[0], 2))]
    if chroma[0] >= VIVID_CHROMA and chroma[1] < CALM_CHROMA:
        return [coded("STATEMENT_COLOR", value=round(chroma[0], 2))]
    return [coded("VIVID_COLORS", value=round(chroma[1], 2))] if chroma[1] >= VIVID_CHROMA else []


def _temperature_reason(worn: Sequence[Tone]) -> list[Coded]:
    warm = [tone.warm for tone in worn if tone.warm]
    if len(set(warm)) == 2:
        return [coded("WARM_COOL_BALANCE")]
    if len(warm) < 2 or not _shared_warmth(worn):
        return []
    return [coded("SHARED_WARMTH" if warm[0] > 0 else "SHARED_COOLNESS")]


def _shared_warmth(worn: Sequence[Tone]) -> int:
    """1 when every hue that is worn is warm, -1 when every one is cool, else 0."""
    found = {tone.warm for tone in worn if tone.warm or tone.between}
    return found.pop() if len(found) == 1 else 0
