"""What the OpenAPI document says beyond the routes' own signatures: bodies, examples, every error; FastAPI only."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline import errors
from pipeline.errors import ColorMatchError
from serve import answers, examples, schemas
from serve.deprecation import NOTICES
from serve.problems import MEDIA_TYPE, TITLES, problem_response, status_of

DESCRIPTION = (
    "A photo of clothes, or a few colours, goes in; colour advice that people can wear and programs can use comes out. "
    "Errors are problem documents (RFC 9457). Photos are never kept; answers may be cached unless `store` is false."
)
TAGS = [
    {"name": "advice", "description": "Photos and colours to advice."},
    {"name": "uploads", "description": "Photos past this service, straight into the object store."},
    {"name": "palette", "description": "Palettes as files."},
    {"name": "operations", "description": "Health and readiness."},
]

MULTIPART_SCHEMA = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {
            "type": "string",
            "contentMediaType": "image/*",
            "minLength": 1,
            "description": "JPEG, PNG or WebP, ≤ 10 MiB.",
        },
        "mask": {
            "type": "string",
            "contentMediaType": "image/png",
            "minLength": 1,
            "description": "8-bit PNG of the image's aspect; non-zero = garment.",
        },
        "options": {"$ref": "#/components/schemas/OptionsModel"},
    },
}
MULTIPART = {
    "schema": MULTIPART_SCHEMA,
    "encoding": {
        "image": {"contentType": "image/jpeg, image/png, image/webp"},
        "mask": {"contentType": "image/png"},
        "options": {"contentType": "application/json"},
    },
}
_HEADERS = {
    "X-Request-ID": "The request's id: the client's own when it is plain, else a new one.",
    "WWW-Authenticate": "How to send a key.",
    "Allow": "The methods that are allowed.",
    "Retry-After": "Seconds until another try makes sense.",
    "RateLimit": "What is left of the key's minute: `r` requests, `t` seconds.",
    "RateLimit-Policy": "The key's limit: `q` requests in `w` seconds.",
    "ETag": "Strong; send it back as If-None-Match.",
}
_HEADERS_OF = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
_POST_ERRORS = (400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 500, 503)
_PRESIGN_ERRORS = (400, 401, 403, 405, 406, 408, 409, 413, 415, 422, 429, 500, 503)
_GET_ERRORS = (400, 401, 403, 405, 406, 422, 429, 500, 503)
_PROBE_ERRORS = (400, 405, 500)

Responses = dict[int | str, dict[str, Any]]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in ("X-Request-ID", *names)}


def problem(error: ColorMatchError, **more: Any) -> dict[str, Any]:
    """The problem document of an error, as clients get it."""
    document: dict[str, Any] = json.loads(bytes(problem_response(error, examples.REQUEST_ID, more=more).body))
    return document


def _errors(statuses: tuple[int, ...], *more: ColorMatchError) -> Responses:
    found: Responses = {}
    for status in statuses:
        shown = (*examples.ERRORS.get(status, ()), *(error for error in more if status_of(error) == status))
        found[status] = {
            "description": TITLES[shown[0].code],
            "headers": _headers(*_HEADERS_OF.get(status, ())),
            "content": {
                MEDIA_TYPE: {
                    "schema": _reference(answers.Problem),
                    "examples": {error.code: {"value": problem(error)} for error in shown},
                }
            },
        }
    return found


def _ok(description: str, model: type[BaseModel], example: Any) -> Responses:
    content = {"application/json": {"schema": _reference(model), "example": example}}
    return {200: {"description": description, "headers": _headers(), "content": content}}


def _post(
    operation_id: str, summary: str, model: type[BaseModel], example: Any, *, colors: bool = True
) -> dict[str, Any]:
    bodies: list[type[BaseModel]] = (
        [schemas.ColorsRequest, schemas.ObjectRequest] if colors else [schemas.ObjectRequest]
    )
    as_json: dict[str, Any] = {"schema": {"oneOf": [_reference(body) for body in bodies]}}
    if colors:
        as_json["examples"] = examples.REQUESTS
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
                    "schema": _reference(schemas.PresignRequest),
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
    "responses": _ok("The process answers.", answers.Health, examples.HEALTH) | _errors(_PROBE_ERRORS),
}
READYZ: dict[str, Any] = {
    "tags": ["operations"],
    "operation_id": "readyz",
    "summary": "Ready",
    "responses": _ok("Every phase is ready.", answers.Readiness, examples.READY)
    | _errors(_PROBE_ERRORS)
    | {
        503: {
            "description": "Not ready yet, and which phases it waits for.",
            "headers": _headers("Retry-After"),
            "content": {
                MEDIA_TYPE: {
                    "schema": _reference(answers.NotReadyProblem),
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
            "headers": _headers("ETag"),
            "content": {
                "application/json": {"schema": _reference(answers.PaletteOut), "example": examples.PALETTE},
                "image/svg+xml": {"schema": {"type": "string"}},
                "image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}},
                "text/css": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string", "description": "A GIMP palette."}},
                "application/octet-stream": {
                    "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
                },
            },
        },
        304: {"description": "The client has it already.", "headers": _headers("ETag")},
        **_errors(_GET_ERRORS),
    },
}

OPERATIONS = (ADVICE, SEGMENT, EXTRACT, HARMONY, PRESIGN, HEALTHZ, READYZ, PALETTE)

_BODIES = (schemas.ColorsRequest, schemas.ObjectRequest, schemas.OptionsModel, schemas.PresignRequest)
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


def install(app: FastAPI) -> None:
    """Makes the application's OpenAPI document (3.1) complete: the models that routes refer to by name are in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )
            document["components"]["schemas"] = {**document["components"].get("schemas", {}), **_schemas()}
            _restore_nulls(document)
            for path in NOTICES:
                for operation in document["paths"][path].values():
                    operation["deprecated"] = True
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _restore_nulls(document: dict[str, Any]) -> None:
    """Gives each operation its responses as they stand above: FastAPI drops every null from their examples."""
    responses = {one["operation_id"]: one["responses"] for one in OPERATIONS}
    for item in document["paths"].values():
        for operation in item.values():
            if operation["operationId"] in responses:
                found = responses[operation["operationId"]]
                operation["responses"] = {str(status): response for status, response in found.items()}


def _schemas() -> dict[str, Any]:
    modes = [*((model, "validation") for model in _BODIES), *((model, "serialization") for model in _ANSWERS)]
    _, found = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas_by_name: dict[str, Any] = found["$defs"]
    return schemas_by_name
