"""Turns errors into RFC 9457 problem documents; holds the one table of statuses and titles."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from pipeline import errors
from pipeline.errors import MAX_FIELDS, ColorMatchError, InvalidFields

# Standard: RFC 9457.
MEDIA_TYPE = "application/problem+json"
# Taste: the Retry-After of an error that names no time of its own.
RETRY_AFTER_S = 1
# Taste: a client's own text may be part of both, so both are bounded.
MAX_DETAIL_CHARS = 2000
POINTER_CHARS = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# The status and title of each error; a subclass without a row has those of its nearest ancestor.
PROBLEMS: dict[type[ColorMatchError], tuple[int, str]] = {
    errors.ColorMatchError: (500, "Something went wrong on our side"),
    errors.BadInput: (400, "The request cannot be used"),
    errors.Unparsable: (400, "The request cannot be read"),
    errors.UnsupportedMedia: (415, "This type of content is not accepted"),
    errors.NotAcceptable: (406, "The client accepts none of the available formats"),
    errors.TooLarge: (413, "The request or the image is too large"),
    errors.SlowBody: (408, "The body came too slowly"),
    errors.Refused: (422, "The request is refused"),
    errors.InvalidOptions: (422, "A field has a value that is not allowed"),
    errors.ImageUndecodable: (422, "The image cannot be decoded"),
    errors.ImageTruncated: (422, "The image is truncated"),
    errors.ImageAnimated: (422, "The image is animated"),
    errors.ImageBomb: (422, "The image has far too many pixels for its size in bytes"),
    errors.ImageTooSmall: (422, "The image is too small"),
    errors.ImageAspect: (422, "The image is too long and thin"),
    errors.ImageTooComplex: (422, "The image takes too much work to decode"),
    errors.MaskInvalid: (422, "The mask cannot be used"),
    errors.MaskEmpty: (422, "The mask is empty"),
    errors.ChecksumMismatch: (422, "The object does not match its announced checksum"),
    errors.AccessDenied: (403, "Access denied"),
    errors.Unauthenticated: (401, "The request has no valid API key"),
    errors.Forbidden: (403, "The API key lacks the scope for this request"),
    errors.NotFound: (404, "Not found"),
    errors.MethodNotAllowed: (405, "This method is not allowed here"),
    errors.Conflict: (409, "The request conflicts with the current state"),
    errors.ObjectChanged: (409, "The object changed while it was read"),
    errors.IdempotencyKeyReused: (409, "The idempotency key was used for another request"),
    errors.RateLimited: (429, "Too many requests"),
    errors.Unavailable: (503, "The service is not available now"),
    errors.NotReady: (503, "The service is not ready yet"),
    errors.Overloaded: (503, "The service is too busy"),
    errors.PhaseTimeout: (503, "A phase took too long"),
    errors.PhaseFailed: (503, "A phase failed"),
    errors.PhaseLost: (503, "A phase's replica was lost"),
}
TITLES: dict[str, str] = {kind.code: title for kind, (_, title) in PROBLEMS.items()}
# Contract: a problem's `type` is a page that explains it (error_pages.py), behind the prefix of the application.
TYPES_AT = "/docs/errors/"


def slug_of(code: str) -> str:
    """An error code as it stands in the address of its page: `TOO_LARGE` gives `too-large`."""
    return code.lower().replace("_", "-")


def status_of(error: ColorMatchError) -> int:
    """The HTTP status of an error, from its own row or its nearest ancestor's."""
    return next(PROBLEMS[kind][0] for kind in type(error).__mro__ if kind in PROBLEMS)


def problem_response(
    error: ColorMatchError, request_id: str, *, prefix: str = "", more: Mapping[str, object] | None = None
) -> Response:
    """The problem document of an error, with the headers of its status.

    prefix: the path below which the application is served, `root_path`. more: extension members of the document.
    """
    status = status_of(error)
    document: dict[str, object] = {
        "type": f"{prefix.rstrip('/')}{TYPES_AT}{slug_of(error.code)}",
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
    """Bounds the text, and replaces control characters, which a client may have sent to control a reader's terminal."""
    return _CONTROL.sub("\ufffd", text[:MAX_DETAIL_CHARS])


def _headers(status: int, error: ColorMatchError) -> Mapping[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="stylesync"'
    if status in (429, 503):
        retry_after_s = error.retry_after_s if isinstance(error, errors.RateLimited) else RETRY_AFTER_S
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, errors.UnsupportedEncoding):
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, errors.MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return headers
