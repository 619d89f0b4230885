"""What the OpenAPI document says beyond the routes' own signatures: bodies, examples, every error; FastAPI only."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serve import answers, schemas
from serve.problems import MEDIA_TYPE, TITLES

DESCRIPTION = (
    "A photo of clothes, or a few colours, goes in; colour advice that people can wear and programs can use comes out. "
    "Errors are problem documents (RFC 9457). Photos are never kept; answers may be cached unless `store` is false."
)
TAGS = [
    {"name": "advice", "description": "Photos and colours to advice."},
    {"name": "palette", "description": "Palettes as files."},
    {"name": "operations", "description": "Health and readiness."},
]

WARDROBE_EXAMPLE = {
    "colors": ["navy"],
    "options": {
        "max_suggestions": 2,
        "intent": "bold",
        "wardrobe": [
            {"id": "w17", "hex": "#c19a6b", "category": "bottom"},
            {"id": "w3", "colors": ["white", {"hex": "#9caf88", "share": 0.2}], "category": "shoes"},
        ],
    },
}
JSON_EXAMPLES = {
    "colours": {"summary": "Colours to advice", "value": {"colors": ["#1f2a44", "#c19a6b"]}},
    "shares": {
        "summary": "With shares and options",
        "value": {"colors": [{"hex": "#1f2a44", "share": 0.7}, "ivory"], "options": {"max_suggestions": 3}},
    },
    "wardrobe": {"summary": "Matches from a wardrobe", "value": WARDROBE_EXAMPLE},
}
MULTIPART_SCHEMA = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {
            "type": "string",
            "contentMediaType": "image/*",
            "description": "JPEG, PNG or WebP, ≤ 10 MiB.",
        },
        "mask": {
            "type": "string",
            "contentMediaType": "image/png",
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
ERRORS: dict[int, str] = {
    400: "UNPARSABLE",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    408: "SLOW_BODY",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID_OPTIONS",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "OVERLOADED",
}
_POST_ERRORS = (400, 401, 403, 404, 405, 406, 408, 413, 415, 422, 429, 500, 503)
_GET_ERRORS = (400, 401, 403, 405, 406, 422, 429, 500, 503)
_PROBE_ERRORS = (400, 405, 500)


def problem_example(status: int) -> dict[str, Any]:
    """An example problem document of a status."""
    code = ERRORS[status]
    example: dict[str, Any] = {
        "type": f"urn:stylesync:problem:{code.lower().replace('_', '-')}",
        "title": TITLES[code],
        "status": status,
        "detail": "/max_colors: Input should be less than or equal to 12. Given: 13."
        if status == 422
        else TITLES[code],
        "code": code,
        "request_id": "0f8fad5bd9cb469fa16570867728950e",
    }
    if status == 422:
        message = "Input should be less than or equal to 12. Given: 13."
        example["errors"] = [{"pointer": "/options/max_colors", "message": message}]
    return example


def _errors(statuses: tuple[int, ...]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "description": TITLES[ERRORS[status]],
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": problem_example(status),
                }
            },
        }
        for status in statuses
    }


def _post(answer: type[BaseModel], operation_id: str, *, colors: bool = True) -> dict[str, Any]:
    bodies = [schemas.ColorsRequest, schemas.ObjectRequest] if colors else [schemas.ObjectRequest]
    references = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in bodies]
    as_json: dict[str, Any] = {"schema": {"oneOf": references}}
    if colors:
        as_json["examples"] = JSON_EXAMPLES
    return {
        "tags": ["advice"],
        "operation_id": operation_id,
        "responses": {
            200: {
                "description": "The answer.",
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}},
            },
            **_errors(_POST_ERRORS),
        },
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": MULTIPART, "application/json": as_json},
            }
        },
    }


def _get(operation_id: str, tag: str, statuses: tuple[int, ...]) -> dict[str, Any]:
    return {"tags": [tag], "operation_id": operation_id, "responses": _errors(statuses)}


ADVICE = _post(answers.AdviceAnswer, "advise")
SEGMENT = _post(answers.SegmentAnswer, "segment", colors=False)
EXTRACT = _post(answers.ExtractAnswer, "extract")
HARMONY = _post(answers.HarmonyAnswer, "harmonise")
HEALTHZ = _get("healthz", "operations", _PROBE_ERRORS)
READYZ = _get("readyz", "operations", _PROBE_ERRORS)
READYZ["responses"][503] = {
    "description": "Not ready yet: which phases it waits for; Retry-After says when to ask.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/NotReadyProblem"}}},
}
PALETTE = _get("palette", "palette", _GET_ERRORS)
PALETTE["responses"][200] = {
    "description": "The palette as a file.",
    "headers": {"ETag": {"schema": {"type": "string"}, "description": "Strong; send it back as If-None-Match."}},
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/PaletteOut"}},
        "image/svg+xml": {"schema": {"type": "string"}},
        "image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}},
        "text/css": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string", "description": "A GIMP palette."}},
        "application/octet-stream": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}},
    },
}
PALETTE["responses"][304] = {"description": "The client has it already."}

_BODIES = (schemas.ColorsRequest, schemas.ObjectRequest, schemas.OptionsModel)
_ANSWERS = (
    answers.AdviceAnswer,
    answers.SegmentAnswer,
    answers.ExtractAnswer,
    answers.HarmonyAnswer,
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
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas() -> dict[str, Any]:
    modes = [*((model, "validation") for model in _BODIES), *((model, "serialization") for model in _ANSWERS)]
    _, found = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas_by_name: dict[str, Any] = found["$defs"]
    return schemas_by_name
