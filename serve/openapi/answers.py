"""The answer's models, for the OpenAPI document and for tests; answers themselves are built in pipeline.contract."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages import codes
from pipeline.types import Cast, Category, Intent, Mode, PatternClass, PhaseName, Role, Scheme, Temperature
from serve.fields import MAX_FIELDS, NO_CONTROLS
from serve.http.problems import MAX_DETAIL_CHARS, POINTER_CHARS, TITLES
from serve.http.schemas import (
    MAX_COLORS,
    MAX_ID_CHARS,
    MAX_OBJECT_BYTES,
    MAX_OBJECT_KEY_CHARS,
    MAX_SUGGESTIONS,
    OBJECT_KEY,
)
from serve.vocabulary import BreakerState, CacheHealth, CacheStatus, ObjectsHealth

MAX_GARMENTS = 50  # each has a fiftieth of all their pixels or more
MAX_SIDE_PX = 50_000_000  # no photo has more pixels
REASONS, HOW_TO_WEAR = len(codes("reasons")), len(codes("how_to_wear"))
Unit = Annotated[float, Field(ge=0, le=1)]
Hex = Annotated[str, Field(pattern="^#[0-9a-f]{6}$", max_length=7)]
Text = Annotated[str, Field(pattern=NO_CONTROLS, max_length=500)]
Word = Annotated[str, Field(pattern=NO_CONTROLS, max_length=64)]
Version = Annotated[str, Field(pattern="^[ -~]+$", max_length=128)]
RequestId = Annotated[str, Field(pattern="^[A-Za-z0-9._-]+$", max_length=64)]
GarmentId = Annotated[str, Field(pattern="^g[0-9]+$", max_length=4)]
ItemId = Annotated[str, Field(pattern=NO_CONTROLS, max_length=MAX_ID_CHARS)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX, description="px.")]
DeltaE = Annotated[float, Field(ge=0, description="CIEDE2000.")]
WarningCode = Annotated[str, Field(json_schema_extra={"enum": list(codes("warnings"))})]
ReasonCode = Annotated[str, Field(json_schema_extra={"enum": list(codes("reasons"))})]
HowToWearCode = Annotated[str, Field(json_schema_extra={"enum": list(codes("how_to_wear"))})]
ErrorCode = Annotated[str, Field(json_schema_extra={"enum": list(TITLES)})]


class Shown(BaseModel):
    """A part of an answer. Fields may be added within v1; none is renamed or dropped."""

    model_config = ConfigDict(extra="forbid")


class Warned(Shown):
    code: WarningCode
    text: Text
    value: float | None = None


class Reason(Shown):
    code: ReasonCode
    text: Text
    value: float | None = None


class HowToWear(Shown):
    code: HowToWearCode
    text: Text
    value: float | None = None


class VersionsOut(Shown):
    """Everything that shapes an answer; null where that phase had no part in it."""

    api: Version
    segmenter: Version | None = Field(description="`id:weights-hash:dtype:device`, or `mask`, `whole`, `fallback`.")
    palette: Version | None
    harmony: Version | None


class LightingOut(Shown):
    cast: Cast
    confidence: Unit
    expected_shift_de00: DeltaE
    corrected: bool


class ImageOut(Shown):
    width: Side
    height: Side
    analysed_width: Side
    analysed_height: Side
    lighting: LightingOut | None


class Name(Shown):
    name: Word
    de00: DeltaE


class Names(Shown):
    basic: Name
    iscc_nbs: Name
    fashion: Name


class Swatch(Shown):
    role: Role
    hex: Hex
    oklch: Annotated[list[float], Field(min_length=3, max_length=3)]
    lab: Annotated[list[float], Field(min_length=3, max_length=3, description="CIE Lab, D65.")]
    share: Unit
    confidence: Unit | None
    spread_de00: DeltaE | None
    temperature: Temperature
    neutral: bool
    names: Names
    text_color: Hex
    contrast: Annotated[float, Field(ge=1, le=21)]


class PatternOut(Shown):
    class_: PatternClass = Field(alias="class")
    color_count: Annotated[int, Field(ge=1, le=MAX_COLORS)]
    confidence: Unit


class RleMaskOut(Shown):
    format: Literal["coco_rle"]
    size: Annotated[list[Side], Field(min_length=2, max_length=2, description="[height, width], px.")]
    counts: Annotated[str, Field(pattern="^[0-o]*$", max_length=2_000_000)]


class CategoryShareOut(Shown):
    category: Category
    share: Unit


class VectorOut(Shown):
    version: Version
    values: Annotated[list[float], Field(max_length=512)]


class Segment(Shown):
    """A garment without colours."""

    id: GarmentId
    category: Category
    confidence: Unit | None
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        description="[x, y, width, height], 0 to 1 of the upright image."
    )
    area: Unit | None = Field(description="Share of the image.")
    mask: RleMaskOut | None = None
    alternatives: Annotated[list[CategoryShareOut], Field(max_length=len(get_args(Category)))] | None = None


class GarmentOut(Segment):
    pattern: PatternOut | None
    colors: Annotated[list[Swatch], Field(max_length=MAX_COLORS)]
    vector: VectorOut | None = None


class ComponentsOut(Shown):
    hue: Unit
    lightness: Unit
    separation: Unit
    vividness: Unit


class SuggestedColorOut(Shown):
    hex: Hex
    name: Word
    role: Role
    share: Unit


class SwapColorOut(Shown):
    replaces: Hex
    hex: Hex
    name: Word
    score: Unit


class CvdOut(Shown):
    protan_min_de00: DeltaE
    deutan_min_de00: DeltaE
    tritan_min_de00: DeltaE
    distinct: bool


class For(Shown):
    garment_ids: Annotated[list[GarmentId], Field(max_length=MAX_GARMENTS)]
    colors: Annotated[list[Hex], Field(max_length=MAX_COLORS)]


class ForGarments(Shown):
    garment_ids: Annotated[list[GarmentId], Field(max_length=MAX_GARMENTS)]


class SuggestionOut(Shown):
    scheme: Scheme
    intent: Intent
    score: Unit
    for_: For = Field(alias="for")
    components: ComponentsOut
    colors: Annotated[list[SuggestedColorOut], Field(max_length=MAX_COLORS)]
    reasons: Annotated[list[Reason], Field(max_length=REASONS)]
    how_to_wear: Annotated[list[HowToWear], Field(max_length=HOW_TO_WEAR)]
    cvd: CvdOut
    alternatives: Annotated[list[SwapColorOut], Field(max_length=3 * MAX_COLORS)] | None = None


class MatchOut(Shown):
    item_id: ItemId
    score: Unit
    for_: ForGarments = Field(alias="for")
    components: ComponentsOut
    reasons: Annotated[list[Reason], Field(max_length=REASONS)]


class OutfitOut(Shown):
    item_ids: Annotated[list[ItemId], Field(max_length=4)]
    score: Unit
    components: ComponentsOut
    reasons: Annotated[list[Reason], Field(max_length=REASONS)]


class CacheOut(Shown):
    advice: CacheStatus
    segmentation: CacheStatus
    extraction: CacheStatus
    harmony: CacheStatus


class Meta(Shown):
    """How this answer came about; it varies between equal requests."""

    cache: CacheOut
    timing_ms: dict[str, float] | None = None


class AnswerHead(Shown):
    request_id: RequestId
    mode: Mode
    degraded: list[PhaseName] = Field(
        max_length=len(get_args(PhaseName)), description="Phases whose part of the answer is a fallback."
    )
    warnings: Annotated[list[Warned], Field(max_length=len(codes("warnings")))]
    versions: VersionsOut


class Labels(Shown):
    """Values: 0 background, 1 skin, 2 hair, 3 top, 4 outerwear, 5 bottom, 6 full_body, 7 shoes, 8 accessory; 255 a
    garment of unknown kind."""

    format: Literal["png"]
    data: str = Field(
        pattern="^[A-Za-z0-9+/]+={0,2}$",
        max_length=2_000_000,
        description="base64 of an 8-bit PNG at analysed size.",
    )


class SegmentAnswer(AnswerHead):
    image: ImageOut
    labels: Labels
    garments: Annotated[list[Segment], Field(max_length=MAX_GARMENTS)]
    meta: Meta


class ExtractAnswer(AnswerHead):
    image: ImageOut | None
    garments: Annotated[list[GarmentOut], Field(max_length=MAX_GARMENTS)]
    vector: VectorOut | None = None
    meta: Meta


class HarmonyAnswer(AnswerHead):
    suggestions: Annotated[list[SuggestionOut], Field(max_length=MAX_SUGGESTIONS)]
    matches: Annotated[list[MatchOut], Field(max_length=24)]
    outfits: Annotated[list[OutfitOut], Field(max_length=6)]
    meta: Meta


class AdviceAnswer(AnswerHead):
    image: ImageOut | None
    garments: Annotated[list[GarmentOut], Field(max_length=MAX_GARMENTS)]
    suggestions: Annotated[list[SuggestionOut], Field(max_length=MAX_SUGGESTIONS)]
    matches: Annotated[list[MatchOut], Field(max_length=24)]
    outfits: Annotated[list[OutfitOut], Field(max_length=6)]
    vector: VectorOut | None = None
    meta: Meta


class FieldErrorOut(Shown):
    pointer: str = Field(
        pattern=NO_CONTROLS, max_length=POINTER_CHARS, description="JSON pointer into the request (RFC 6901)."
    )
    message: Annotated[str, Field(pattern=NO_CONTROLS, max_length=MAX_DETAIL_CHARS)]


class Problem(Shown):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:stylesync:problem:[a-z-]+$", max_length=128)]
    title: Annotated[str, Field(json_schema_extra={"enum": list(TITLES.values())})]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(pattern=NO_CONTROLS, max_length=MAX_DETAIL_CHARS)]
    code: ErrorCode
    request_id: RequestId
    errors: Annotated[list[FieldErrorOut], Field(max_length=MAX_FIELDS)] | None = None


class Health(Shown):
    status: Literal["ok"]
    version: Version


class PhaseHealth(Shown):
    ready: bool
    version: Version | None
    breaker: BreakerState = Field(description="`open`: the phase is not called and answers are degraded.")


ObjectsState = Annotated[ObjectsHealth, Field(description="The object store of uploads; `none`: no uploads here.")]


FieldValue = Annotated[str, Field(pattern="^[ -~]*$", max_length=8192)]


class Presigned(Shown):
    """How to upload one image; `fields` for POST, `headers` for PUT, each to be sent as it is."""

    method: Literal["POST", "PUT"]
    url: Annotated[str, Field(max_length=8192, json_schema_extra={"format": "uri"})]
    fields: dict[str, FieldValue] | None = Field(None, description="Form fields of a POST, before the part `file`.")
    headers: dict[str, FieldValue] | None = Field(None, description="Headers of a PUT.")
    object_key: str = Field(
        pattern=OBJECT_KEY, max_length=MAX_OBJECT_KEY_CHARS, description="What `/v1/advice` then takes."
    )
    expires_at: str = Field(
        max_length=64, description="The end of the permission, RFC 3339.", json_schema_extra={"format": "date-time"}
    )
    max_bytes: int = Field(ge=1, le=MAX_OBJECT_BYTES, description="The length that was announced; no other is taken.")


class Readiness(Shown):
    ready: bool
    phases: dict[PhaseName, PhaseHealth]
    cache: CacheHealth
    objects: ObjectsState


class NotReadyProblem(Problem):
    """The problem document of a service that is not ready, and what it waits for."""

    ready: Literal[False]
    phases: dict[PhaseName, PhaseHealth]
    cache: CacheHealth
    objects: ObjectsState


class PaletteColorOut(Shown):
    hex: Hex
    name: Word
    rgb: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]


class PaletteOut(Shown):
    colors: Annotated[list[PaletteColorOut], Field(max_length=MAX_COLORS)]
