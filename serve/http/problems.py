"""Errors as RFC 9457 problem documents: the one table of statuses; Starlette only."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from pipeline import errors
from pipeline.errors import ColorMatchError
from serve.fields import MAX_FIELDS, InvalidFields
from serve.keys.quota import TooManyRequests

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
MAX_DETAIL_CHARS = 2000
POINTER_CHARS = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

STATUS: dict[type[ColorMatchError], int] = {
    errors.ColorMatchError: 500,
    errors.BadInput: 400,
    errors.Unparsable: 400,
    errors.UnsupportedMedia: 415,
    errors.NotAcceptable: 406,
    errors.TooLarge: 413,
    errors.SlowBody: 408,
    errors.Refused: 422,
    errors.InvalidOptions: 422,
    errors.ImageUndecodable: 422,
    errors.ImageTruncated: 422,
    errors.ImageAnimated: 422,
    errors.ImageBomb: 422,
    errors.ImageTooSmall: 422,
    errors.ImageAspect: 422,
    errors.ImageTooComplex: 422,
    errors.MaskInvalid: 422,
    errors.MaskEmpty: 422,
    errors.ChecksumMismatch: 422,
    errors.AccessDenied: 403,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.ObjectChanged: 409,
    errors.IdempotencyKeyReused: 409,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
    errors.NotReady: 503,
    errors.Overloaded: 503,
    errors.PhaseTimeout: 503,
    errors.PhaseFailed: 503,
    errors.PhaseLost: 503,
}
TITLES: dict[str, str] = {
    "INTERNAL": "Something went wrong on our side",
    "BAD_INPUT": "The request cannot be used",
    "UNPARSABLE": "The request cannot be read",
    "UNSUPPORTED_MEDIA_TYPE": "This type of content is not accepted",
    "NOT_ACCEPTABLE": "No representation that the client accepts",
    "TOO_LARGE": "Too large",
    "SLOW_BODY": "The body came too slowly",
    "REFUSED": "The request is refused",
    "INVALID_OPTIONS": "A field has a value that is not allowed",
    "IMAGE_UNDECODABLE": "The image cannot be decoded",
    "IMAGE_TRUNCATED": "The image is truncated",
    "IMAGE_ANIMATED": "The image is animated",
    "IMAGE_BOMB": "The image expands beyond reason",
    "IMAGE_TOO_SMALL": "The image is too small",
    "IMAGE_ASPECT": "The image is too long and thin",
    "IMAGE_TOO_COMPLEX": "The image takes too much work to decode",
    "MASK_INVALID": "The mask cannot be used",
    "MASK_EMPTY": "The mask is empty",
    "CHECKSUM_MISMATCH": "The object is not what was announced",
    "ACCESS_DENIED": "Access denied",
    "UNAUTHENTICATED": "No valid API key",
    "FORBIDDEN": "The API key's scopes do not include this",
    "NOT_FOUND": "Not found",
    "METHOD_NOT_ALLOWED": "This method is not allowed here",
    "CONFLICT": "Not as it was",
    "OBJECT_CHANGED": "The object changed",
    "IDEMPOTENCY_KEY_REUSED": "The idempotency key was used for another request",
    "RATE_LIMITED": "Too many requests",
    "UNAVAILABLE": "Not available now",
    "NOT_READY": "Not ready yet",
    "OVERLOADED": "Too busy",
    "PHASE_TIMEOUT": "A phase took too long",
    "PHASE_FAILED": "A phase failed",
    "PHASE_LOST": "A phase's replica was lost",
}


def status_of(error: ColorMatchError) -> int:
    """The HTTP status of an error: its own row, or its nearest ancestor's."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem_response(error: ColorMatchError, request_id: str, *, more: Mapping[str, object] | None = None) -> Response:
    """An error as its problem document, with the headers that go with its status; more: members of its own."""
    status = status_of(error)
    document: dict[str, object] = {
        "type": f"urn:stylesync:problem:{error.code.lower().replace('_', '-')}",
        "title": TITLES[error.code],
        "status": status,
        "detail": _plain(error.detail) or HTTPStatus(status).description or TITLES[error.code],
        "code": error.code,
        "request_id": request_id,
        **(more or {}),
    }
    if isinstance(error, InvalidFields):
        document["errors"] = [
            {"pointer": _plain(field.pointer)[:POINTER_CHARS], "message": _plain(field.message)}
            for field in error.fields[:MAX_FIELDS]
        ]
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(body, status, headers=_headers(status, error), media_type=MEDIA_TYPE)


def _plain(text: str) -> str:
    """The text, bounded; of what a client sent it quotes nothing that would steer the terminal it is printed on."""
    return _CONTROL.sub("\ufffd", text[:MAX_DETAIL_CHARS])


def _headers(status: int, error: ColorMatchError) -> Mapping[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="stylesync"'
    if status in (429, 503):
        retry_after_s = error.quota.reset_s if isinstance(error, TooManyRequests) else RETRY_AFTER_S
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = error.detail.rpartition(": ")[2]
    return headers
