"""The answers' schemas: the contract's bodies with the request's own id and measurements, and the other answers."""

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import UNSET, Meta, UnsetType

from pipeline.contract import AdviceBody, ExtractBody, HarmonyBody, SegmentBody
from pipeline.errors import MAX_FIELDS
from pipeline.limits import MAX_COLORS
from pipeline.parts import NO_CONTROLS, Hex, Part, Version, Word, open_codes
from pipeline.types import PhaseName
from serve.http.problems import MAX_DETAIL_CHARS, POINTER_CHARS, TITLES
from serve.uploads.wanted import MAX_OBJECT_KEY_CHARS, OBJECT_KEY
from serve.vocabulary import BreakerState, CacheHealth, CacheStatus, ObjectsHealth

RequestId: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]+$", max_length=64)]
Detail: TypeAlias = Annotated[str, Meta(pattern=NO_CONTROLS, max_length=MAX_DETAIL_CHARS)]
FieldValue: TypeAlias = Annotated[str, Meta(pattern="^[ -~]*$", max_length=8192)]


class CacheStatuses(Part, frozen=True):
    advice: CacheStatus
    segmentation: CacheStatus
    extraction: CacheStatus
    harmony: CacheStatus


class Measured(Part, frozen=True):
    """How this answer came about; it varies between equal requests."""

    cache: CacheStatuses
    served_by: (
        Annotated[
            dict[PhaseName, Literal["ingress"]],
            Meta(
                description="Degraded phases whose own function ran in the ingress: that part of the answer is whole.",
                extra_json_schema={"propertyNames": {"enum": list(get_args(PhaseName))}},
            ),
        ]
        | UnsetType
    ) = UNSET
    timing_ms: dict[str, float] | UnsetType = UNSET


class AdviceAnswer(AdviceBody, frozen=True, kw_only=True):
    """The whole answer."""

    request_id: RequestId
    meta: Measured


class SegmentAnswer(SegmentBody, frozen=True, kw_only=True):
    """The garments alone."""

    request_id: RequestId
    meta: Measured


class ExtractAnswer(ExtractBody, frozen=True, kw_only=True):
    """The garments and their colours."""

    request_id: RequestId
    meta: Measured


class HarmonyAnswer(HarmonyBody, frozen=True, kw_only=True):
    """Suggestions, wardrobe matches and outfits alone."""

    request_id: RequestId
    meta: Measured


# --- errors ---------------------------------------------------------------------------------------------------
class BadField(Part, frozen=True):
    pointer: Annotated[
        str,
        Meta(pattern=NO_CONTROLS, max_length=POINTER_CHARS, description="JSON pointer into the request (RFC 6901)."),
    ]
    message: Detail


class Problem(Part, frozen=True):
    """An error (RFC 9457)."""

    type: Annotated[str, Meta(pattern="^(/[^/?#]+)*/docs/errors/[a-z-]+$", max_length=256)]
    title: Annotated[str, Meta(pattern=NO_CONTROLS, max_length=128, description="The kind of problem, in words.")]
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Detail
    code: Annotated[str, Meta(extra_json_schema=open_codes(list(TITLES)))]
    request_id: RequestId
    errors: Annotated[tuple[BadField, ...], Meta(max_length=MAX_FIELDS)] | UnsetType = UNSET


# --- operations -----------------------------------------------------------------------------------------------
class Health(Part, frozen=True):
    status: Literal["ok"]
    version: Version


RefusedConfig: TypeAlias = Annotated[
    Annotated[str, Meta(pattern=NO_CONTROLS, max_length=2000)] | None,
    Meta(description="What is wrong with the latest `user_config`; null: it is in force."),
]


class PhaseReadiness(Part, frozen=True):
    ready: bool
    version: Version | None
    breaker: Annotated[BreakerState, Meta(description="`open`: the phase is not called and answers are degraded.")]
    replicas: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="Replicas that can be called; 0: answers are degraded; null: not known yet."),
    ]
    refused_config: RefusedConfig


Phases: TypeAlias = Annotated[
    dict[PhaseName, PhaseReadiness],
    Meta(extra_json_schema={"propertyNames": {"enum": list(get_args(PhaseName))}}),
]
ObjectsState: TypeAlias = Annotated[
    ObjectsHealth, Meta(description="The object store of uploads; `none`: no uploads here.")
]


class Readiness(Part, frozen=True):
    ready: bool
    phases: Phases
    cache: CacheHealth
    objects: ObjectsState
    refused_config: RefusedConfig


class NotReadyProblem(Problem, frozen=True, kw_only=True):
    """The problem document of a service that is not ready, and what it waits for."""

    ready: Annotated[bool, Meta(extra_json_schema={"const": False})]
    phases: Phases
    cache: CacheHealth
    objects: ObjectsState
    refused_config: RefusedConfig


class Presigned(Part, frozen=True, kw_only=True):
    """How to upload one image; `fields` for POST, `headers` for PUT, each to be sent as it is."""

    method: Literal["POST", "PUT"]
    url: Annotated[str, Meta(max_length=8192, extra_json_schema={"format": "uri"})]
    fields: Annotated[dict[str, FieldValue], Meta(description="Form fields of a POST, before the part `file`.")] | (
        UnsetType
    ) = UNSET
    headers: Annotated[dict[str, FieldValue], Meta(description="Headers of a PUT.")] | UnsetType = UNSET
    object_key: Annotated[
        str, Meta(pattern=OBJECT_KEY, max_length=MAX_OBJECT_KEY_CHARS, description="What `/v1/advice` then takes.")
    ]
    expires_at: Annotated[
        str,
        Meta(
            max_length=64,
            description="The end of the permission, RFC 3339.",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    max_bytes: Annotated[int, Meta(ge=1, description="The length that was announced; no other is taken.")]


# --- palettes -------------------------------------------------------------------------------------------------
class PaletteEntry(Part, frozen=True):
    hex: Hex
    name: Word
    rgb: Annotated[tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(min_length=3, max_length=3)]


class PaletteOut(Part, frozen=True):
    colors: Annotated[tuple[PaletteEntry, ...], Meta(max_length=MAX_COLORS)]
