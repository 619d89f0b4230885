"""The answer's models, for the OpenAPI document and for tests; answers themselves are built in pipeline.answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.messages import codes
from pipeline.types import Cast, Category, Intent, Mode, PatternClass, PhaseName, Role, Scheme, Temperature
from serve.breaker import State as BreakerState
from serve.cache import CacheStatus
from serve.problems import TITLES

Unit = Annotated[float, Field(ge=0, le=1)]
Hex = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
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
    text: str
    value: float | None = None


class Reason(Shown):
    code: ReasonCode
    text: str
    value: float | None = None


class HowToWear(Shown):
    code: HowToWearCode
    text: str
    value: float | None = None


class VersionsOut(Shown):
    """Everything that shapes an answer; null where that phase had no part in it."""

    api: str
    segmenter: str | None = Field(description="`id:weights-hash:dtype:device`, or `mask`, `whole`, `fallback`.")
    palette: str | None
    harmony: str | None


class LightingOut(Shown):
    cast: Cast
    confidence: Unit
    expected_shift_de00: DeltaE
    corrected: bool


class ImageOut(Shown):
    width: int
    height: int
    analysed_width: int
    analysed_height: int
    lighting: LightingOut | None


class Name(Shown):
    name: str
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
    color_count: Annotated[int, Field(ge=1)]
    confidence: Unit


class RleMaskOut(Shown):
    format: Literal["coco_rle"]
    size: Annotated[list[int], Field(min_length=2, max_length=2, description="[height, width], px.")]
    counts: str


class CategoryShareOut(Shown):
    category: Category
    share: Unit


class VectorOut(Shown):
    version: str
    values: list[float]


class Segment(Shown):
    """A garment without colours."""

    id: str
    category: Category
    confidence: Unit | None
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        description="[x, y, width, height], 0 to 1 of the upright image."
    )
    area: Unit | None = Field(description="Share of the image.")
    mask: RleMaskOut | None = None
    alternatives: list[CategoryShareOut] | None = None


class GarmentOut(Segment):
    pattern: PatternOut | None
    colors: list[Swatch]
    vector: VectorOut | None = None


class ComponentsOut(Shown):
    hue: Unit
    lightness: Unit
    separation: Unit
    vividness: Unit


class SuggestedColorOut(Shown):
    hex: Hex
    name: str
    role: Role
    share: Unit


class SwapColorOut(Shown):
    replaces: Hex
    hex: Hex
    name: str
    score: Unit


class CvdOut(Shown):
    protan_min_de00: DeltaE
    deutan_min_de00: DeltaE
    tritan_min_de00: DeltaE
    distinct: bool


class For(Shown):
    garment_ids: list[str]
    colors: list[Hex]


class ForGarments(Shown):
    garment_ids: list[str]


class SuggestionOut(Shown):
    scheme: Scheme
    intent: Intent
    score: Unit
    for_: For = Field(alias="for")
    components: ComponentsOut
    colors: list[SuggestedColorOut]
    reasons: list[Reason]
    how_to_wear: list[HowToWear]
    cvd: CvdOut
    alternatives: list[SwapColorOut] | None = None


class MatchOut(Shown):
    item_id: str
    score: Unit
    for_: ForGarments = Field(alias="for")
    components: ComponentsOut
    reasons: list[Reason]


class OutfitOut(Shown):
    item_ids: list[str]
    score: Unit
    components: ComponentsOut
    reasons: list[Reason]


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
    request_id: str
    mode: Mode
    degraded: list[PhaseName] = Field(description="Phases whose part of the answer is a fallback.")
    warnings: list[Warned]
    versions: VersionsOut


class Labels(Shown):
    """Values: 0 background, 1 skin, 2 hair, 3 top, 4 outerwear, 5 bottom, 6 full_body, 7 shoes, 8 accessory; 255 a
    garment of unknown kind."""

    format: Literal["png"]
    data: str = Field(description="base64 of an 8-bit PNG at analysed size.")


class SegmentAnswer(AnswerHead):
    image: ImageOut
    labels: Labels
    garments: list[Segment]
    meta: Meta


class ExtractAnswer(AnswerHead):
    image: ImageOut | None
    garments: list[GarmentOut]
    vector: VectorOut | None = None
    meta: Meta


class HarmonyAnswer(AnswerHead):
    suggestions: list[SuggestionOut]
    matches: list[MatchOut]
    outfits: list[OutfitOut]
    meta: Meta


class AdviceAnswer(AnswerHead):
    image: ImageOut | None
    garments: list[GarmentOut]
    suggestions: list[SuggestionOut]
    matches: list[MatchOut]
    outfits: list[OutfitOut]
    vector: VectorOut | None = None
    meta: Meta


class FieldErrorOut(Shown):
    pointer: str = Field(description="JSON pointer into the request (RFC 6901).")
    message: str


class Problem(Shown):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: ErrorCode
    request_id: str
    errors: list[FieldErrorOut] | None = None


class Health(Shown):
    status: Literal["ok"]
    version: str


class PhaseHealth(Shown):
    ready: bool
    version: str | None
    breaker: BreakerState = Field(description="`open`: the phase is not called and answers are degraded.")


CacheHealth = Literal["up", "down"]
ObjectsHealth = Annotated[
    Literal["up", "down", "none"], Field(description="The object store of uploads; `none`: no uploads here.")
]


class Presigned(Shown):
    """How to upload one image; `fields` for POST, `headers` for PUT, each to be sent as it is."""

    method: Literal["POST", "PUT"]
    url: str
    fields: dict[str, str] | None = Field(None, description="Form fields of a POST, before the part `file`.")
    headers: dict[str, str] | None = Field(None, description="Headers of a PUT.")
    object_key: str = Field(description="What `/v1/advice` then takes.")
    expires_at: str = Field(
        description="The end of the permission, RFC 3339.", json_schema_extra={"format": "date-time"}
    )
    max_bytes: int = Field(description="The length that was announced; no other is taken.")


class Readiness(Shown):
    ready: bool
    phases: dict[PhaseName, PhaseHealth]
    cache: CacheHealth
    objects: ObjectsHealth


class NotReadyProblem(Problem):
    """The problem document of a service that is not ready, and what it waits for."""

    ready: Literal[False]
    phases: dict[PhaseName, PhaseHealth]
    cache: CacheHealth
    objects: ObjectsHealth


class PaletteColorOut(Shown):
    hex: Hex
    name: str
    rgb: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=3, max_length=3)]


class PaletteOut(Shown):
    colors: list[PaletteColorOut]
