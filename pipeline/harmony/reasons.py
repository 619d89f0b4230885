"""Why colours go together and how to wear them: codes and numbers from measured facts; numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.color.difference import hue_difference_deg
from pipeline.garments.kinds import BY_NAME
from pipeline.harmony.pair_score import NEAR_MISS_CHROMA, Points
from pipeline.palette.swatches import is_neutral
from pipeline.parts import Coded, coded
from pipeline.types import Category, Role, Scheme

CLEAR_STEP, SMALL_STEP = 0.30, 0.15  # OKLab lightness
NEAR_MISS_DE00 = (2.5, 10.0)
ECHO_DE00 = 5.0
CALM_CHROMA, VIVID_CHROMA = 0.10, 0.13  # OKLCH
TONAL_LAB_CHROMA = 12.0  # below it a colour lends neither warmth nor coolness
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
    """What the reasons need of one colour. warm: 1 warm, -1 cool, 0 neither."""

    name: str
    lightness: float
    chroma: float
    hue_deg: float
    warm: int
    neutral: bool
    vivid: float


def tones(points: Points, names: Sequence[str] = ()) -> list[Tone]:
    """Points as tones, named where names are given."""
    neutral = is_neutral(points.oklch).tolist()
    vivid = points.vivid.tolist()
    return [
        Tone(names[k] if names else "", lightness, chroma, hue_deg, _temperature(a, b), neutral[k], vivid[k])
        for k, ((lightness, chroma, hue_deg), (_, a, b)) in enumerate(
            zip(points.oklch.tolist(), points.lab.tolist(), strict=True)
        )
    ]


def _temperature(a: float, b: float) -> int:
    """By the side of the warm-cool axis, which runs at 50 degrees of CIE Lab hue (Ou et al. 2004)."""
    if a * a + b * b < TONAL_LAB_CHROMA**2:
        return 0
    lean = 0.643 * a + 0.766 * b
    return 1 if lean > 0.2 * TONAL_LAB_CHROMA else -1 if lean < -0.2 * TONAL_LAB_CHROMA else 0


def suggestion_reasons(
    scheme: Scheme, base: Tone, added: Sequence[Tone], *, turn_deg: float, echo_de00: float | None
) -> tuple[Coded, ...]:
    """Why a suggestion works. turn_deg: the scheme's hue difference as measured on the asked wheel."""
    found = [_scheme_reason(scheme, base, added, turn_deg=turn_deg)]
    if echo_de00 is not None and echo_de00 <= ECHO_DE00:
        found.append(coded("ECHOES_PRINT", value=round(echo_de00, 1)))
    if scheme != "monochromatic":
        found += _lightness_reason(base, added[0])
    found += _energy_reason([base, *added])
    found += _temperature_reason(base, added)
    return tuple(found[:MAX_REASONS])


def pair_reasons(base: Tone, other: Tone, *, de00: float) -> tuple[Coded, ...]:
    """Why two pieces do, or do not, go together; by their main colours."""
    if de00 < NEAR_MISS_DE00[0]:
        found = [coded("SAME_COLOR", value=round(de00, 1))]
    elif de00 < NEAR_MISS_DE00[1] and max(base.chroma, other.chroma) >= NEAR_MISS_CHROMA[1]:
        found = [coded("NEAR_MISS", value=round(de00, 1))]
    elif base.neutral or other.neutral:
        found = [coded("NEUTRAL_PIECE")]
    else:
        found = _hue_reason(hue_difference_deg(base.hue_deg, other.hue_deg))
    found += _lightness_reason(base, other)
    found += _energy_reason([base, other])
    found += _temperature_reason(base, [other])
    return tuple(found[:MAX_REASONS])


def outfit_reasons(pieces: Sequence[Tone], *, hues: int, deviation: float) -> tuple[Coded, ...]:
    """Why pieces make an outfit; the largest first. deviation: from 60-30-10, 0..1."""
    found = [coded("FEW_HUES", value=float(hues))]
    if deviation <= 0.15:
        found.append(coded("BALANCED_SHARES", value=round(deviation, 2)))
    found += _lightness_reason(pieces[0], pieces[1])
    found += _energy_reason(pieces)
    found += _temperature_reason(pieces[0], pieces[1:])
    return tuple(found[:MAX_REASONS])


def wearing_advice(
    categories: Sequence[Category],
    colors: Sequence[tuple[Tone, Role]],
    *,
    base: Tone,
    scheme: Scheme,
    printed: bool,
) -> tuple[Coded, ...]:
    """How to wear a suggestion with the pieces of these kinds; colors: the largest share first."""
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
    """The nearest named relation of two hues; none where they have none."""
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


def _energy_reason(pieces: Sequence[Tone]) -> list[Coded]:
    chroma = sorted((tone.chroma for tone in pieces), reverse=True)
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
