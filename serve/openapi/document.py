"""Completes the OpenAPI document with what route signatures lack: bodies, examples and errors."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from pipeline import errors
from pipeline.errors import ColorMatchError
from pipeline.image.limits import DEFAULT_LIMITS, allowed_pixels
from pipeline.options import Options
from serve.http import schemas
from serve.http.problems import MEDIA_TYPE, TITLES, problem_response, status_of
from serve.openapi import answers, examples
from serve.openapi.descriptions import describe
from serve.openapi.schema import answer_schemas, reference, request_schemas
from serve.settings import Settings
from serve.uploads.wanted import WantedUpload

DESCRIPTION = (
    "Send a photo of clothes, or a few colours, and get colour advice that people can wear and programs can use. "
    "Errors are problem documents (RFC 9457). Photos are never kept; uploads lie in the bucket for as long as its "
    "operator says. Answers may be cached unless `store` is false. Answers may gain fields and codes within v1: ignore "
    "those that you do not know."
)
TAGS = [
    {"name": "advice", "description": "Advice for photos and colours."},
    {"name": "operations", "description": "Health, readiness and metrics."},
    {"name": "palette", "description": "Palettes as files."},
    {"name": "uploads", "description": "Permissions to upload photos straight into the object store."},
]

SERVER = {
    # Relative to this document, so that it holds behind any prefix.
    "url": ".",
    "description": "The environment that served this document: production, staging or local.",
    "x-internal": False,
}
MIB = 1024 * 1024
MULTIPART: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["image"],
        "additionalProperties": False,
        "properties": {
            "image": {"type": "string", "format": "binary", "contentMediaType": "image/*", "minLength": 1},
            "mask": {"type": "string", "format": "binary", "contentMediaType": "image/png"},
            "options": {"$ref": "#/components/schemas/OptionsModel"},
        },
    },
    "encoding": {
        "image": {"contentType": "image/jpeg, image/png, image/webp, image/avif, image/heic"},
        "mask": {"contentType": "image/png"},
        "options": {"contentType": "application/json"},
    },
}
# Name, pattern, greatest length, whether the header is always present, and its description.
_HEADERS = (
    ("X-Request-ID", "^[A-Za-z0-9._-]+$", 64, True, "The request's id: the client's own if valid, else a new one."),
    ("WWW-Authenticate", "^Bearer realm=", 64, True, "How to send an API key."),
    ("Allow", "^[A-Z]+(, [A-Z]+)*$", 64, True, "The methods that are allowed."),
    ("Retry-After", "^[0-9]+$", 10, True, "Seconds to wait before the next attempt."),
    ("ETag", '^"[0-9a-f]{32}"$', 34, True, "A strong validator; send it back as If-None-Match."),
    ("RateLimit", '^"minute";r=[0-9]+;t=[0-9]+$', 64, False, "A limited key may send `r` requests in the next `t` s."),
    ("RateLimit-Policy", '^"minute";q=[0-9]+;w=60$', 64, False, "A limited key may send `q` requests in `w` seconds."),
    ("Server-Timing", "^[a-z]+;dur=", 512, False, "The steps' times in ms, when `include` names `timings`."),
    ("Content-Encoding", "^gzip$", 8, False, "Answers over 1 kB are compressed when Accept-Encoding allows gzip."),
    ("Accept-Encoding", "^identity$", 16, False, "The encodings of a body that are read."),
    ("Access-Control-Allow-Origin", "^[!-~]+$", 256, False, "The page's origin, if that page may read the answer."),
)
_HEADERS_OF: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    415: ("Accept-Encoding",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_QUOTA = ("RateLimit", "RateLimit-Policy")
_MEASURED = ("Server-Timing", "Content-Encoding")
# The service answers with these before it counts the request.
_UNCOUNTED = (401, 403, 405)
_POST_ERRORS = (400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 500, 503)
_PRESIGN_ERRORS = (400, 401, 403, 405, 406, 408, 409, 413, 415, 422, 429, 500, 503)
_GET_ERRORS = (400, 401, 403, 405, 406, 422, 429, 500, 503)
_PROBE_ERRORS = (400, 405, 500)

Responses = dict[int | str, dict[str, Any]]


def _headers(*names: str) -> dict[str, Any]:
    every = ("X-Request-ID", "Access-Control-Allow-Origin", *names)
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}


def _file(**keywords: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "maxLength": 64 * 1024, **keywords}}


def problem(error: ColorMatchError, **more: Any) -> dict[str, Any]:
    """The problem document of an error, as clients get it."""
    document: dict[str, Any] = json.loads(bytes(problem_response(error, examples.REQUEST_ID, more=more).body))
    return document


def _errors(statuses: tuple[int, ...], *more: ColorMatchError, counted: bool = True) -> Responses:
    responses: Responses = {}
    for status in statuses:
        shown = (*examples.ERRORS.get(status, ()), *(error for error in more if status_of(error) == status))
        responses[status] = {
            "description": TITLES[shown[0].code],
            "headers": _headers(
                *_HEADERS_OF.get(status, ()), *(_QUOTA if counted and status not in _UNCOUNTED else ())
            ),
            "content": {
                MEDIA_TYPE: {
                    "schema": reference(answers.Problem),
                    "examples": {error.code: {"value": problem(error)} for error in shown},
                }
            },
        }
    return responses


def _ok(description: str, model: type, example: Any, *, counted: bool = True) -> Responses:
    content = {"application/json": {"schema": reference(model), "example": example}}
    names = (*_QUOTA, *_MEASURED) if counted else ()
    return {200: {"description": description, "headers": _headers(*names), "content": content}}


def _post(operation_id: str, summary: str, model: type, example: Any, *, colors: bool = True) -> dict[str, Any]:
    bodies: list[type] = [schemas.ObjectRequest, schemas.PhotoRequest]
    as_json: dict[str, Any] = {"schema": {"oneOf": [reference(body) for body in bodies]}}
    if colors:
        as_json["schema"]["oneOf"].insert(0, reference(schemas.ColorsRequest))
    as_json["examples"] = (examples.REQUESTS if colors else {}) | examples.PHOTO_REQUESTS
    return {
        "tags": ["advice"],
        "operation_id": operation_id,
        "summary": summary,
        "responses": _ok("The answer.", model, example) | _errors(_POST_ERRORS, *examples.IMAGE_ERRORS),
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": MULTIPART, "application/json": as_json},
            }
        },
    }


ADVICE = _post("advise", "Colour advice", answers.AdviceAnswer, examples.ADVICE)
COLORS_ADVICE: dict[str, Any] = {
    "tags": ["advice"],
    "operation_id": "adviseColors",
    "summary": "Colour advice for colours",
    "description": "The same as `/v1/advice` with `colors`, as JSON alone, for generated clients and callers of tools.",
    "responses": _ok("The advice.", answers.AdviceAnswer, examples.COLORS_ADVICE)
    | _errors((400, 401, 403, 405, 406, 408, 413, 415, 422, 429, 500, 503)),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reference(schemas.ColorsRequest),
                    "examples": examples.REQUESTS,
                }
            },
        }
    },
}
SEGMENT = _post("segment", "Garments alone", answers.SegmentAnswer, examples.SEGMENT, colors=False)
EXTRACT = _post("extract", "Garments and their colours", answers.ExtractAnswer, examples.EXTRACT)
HARMONY = _post("harmonise", "Suggestions, matches and outfits alone", answers.HarmonyAnswer, examples.HARMONY)
PRESIGN: dict[str, Any] = {
    "tags": ["uploads"],
    "operation_id": "presign",
    "summary": "Permission to upload",
    "responses": _ok("How to upload the image.", answers.Presigned, examples.PRESIGNED)
    | _errors(_PRESIGN_ERRORS, examples.KEY_REUSED),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": reference(WantedUpload),
                    "examples": examples.PRESIGN_REQUESTS,
                }
            },
        }
    },
}
HEALTHZ: dict[str, Any] = {
    "tags": ["operations"],
    "operation_id": "healthz",
    "summary": "Alive",
    "responses": _ok("The process is alive.", answers.Health, examples.HEALTH, counted=False)
    | _errors(_PROBE_ERRORS, counted=False),
}
READYZ: dict[str, Any] = {
    "tags": ["operations"],
    "operation_id": "readyz",
    "summary": "Ready",
    "responses": _ok("Every phase is ready.", answers.Readiness, examples.READY, counted=False)
    | _errors(_PROBE_ERRORS, counted=False)
    | {
        503: {
            "description": "The service is not ready yet. The document names the phases that it waits for.",
            "headers": _headers("Retry-After"),
            "content": {
                MEDIA_TYPE: {
                    "schema": reference(answers.NotReadyProblem),
                    "example": problem(
                        errors.NotReady("Not every phase has reported lately; waiting for segmentation."),
                        **examples.NOT_READY,
                    ),
                }
            },
        }
    },
}
PALETTE: dict[str, Any] = {
    "tags": ["palette"],
    "operation_id": "palette",
    "summary": "A palette as a file",
    "responses": {
        200: {
            "description": "The palette as a file.",
            "headers": _headers("ETag", *_QUOTA),
            "content": {
                "application/json": {"schema": reference(answers.PaletteOut), "example": examples.PALETTE},
                "image/svg+xml": _file(pattern="^<svg "),
                "image/png": _file(contentMediaType="image/png", format="binary"),
                "text/css": _file(pattern="^:root {"),
                "text/plain": _file(pattern="^GIMP Palette", description="A GIMP palette."),
                "application/octet-stream": _file(
                    contentMediaType="application/octet-stream", format="binary", description="An Adobe swatch file."
                ),
            },
        },
        304: {"description": "The client already has this palette.", "headers": _headers("ETag", *_QUOTA)},
        **_errors(_GET_ERRORS),
    },
}

METRICS: dict[str, Any] = {
    "tags": ["operations"],
    "operation_id": "metrics",
    "summary": "The metrics of all replicas",
    "description": "Prometheus text, summed over all replicas, past and present. Needs a key with the scope `metrics`.",
    "responses": {
        200: {
            "description": "The metrics.",
            "headers": _headers(*_QUOTA),
            "content": {"text/plain": {"schema": {"type": "string", "maxLength": 4 * MIB, "pattern": "^# HELP "}}},
        },
        **_errors((*_GET_ERRORS, 503)),
    },
}

OPERATIONS = (ADVICE, COLORS_ADVICE, SEGMENT, EXTRACT, HARMONY, PRESIGN, HEALTHZ, READYZ, METRICS, PALETTE)

_BODIES = (schemas.ColorsRequest, schemas.ObjectRequest, schemas.PhotoRequest, Options, WantedUpload)
_ANSWERS = (
    answers.Health,
    answers.Readiness,
    answers.AdviceAnswer,
    answers.SegmentAnswer,
    answers.ExtractAnswer,
    answers.HarmonyAnswer,
    answers.Presigned,
    answers.PaletteOut,
    answers.Problem,
    answers.NotReadyProblem,
)


def install(app: FastAPI, settings: Settings) -> None:
    """Completes the OpenAPI document (3.1) with the schemas that routes name and the configured limits."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
                servers=[SERVER],
                contact={"name": "StyleSync ColorMatch"},
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )
            document["components"]["headers"] = {
                name: {
                    "description": text,
                    "required": always,
                    "schema": {"type": "string", "pattern": form, "maxLength": longest},
                }
                for name, form, longest, always, text in _HEADERS
            }
            document["components"]["schemas"] = {**document["components"].get("schemas", {}), **_schemas()}
            _restore_nulls(document)
            _state_limits(document, settings)
            _size_integers(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _restore_nulls(document: dict[str, Any]) -> None:
    """Restores the responses of each operation, because FastAPI drops every null from their examples."""
    responses = {operation["operation_id"]: operation["responses"] for operation in OPERATIONS}
    for item in document["paths"].values():
        for operation in item.values():
            if operation["operationId"] in responses:
                stated = responses[operation["operationId"]]
                operation["responses"] = {str(status): response for status, response in stated.items()}


def _state_limits(document: dict[str, Any], settings: Settings) -> None:
    """Puts the configured size limits into the schemas."""
    image_bytes, mask_bytes = settings.max_image_bytes, settings.max_mask_bytes
    limits = {
        "image": (image_bytes, f"A photo of at most {image_bytes / MIB:g} MiB. {_formats()}"),
        "mask": (
            mask_bytes,
            "An 8-bit PNG with the image's aspect ratio. Non-zero pixels mark the garment; in RGB any channel, in a "
            "PNG with transparency the opaque pixels. An empty part counts as absent.",
        ),
    }
    for item in document["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            for name, (most, text) in limits.items() if "multipart/form-data" in content else ():
                part = content["multipart/form-data"]["schema"]["properties"][name]
                part |= {"maxLength": most, "description": text}
    schemas_by_name = document["components"]["schemas"]
    for schema, most in (("SentPhoto", image_bytes), ("SentMask", mask_bytes)):
        field = schemas_by_name[schema]["properties"]["base64"]
        text = next((one for one in field.get("anyOf", ()) if one.get("type") == "string"), field)
        text["maxLength"] = most * 7 // 5
    schemas_by_name["PhotoRequest"]["properties"]["image"]["description"] = f"The photo. {_formats()}"
    for schema, field in (("PresignRequest", "content_length"), ("Presigned", "max_bytes")):
        schemas_by_name[schema]["properties"][field]["maximum"] = settings.max_object_bytes


def _formats() -> str:
    """The formats that are decoded, and the most pixels of each, in words."""
    limits = allowed_pixels(DEFAULT_LIMITS)
    pixels = ", ".join(f"{most / 1e6:g} million for {kind}" for kind, most in limits.items())
    return (
        f"JPEG, PNG, WebP, AVIF or HEIC (HEIC where pi-heif is installed); the bytes decide, not the label. "
        f"At most this many pixels: {pixels}. Each side has {DEFAULT_LIMITS.min_side_px} px or more, and the long side "
        f"is at most {DEFAULT_LIMITS.max_aspect:g} times the short one. Transparent pixels are background."
    )


def _size_integers(value: Any) -> None:
    """Marks every integer as one of 32 bits."""
    if isinstance(value, dict) and value.get("type") == "integer":
        value["format"] = "int32"
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _size_integers(part)


def _schemas() -> dict[str, Any]:
    schemas_by_name = request_schemas(_BODIES) | answer_schemas(_ANSWERS)
    describe(schemas_by_name)
    return schemas_by_name
