"""The parts of answers: the contract's objects, encoded as they stand, in this order of fields.

The OpenAPI document's schemas are made from them.  A field that clients must ask for (`include`) is UNSET, and absent
from the JSON, when it was not asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar, get_args
from zlib import crc32

from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

from pipeline.limits import MAX_COLOR_CHARS, MAX_COLORS, MAX_GARMENTS, MAX_ID_CHARS, MAX_OUTFIT_ITEMS, MAX_SIDE_PX
from pipeline.types import (
    Cast,
    Category,
    GarmentClass,
    Intent,
    Mask,
    Mood,
    PatternClass,
    Rating,
    Role,
    Scheme,
    Temperature,
)

NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"
Unit: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Hex: TypeAlias = Annotated[str, Meta(pattern="^#[0-9a-f]{6}$", max_length=7)]
Word: TypeAlias = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=64)]
Version: TypeAlias = Annotated[str, Meta(pattern="^[ -~]+$", max_length=128)]
GarmentId: TypeAlias = Annotated[str, Meta(pattern="^g[0-9]+$", max_length=4)]
ItemId: TypeAlias = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=MAX_ID_CHARS)]
SidePx: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_SIDE_PX, description="px.")]
DeltaE: TypeAlias = Annotated[float, Meta(ge=0, description="CIEDE2000.")]
Score: TypeAlias = Annotated[
    Unit, Meta(description="The share of pairs of garment colours that score lower by our rules; no measure of beauty.")
]
Rated: TypeAlias = Annotated[Rating, Meta(description="The score in a word.")]
Reasons = TypeVar("Reasons")
HowToWear = TypeVar("HowToWear")
Summary = TypeVar("Summary")


def open_codes(known: list[str]) -> dict[str, Any]:
    """The schema of a code: those that are known today, to which others may come within v1."""
    return {"pattern": "^[A-Z][A-Z0-9_]*$", "maxLength": 64, "x-extensible-enum": known, "examples": known[:1]}


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of an answer. Fields may be added within v1; none is renamed or dropped."""


class Coded(Part, frozen=True):
    """A reason, a piece of advice or a warning before it is put into words.

    value: the code's number, where it has one. words: what fills the text's other placeholders; a word that begins with
    `@` is looked up in the language file. variant: chooses among the wordings.
    """

    code: str
    value: float | None = None
    words: tuple[tuple[str, str], ...] = ()
    variant: int = 0


def coded(code: str, *, value: float | None = None, **words: str) -> Coded:
    """A code with its number and the words of its text."""
    return Coded(code, value, tuple(words.items()))


def worded(found: Iterable[Coded], seed: str) -> tuple[Coded, ...]:
    """The codes with wordings that depend on the seed alone: equal suggestions are always told in equal words."""
    return tuple(structs.replace(one, variant=crc32(f"{one.code} {seed}".encode())) for one in found)


class RleMask(Part, frozen=True):
    """A mask in COCO's compressed run-length encoding."""

    size: Annotated[tuple[SidePx, ...], Meta(min_length=2, max_length=2, description="[height, width], px.")]
    counts: Annotated[str, Meta(pattern="^[0-o]*$", max_length=2_000_000)]
    format: Literal["coco_rle"]


class CategoryShare(Part, frozen=True):
    """How much of a region's vote another category got."""

    category: Category
    share: Unit


@dataclass(frozen=True, slots=True)
class Region:
    """One garment found in a label map. mask: (H, W) at analysed size. bbox: x, y, width, height, 0 to 1."""

    id: str
    category: Category
    confidence: float | None
    bbox: tuple[float, float, float, float]
    area: float  # share of the image, 0 to 1
    mask: Mask
    alternatives: tuple[CategoryShare, ...] = ()


class NameMatch(Part, frozen=True):
    """The nearest name of one vocabulary and how far it is."""

    name: Word
    de00: DeltaE


class ColorNames(Part, frozen=True):
    """The nearest name in each vocabulary."""

    basic: NameMatch
    iscc_nbs: NameMatch
    fashion: NameMatch


class Swatch(Part, frozen=True):
    """One colour of a garment, described. oklch: L 0..1, C, h in degrees. lab: CIE Lab, D65."""

    role: Role
    hex: Hex
    oklch: Annotated[tuple[float, ...], Meta(min_length=3, max_length=3)]
    lab: Annotated[tuple[float, ...], Meta(min_length=3, max_length=3, description="CIE Lab, D65.")]
    share: Unit
    confidence: Unit | None
    spread_de00: DeltaE | None
    temperature: Temperature
    neutral: bool
    names: ColorNames
    text_color: Hex
    contrast: Annotated[float, Meta(ge=1, le=21)]
    given: (
        Annotated[
            str,
            Meta(pattern=NO_CONTROLS, max_length=MAX_COLOR_CHARS, description="The colour as the client wrote it."),
        ]
        | UnsetType
    ) = UNSET


class Pattern(Part, frozen=True):
    """How many colours a garment shows at a glance."""

    kind: PatternClass = field(name="class")
    color_count: Annotated[int, Meta(ge=1, le=MAX_COLORS)]
    confidence: Unit


class PaletteVector(Part, frozen=True):
    """A fixed-length embedding whose Euclidean distances rank palettes as the palette error does."""

    version: Version
    values: Annotated[tuple[float, ...], Meta(max_length=512)]


BoundingBox: TypeAlias = Annotated[
    Annotated[tuple[float, ...], Meta(min_length=4, max_length=4)] | None,
    Meta(description="[x, y, width, height], 0 to 1 of the upright image."),
]
ImageShare: TypeAlias = Annotated[Unit | None, Meta(description="Share of the image.")]
KindConfidence: TypeAlias = Annotated[
    Unit | None, Meta(description="The probability that the category is right; null without a network.")
]
Alternatives: TypeAlias = Annotated[tuple[CategoryShare, ...], Meta(max_length=len(get_args(Category)))]


class Segment(Part, frozen=True):
    """A garment without colours."""

    id: GarmentId
    category: Category
    confidence: KindConfidence
    bbox: BoundingBox
    area: ImageShare
    mask: RleMask | UnsetType = UNSET
    alternatives: Alternatives | UnsetType = UNSET


class Garment(Part, frozen=True):
    """One garment and its palette, the largest share first."""

    id: GarmentId
    category: Category
    confidence: KindConfidence
    bbox: BoundingBox
    area: ImageShare
    pattern: Pattern | None
    colors: Annotated[tuple[Swatch, ...], Meta(max_length=MAX_COLORS)]
    mask: RleMask | UnsetType = UNSET
    alternatives: Alternatives | UnsetType = UNSET
    vector: PaletteVector | UnsetType = UNSET


class Versions(Part, frozen=True):
    """Everything that shapes an answer; null where that phase had no part in it."""

    api: Version
    segmenter: Annotated[
        Version | None, Meta(description="`id:weights-hash:dtype:device[-engine]`, or `mask`, `whole`, `fallback`.")
    ]
    palette: Version | None
    harmony: Version | None


class Lighting(Part, frozen=True):
    """The estimated cast of the light, and what correcting it would do (mean ΔE00 over the garments)."""

    cast: Cast
    confidence: Unit
    expected_shift_de00: DeltaE
    corrected: bool


class ImageInfo(Part, frozen=True):
    """The photo as it came (upright), as it was analysed, and its light."""

    width: SidePx
    height: SidePx
    analysed_width: SidePx
    analysed_height: SidePx
    lighting: Lighting | None


class Target(Part, frozen=True):
    """The garments, and their colours, that a suggestion is for."""

    garment_ids: Annotated[tuple[GarmentId, ...], Meta(max_length=MAX_GARMENTS)]
    colors: Annotated[tuple[Hex, ...], Meta(max_length=MAX_COLORS)]


class MatchTarget(Part, frozen=True):
    """The garments that a wardrobe item goes with."""

    garment_ids: Annotated[tuple[GarmentId, ...], Meta(max_length=MAX_GARMENTS)]


class SuggestedColor(Part, frozen=True):
    """One colour to wear with the target; share is its part of the whole outfit."""

    hex: Hex
    name: Word
    role: Role
    share: Unit


class SwapColor(Part, frozen=True):
    """Another wearable colour for a suggested one, and the suggestion's score with it."""

    replaces: Hex
    hex: Hex
    name: Word
    score: Score


class CvdReport(Part, frozen=True):
    """The least ΔE00 between the colours as each kind of colour-blind eye sees them; distinct: all three ≥ 10."""

    protan_min_de00: DeltaE
    deutan_min_de00: DeltaE
    tritan_min_de00: DeltaE
    distinct: bool


class Components(Part, frozen=True):
    """The parts of a score (see pipeline.harmony.pair_score)."""

    hue: Unit
    lightness: Unit
    separation: Unit
    vividness: Unit


class SuggestionOf(Part, Generic[Summary, Reasons, HowToWear], frozen=True):
    """Colours to wear with the target, scored, with reasons that are codes or, in an answer, texts."""

    summary: Summary
    mood: Annotated[
        Mood, Meta(description="Among the first three suggestions are a safe, a tonal and a daring one where possible.")
    ]
    scheme: Scheme
    intent: Intent
    score: Score
    rating: Rated
    target: Target = field(name="for")
    components: Components
    colors: Annotated[tuple[SuggestedColor, ...], Meta(max_length=MAX_COLORS)]
    reasons: Reasons
    how_to_wear: HowToWear
    cvd: CvdReport
    alternatives: Annotated[tuple[SwapColor, ...], Meta(max_length=3 * MAX_COLORS)] | UnsetType = UNSET


class MatchOf(Part, Generic[Reasons], frozen=True):
    """A wardrobe item that goes with the target garment."""

    item_id: ItemId
    score: Score
    rating: Rated
    target: MatchTarget = field(name="for")
    components: Components
    reasons: Reasons


class OutfitOf(Part, Generic[Reasons], frozen=True):
    """Wardrobe items that go with the garments and with each other."""

    item_ids: Annotated[tuple[ItemId, ...], Meta(max_length=MAX_OUTFIT_ITEMS)]
    score: Score
    rating: Rated
    missing: Annotated[
        tuple[GarmentClass, ...],
        Meta(max_length=len(get_args(GarmentClass)), description="What the outfit lacks to cover body and feet."),
    ]
    components: Components
    reasons: Reasons


Codes: TypeAlias = tuple[Coded, ...]
Suggestion: TypeAlias = SuggestionOf[Coded, Codes, Codes]
Match: TypeAlias = MatchOf[Codes]
Outfit: TypeAlias = OutfitOf[Codes]


@dataclass(frozen=True, slots=True)
class Extraction:
    """Phase 2's answer."""

    garments: tuple[Garment, ...]
    lighting: Lighting | None
    warnings: Codes
    version: str


@dataclass(frozen=True, slots=True)
class Harmony:
    """Phase 3's answer, each list best first. common: reasons and advice that hold for every suggestion."""

    suggestions: tuple[Suggestion, ...]
    common: Codes = ()
    matches: tuple[Match, ...] = ()
    outfits: tuple[Outfit, ...] = ()
    version: str = ""
