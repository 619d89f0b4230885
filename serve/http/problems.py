"""Errors as RFC 9457 problem documents: the one table of statuses; Starlette only."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from pipeline import errors
from pipeline.errors import MAX_FIELDS, ColorMatchError, InvalidFields

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
MAX_DETAIL_CHARS = 2000
POINTER_CHARS = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# The status and title of each error; a subclass without a row has those of its nearest ancestor.
PROBLEMS: dict[type[ColorMatchError], tuple[int, str]] = {
    errors.ColorMatchError: (500, "Something went wrong on our side"),
    errors.BadInput: (400, "The request cannot be used"),
    errors.Unparsable: (400, "The request cannot be read"),
    errors.UnsupportedMedia: (415, "This type of content is not accepted"),
    errors.NotAcceptable: (406, "No representation that the client accepts"),
    errors.TooLarge: (413, "Too large"),
    errors.SlowBody: (408, "The body came too slowly"),
    errors.Refused: (422, "The request is refused"),
    errors.InvalidOptions: (422, "A field has a value that is not allowed"),
    errors.ImageUndecodable: (422, "The image cannot be decoded"),
    errors.ImageTruncated: (422, "The image is truncated"),
    errors.ImageAnimated: (422, "The image is animated"),
    errors.ImageBomb: (422, "The image expands beyond reason"),
    errors.ImageTooSmall: (422, "The image is too small"),
    errors.ImageAspect: (422, "The image is too long and thin"),
    errors.ImageTooComplex: (422, "The image takes too much work to decode"),
    errors.MaskInvalid: (422, "The mask cannot be used"),
    errors.MaskEmpty: (422, "The mask is empty"),
    errors.ChecksumMismatch: (422, "The object is not what was announced"),
    errors.AccessDenied: (403, "Access denied"),
    errors.Unauthenticated: (401, "No valid API key"),
    errors.Forbidden: (403, "The API key's scopes do not include this"),
    errors.NotFound: (404, "Not found"),
    errors.MethodNotAllowed: (405, "This method is not allowed here"),
    errors.Conflict: (409, "Not as it was"),
    errors.ObjectChanged: (409, "The object changed"),
    errors.IdempotencyKeyReused: (409, "The idempotency key was used for another request"),
    errors.RateLimited: (429, "Too many requests"),
    errors.Unavailable: (503, "Not available now"),
    errors.NotReady: (503, "Not ready yet"),
    errors.Overloaded: (503, "Too busy"),
    errors.PhaseTimeout: (503, "A phase took too long"),
    errors.PhaseFailed: (503, "A phase failed"),
    errors.PhaseLost: (503, "A phase's replica was lost"),
}
TITLES: dict[str, str] = {kind.code: title for kind, (_, title) in PROBLEMS.items()}


def status_of(error: ColorMatchError) -> int:
    """The HTTP status of an error: its own row, or its nearest ancestor's."""
    return next(PROBLEMS[kind][0] for kind in type(error).__mro__ if kind in PROBLEMS)


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
        retry_after_s = error.retry_after_s if isinstance(error, errors.RateLimited) else RETRY_AFTER_S
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return headers
