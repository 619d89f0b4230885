"""The answer as the contract describes it: structs that are encoded, decoded, and published as the schema.

The phases' parts (pipeline.parts) are used as they stand; their codes are put into words here, last of all.
"""

import base64
import io
from typing import Annotated, Literal, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType
from PIL import Image

from pipeline.analysis import Advice, Segments
from pipeline.limits import MAX_GARMENTS, MAX_MATCHES, MAX_OUTFITS, MAX_SUGGESTIONS
from pipeline.messages import Section, codes, summary_of, text_of
from pipeline.parts import (
    NO_CONTROLS,
    Coded,
    Codes,
    Garment,
    ImageInfo,
    MatchOf,
    OutfitOf,
    PaletteVector,
    Part,
    Segment,
    SuggestionOf,
    Versions,
    open_codes,
)
from pipeline.types import CLASSES, UNKNOWN, LabelMap, Mode, PhaseName, View

Text: TypeAlias = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=500)]


# --- codes in words -------------------------------------------------------------------------------------------
class Warned(Part, frozen=True, kw_only=True):
    code: Annotated[str, Meta(extra_json_schema=open_codes(list(codes("warnings"))))]
    value: float | UnsetType = UNSET
    text: Text


class Reason(Part, frozen=True, kw_only=True):
    code: Annotated[str, Meta(extra_json_schema=open_codes(list(codes("reasons"))))]
    value: float | UnsetType = UNSET
    text: Text


class HowToWear(Part, frozen=True, kw_only=True):
    code: Annotated[str, Meta(extra_json_schema=open_codes(list(codes("how_to_wear"))))]
    value: float | UnsetType = UNSET
    text: Text


class Common(Part, frozen=True, kw_only=True):
    """A reason or a piece of advice that holds for every suggestion."""

    code: Annotated[str, Meta(extra_json_schema=open_codes([*codes("reasons"), *codes("how_to_wear")]))]
    text: Text


T = TypeVar("T", Warned, Reason, HowToWear)
Reasons: TypeAlias = Annotated[tuple[Reason, ...], Meta(max_length=len(codes("reasons")))]
HowsToWear: TypeAlias = Annotated[tuple[HowToWear, ...], Meta(max_length=len(codes("how_to_wear")))]


class Suggestion(SuggestionOf[Text, Reasons, HowsToWear], frozen=True):
    """Colours to wear with the target, scored, with reasons."""


class Match(MatchOf[Reasons], frozen=True):
    """A wardrobe item that goes with the target garment."""


class Outfit(OutfitOf[Reasons], frozen=True):
    """Wardrobe items that go with the garments and with each other."""


# --- the answers, without the request's own id and measurements -----------------------------------------------
Garments: TypeAlias = Annotated[tuple[Garment, ...], Meta(max_length=MAX_GARMENTS)]
Suggestions: TypeAlias = Annotated[tuple[Suggestion, ...], Meta(max_length=MAX_SUGGESTIONS)]
Commons: TypeAlias = Annotated[
    tuple[Common, ...],
    Meta(
        max_length=len(codes("reasons")) + len(codes("how_to_wear")),
        description="Reasons and advice that hold for every suggestion, so that none of them repeats them.",
    ),
]
Matches: TypeAlias = Annotated[tuple[Match, ...], Meta(max_length=MAX_MATCHES)]
Outfits: TypeAlias = Annotated[tuple[Outfit, ...], Meta(max_length=MAX_OUTFITS)]


class Head(Part, frozen=True):
    """What every answer begins with."""

    mode: Mode
    degraded: Annotated[
        tuple[PhaseName, ...],
        Meta(max_length=len(get_args(PhaseName)), description="Phases whose part of the answer is a fallback."),
    ]
    warnings: Annotated[tuple[Warned, ...], Meta(max_length=len(codes("warnings")))]
    versions: Versions


class Labels(Part, frozen=True):
    """The label map."""

    format: Literal["png"]
    data: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9+/]+={0,2}$",
            max_length=2_000_000,
            description="base64 of an 8-bit PNG at analysed size. Values: "
            f"{', '.join(f'{label} {name}' for label, name in enumerate(CLASSES))}; "
            f"{UNKNOWN} a garment of unknown kind.",
        ),
    ]


class SegmentBody(Head, frozen=True):
    """Phase 1 alone: the label map, and the garments without colours."""

    image: ImageInfo
    labels: Labels
    garments: Annotated[tuple[Segment, ...], Meta(max_length=MAX_GARMENTS)]


class ExtractBody(Head, frozen=True):
    """The garments and their colours."""

    image: ImageInfo | None
    garments: Garments
    vector: PaletteVector | UnsetType = UNSET


class HarmonyBody(Head, frozen=True):
    """Suggestions, wardrobe matches and outfits alone."""

    suggestions: Suggestions
    common: Commons
    matches: Matches
    outfits: Outfits


class AdviceBody(Head, frozen=True):
    """The whole answer."""

    image: ImageInfo | None
    garments: Garments
    suggestions: Suggestions
    common: Commons
    matches: Matches
    outfits: Outfits
    vector: PaletteVector | UnsetType = UNSET


_BODIES: dict[View, type[ExtractBody | HarmonyBody]] = {"extract": ExtractBody, "harmony": HarmonyBody}
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(AdviceBody)


# --- writing and reading --------------------------------------------------------------------------------------
def advice_to_json(advice: Advice, lang: str, view: View = "advice") -> bytes:
    """The part of the advice that a view shows, as UTF-8 JSON; equal advice gives equal bytes.

    Raises KeyError for a language without a file.
    """
    body = advice_in_words(advice, lang)
    return _ENCODER.encode(_with_fields_of(body, _BODIES[view]) if view in _BODIES else body)


def advice_of_json(text: str | bytes) -> AdviceBody:
    """The whole answer that `advice_to_json` wrote. Raises msgspec.ValidationError for anything else."""
    return _DECODER.decode(text)


def segments_to_json(found: Segments, lang: str) -> bytes:
    """Phase 1 alone, as UTF-8 JSON."""
    labels = Labels("png", _png_base64(found.labels))
    head = (found.mode, found.degraded, _in_words(Warned, "warnings", found.warnings, lang), found.versions)
    return _ENCODER.encode(SegmentBody(*head, found.image, labels, found.garments))


def advice_in_words(advice: Advice, lang: str) -> AdviceBody:
    """The whole answer, every code with its text in the language."""

    def reasons(found: Codes) -> tuple[Reason, ...]:
        return _in_words(Reason, "reasons", found, lang)

    return AdviceBody(
        mode=advice.mode,
        degraded=advice.degraded,
        warnings=_in_words(Warned, "warnings", advice.warnings, lang),
        versions=advice.versions,
        image=advice.image,
        garments=advice.garments,
        suggestions=tuple(
            _with_fields_of(
                one,
                Suggestion,
                summary=summary_of(one.summary, lang),
                reasons=reasons(one.reasons),
                how_to_wear=_in_words(HowToWear, "how_to_wear", one.how_to_wear, lang),
            )
            for one in advice.suggestions
        ),
        common=tuple(_common_in_words(one, lang) for one in advice.common),
        matches=tuple(_with_fields_of(one, Match, reasons=reasons(one.reasons)) for one in advice.matches),
        outfits=tuple(_with_fields_of(one, Outfit, reasons=reasons(one.reasons)) for one in advice.outfits),
        vector=advice.vector,
    )


def _in_words(kind: type[T], section: Section, found: Codes, lang: str) -> tuple[T, ...]:
    return tuple(
        kind(code=one.code, value=UNSET if one.value is None else one.value, text=text_of(section, one, lang))
        for one in found
    )


def _common_in_words(said: Coded, lang: str) -> Common:
    section: Section = "reasons" if said.code in codes("reasons") else "how_to_wear"
    return Common(code=said.code, text=text_of(section, said, lang))


S = TypeVar("S", bound=Part)


def _with_fields_of(source: Part, kind: type[S], **changes: object) -> S:
    """A struct of another kind with the source's values where the changes give none."""
    return kind(
        **{name: changes[name] if name in changes else getattr(source, name) for name in kind.__struct_fields__}
    )


def _png_base64(labels: LabelMap) -> str:
    buffer = io.BytesIO()
    Image.fromarray(labels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
