"""Explains why colours go together and how to wear them, as codes with measured numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.color.difference import hue_difference_deg
from pipeline.color.neutral import is_neutral
from pipeline.garments.kinds import BY_NAME
from pipeline.harmony.pair_score import CLEAR_STEP, NEAR_MISS_CHROMA, Points
from pipeline.parts import Coded, coded
from pipeline.types import Category, Role, Scheme

# The constants below are taste.
# A difference in OKLab lightness is a soft contrast below this step, and a clear one from CLEAR_STEP on.
SMALL_STEP = 0.15
# Main colours are the same below the first ΔE00, and a near miss below the second.
SAME_DE00, NEAR_MISS_DE00 = 2.5, 10.0
# A suggestion picks up one of the base's smaller colours when it comes this near, ΔE00.
ECHO_DE00 = 5.0
# Colours are calm below the first OKLCH chroma, and vivid from the second on.
CALM_CHROMA, VIVID_CHROMA = 0.10, 0.13
# A colour is neither warm nor cool below this CIE Lab chroma, or when less than a fifth of that lies on the axis.
TONAL_LAB_CHROMA, LEAST_LEAN = 12.0, 0.2
# Areas are balanced up to this deviation from 60-30-10, 0 to 1.
BALANCED_DEVIATION = 0.15
MAX_REASONS = 4
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
    """One colour, as the reasons describe it. warm: 1 for warm, -1 for cool, 0 for neither. vivid: see `Points`."""

    name: str
    lightness: float
    chroma: float
    hue_deg: float
    warm: int
    neutral: bool
    vivid: float


def tones(points: Points, names: Sequence[str] = ()) -> list[Tone]:
    """Points as tones, with names where they are given."""
    neutral = is_neutral(points.oklch).tolist()
    vivid = points.vivid.tolist()
    return [
        Tone(names[k] if names else "", lightness, chroma, hue_deg, _temperature(a, b), neutral[k], vivid[k])
        for k, ((lightness, chroma, hue_deg), (_, a, b)) in enumerate(
            zip(points.oklch.tolist(), points.lab.tolist(), strict=True)
        )
    ]


def _temperature(a: float, b: float) -> int:
    """1 for a warm Lab colour, -1 for a cool one, 0 for neither.

    The warm end of the axis lies at a CIE Lab hue of 50 degrees (Ou et al. 2004).
    """
    if a * a + b * b < TONAL_LAB_CHROMA**2:
        return 0
    # The projection onto the axis: cos 50° and sin 50°.
    lean = 0.643 * a + 0.766 * b
    return 1 if lean > LEAST_LEAN * TONAL_LAB_CHROMA else -1 if lean < -LEAST_LEAN * TONAL_LAB_CHROMA else 0


def suggestion_reasons(
    scheme: Scheme, base: Tone, added: Sequence[Tone], *, turn_deg: float, echo_de00: float | None
) -> tuple[Coded, ...]:
    """Why a suggestion works.

    turn_deg: the measured hue difference that stands for the scheme, on the requested wheel. echo_de00: the ΔE00 from
    the suggestion to the nearest of the base's smaller colours; None when the base has one colour.
    """
    found = [_scheme_reason(scheme, base, added, turn_deg=turn_deg)]
    if echo_de00 is not None and echo_de00 <= ECHO_DE00:
        found.append(coded("ECHOES_PRINT", value=round(echo_de00, 1)))
    if scheme != "monochromatic":
        found += _lightness_reason(base, added[0])
    found += _chroma_reason([base, *added])
    found += _temperature_reason(base, added)
    return tuple(found[:MAX_REASONS])


def pair_reasons(base: Tone, other: Tone, *, de00: float) -> tuple[Coded, ...]:
    """Why two garments do or do not go together, judged by their main colours. de00: their ΔE00."""
    if de00 < SAME_DE00:
        found = [coded("SAME_COLOR", value=round(de00, 1))]
    elif de00 < NEAR_MISS_DE00 and max(base.chroma, other.chroma) >= NEAR_MISS_CHROMA[1]:
        found = [coded("NEAR_MISS", value=round(de00, 1))]
    elif base.neutral or other.neutral:
        found = [coded("NEUTRAL_PIECE")]
    else:
        found = _hue_reason(hue_difference_deg(base.hue_deg, other.hue_deg))
    found += _lightness_reason(base, other)
    found += _chroma_reason([base, other])
    found += _temperature_reason(base, [other])
    return tuple(found[:MAX_REASONS])


def outfit_reasons(main_tones: Sequence[Tone], *, hues: int, deviation: float) -> tuple[Coded, ...]:
    """Why garments make an outfit.

    main_tones: the main colours of the base and then of each item. hues: how many hues the outfit shows. deviation:
    from 60-30-10, 0 to 1.
    """
    found = [coded("FEW_HUES", value=float(hues))]
    if deviation <= BALANCED_DEVIATION:
        found.append(coded("BALANCED_SHARES", value=round(deviation, 2)))
    found += _lightness_reason(main_tones[0], main_tones[1])
    found += _chroma_reason(main_tones)
    found += _temperature_reason(main_tones[0], main_tones[1:])
    return tuple(found[:MAX_REASONS])


def wearing_advice(
    categories: Sequence[Category],
    colors: Sequence[tuple[Tone, Role]],
    *,
    base: Tone,
    scheme: Scheme,
    printed: bool,
) -> tuple[Coded, ...]:
    """How to wear a suggestion with garments of these kinds. colors: the suggested ones, the largest share first."""
    first = colors[0][0].name
    if len(categories) > 1:
        found = [coded("ADD_TO_LOOK", name=first)]
    else:
        ratio = "SIXTY_THIRTY_TEN" if len(colors) > 1 else "ONE_LEADS"
        found = [coded(ratio)]
        if categories[0] in BY_NAME:
            found.append(coded(BY_NAME[categories[0]].advice, name=first))
    loud = [tone.name for tone, role in colors if role == "accent" and tone.chroma >= CALM_CHROMA]
    if loud and len(categories) == 1:
        found.append(coded("ACCENT_SMALL", name=loud[0]))
    if printed:
        found.append(coded("KEEP_PRINT_SOLID"))
    if scheme == "monochromatic":
        found.append(coded("MIX_TEXTURES"))
    warm = {base.warm, *(tone.warm for tone, _ in colors)}
    if 1 in warm and -1 not in warm:
        found.append(coded("METAL_GOLD"))
    elif -1 in warm and 1 not in warm:
        found.append(coded("METAL_SILVER"))
    return tuple(found)


def _scheme_reason(scheme: Scheme, base: Tone, added: Sequence[Tone], *, turn_deg: float) -> Coded:
    code = SCHEME_REASONS[scheme]
    if scheme == "neutral":
        return coded(code, name=added[0].name)
    if scheme == "monochromatic":
        return coded(code, value=round(abs(base.lightness - added[0].lightness), 2))
    return coded(code, value=float(round(turn_deg)))


def _hue_reason(turn_deg: float) -> list[Coded]:
    """The named relation of two hues that is nearest to their difference."""
    code = (
        "SAME_HUE" if turn_deg <= 15
        else "ANALOGOUS_HUES" if turn_deg <= 45
        else "UNRELATED_HUES" if turn_deg < 100
        else "TRIADIC_HUES" if turn_deg <= 135
        else "SPLIT_COMPLEMENTARY_HUES" if turn_deg <= 165
        else "COMPLEMENTARY_HUES"
    )  # fmt: skip
    return [coded(code, value=float(round(turn_deg)))]


def _lightness_reason(base: Tone, other: Tone) -> list[Coded]:
    step = abs(base.lightness - other.lightness)
    if step >= CLEAR_STEP:
        return [coded("LIGHT_CONTRAST", value=round(step, 2))]
    return [coded("SOFT_CONTRAST", value=round(step, 2))] if step < SMALL_STEP else []


def _chroma_reason(worn: Sequence[Tone]) -> list[Coded]:
    chroma = sorted((tone.chroma for tone in worn), reverse=True)
    if chroma[0] < CALM_CHROMA:
        return [coded("CALM_CHROMA", value=round(chroma[0], 2))]
    if chroma[0] >= VIVID_CHROMA:
        code = "STATEMENT_COLOR" if chroma[1] < VIVID_CHROMA else "VIVID_COLORS"
        return [coded(code, value=round(chroma[0] if code == "STATEMENT_COLOR" else chroma[1], 2))]
    return []


def _temperature_reason(base: Tone, added: Sequence[Tone]) -> list[Coded]:
    others = {tone.warm for tone in added} - {0}
    if base.warm == 0 or not others:
        return []
    if -base.warm in others:
        return [coded("WARM_COOL_BALANCE")]
    return [coded("SHARED_WARMTH" if base.warm > 0 else "SHARED_COOLNESS")]
