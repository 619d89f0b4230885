"""Reads request bodies, strict JSON or multipart, within limits of size and time."""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.requests import Request

from pipeline.errors import SlowBody, TooLarge, Unparsable, UnsupportedEncoding, UnsupportedMedia
from serve.http.multipart import Part, PartCollector
from serve.settings import Settings

# Taste: room for multipart's own headers and boundaries.
FRAMING_BYTES = 64 * 1024
# Taste: values in a JSON body. The largest wardrobe has 20,000, and a MiB of `[],[],…` takes half a second to read.
MAX_VALUES = 50_000
# Taste: fields in one JSON object; none of ours has 20.
MAX_MEMBERS = 64
# A byte order mark, which some editors and Windows tools write (RFC 8259, section 8.1, lets a reader pass it over).
BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
# A photo as JSON: the name of its field, and a text of base64 or a data URL.
PHOTO_FIELD = b'"base64"'
_PHOTO_TEXT = re.compile(rb'"base64"\s*:\s*"[^"\\]*(?:\\/[^"\\]*)*"')
# An escaped surrogate, which may be half of a character.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


async def read_json(request: Request, settings: Settings, *, photos: bool = False) -> Any:
    """Reads a JSON body. photos: whether it may hold a photo as base64, beside which the limit of JSON holds.

    Raises Unparsable (also for NaN, duplicate keys, deep nesting), TooLarge, SlowBody, UnsupportedEncoding.
    """
    _refuse_encoding(request)
    limit = settings.max_json_bytes
    most = limit + _base64_bytes(settings.max_image_bytes + settings.max_mask_bytes) if photos else limit
    data = bytearray()
    # A body with a photo names its field within the limit of other bodies.
    may_grow = photos and _declared_bytes(request) <= most
    async for chunk in _bounded(request, most if may_grow else limit, settings.body_timeout_s):
        data += chunk
        if len(data) > limit and PHOTO_FIELD not in data:
            raise TooLarge(f"The body has more than the {limit} bytes allowed.")
    if len(data) > limit and len(data) - sum(len(found[0]) for found in _PHOTO_TEXT.finditer(data)) > limit:
        raise TooLarge(f"The body has more than the {limit} bytes allowed beside its photo.")
    return parse_json(bytes(data))


def _base64_bytes(most: int) -> int:
    """The length of base64 text of so many bytes, with line ends."""
    return most * 7 // 5


def _declared_bytes(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared[:20]) if declared.isdecimal() else 0


def _refuse_encoding(request: Request) -> None:
    """Raises UnsupportedEncoding for a compressed body, which could hide a bomb (RFC 9110, 15.5.16)."""
    encodings = [part.strip().lower() for part in request.headers.get("content-encoding", "").split(",")]
    named = [encoding for encoding in encodings if encoding not in ("", "identity")]
    if named:
        raise UnsupportedEncoding(f"Content-Encoding is '{named[0][:40]}'; send the body as it is, without it.")


async def read_parts(request: Request, settings: Settings) -> dict[str, Part]:
    """Reads the parts of a multipart body, by name: image, mask, options.

    Raises Unparsable, InvalidFields for unknown parts, TooLarge, SlowBody, UnsupportedEncoding.
    """
    _refuse_encoding(request)
    limits = {
        "image": settings.max_image_bytes,
        "mask": settings.max_mask_bytes,
        "options": settings.max_json_bytes,
    }
    collector = PartCollector(request.headers.get("content-type", ""), limits)
    async for chunk in _bounded(request, sum(limits.values()) + FRAMING_BYTES, settings.body_timeout_s):
        collector.write(chunk)
    return collector.finish()


def parse_json(data: bytes, *, what: str = "body") -> Any:
    """Parses strict JSON: RFC 8259 in UTF-8, with the unique keys and whole characters of I-JSON. Raises Unparsable.

    what: what the data is, in words, for the errors. A byte order mark is passed over.
    """
    if data.startswith(UTF_16_BOMS):
        raise Unparsable(f"The {what} is in UTF-16; JSON is sent in UTF-8.")
    data = data.removeprefix(BOM)
    if not data.strip():
        raise Unparsable(f"The {what} is empty; send an image (multipart/form-data) or JSON.")
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise Unparsable(f"The {what} has more than {MAX_VALUES} JSON values.")
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)
        if SURROGATE.search(text):
            # This raises for half a character, which no answer could contain.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise Unparsable(f"The {what} is JSON that is nested too deeply.") from error
    except ValueError as error:
        position = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unparsable(f"The {what} is not valid JSON{position}.{_beginning(data)}") from error
    return value


def content_type(request: Request, allowed: tuple[str, ...] = ("multipart/form-data", "application/json")) -> str:
    """The media type of the body, in lower case, without parameters. Raises UnsupportedMedia unless it is allowed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in allowed:
        return kind
    if not kind and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise Unparsable(f"The body is empty; send {' or '.join(allowed)}.")
    raise UnsupportedMedia(f"Content-Type is '{kind[:80]}'; allowed are {' and '.join(allowed)}.")


async def _bounded(request: Request, limit_bytes: int, timeout_s: float) -> AsyncGenerator[bytes, None]:
    """The body's chunks. Raises TooLarge as early as possible, also without a Content-Length, and SlowBody."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise TooLarge(f"The body has {declared[:20]} bytes; at most {limit_bytes} are allowed.")
    chunks, received = request.stream(), 0
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    while True:
        chunk = await _before(deadline_s, chunks.__anext__, timeout_s)
        if chunk is None:
            return
        received += len(chunk)
        if received > limit_bytes:
            raise TooLarge(f"The body has more than the {limit_bytes} bytes allowed.")
        yield chunk


async def _before(deadline_s: float, step: Callable[[], Awaitable[bytes]], timeout_s: float) -> bytes | None:
    try:
        async with asyncio.timeout_at(deadline_s):
            return await step()
    except StopAsyncIteration:
        return None
    except TimeoutError as error:
        raise SlowBody(f"The body did not arrive within {timeout_s:g} s.") from error


def _beginning(data: bytes) -> str:
    """What scripts send in place of JSON, in words."""
    if data.strip() in (b"undefined", b"[object Object]", b"None", b"NaN"):
        return f" It is the text '{data.strip().decode()}'."
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise Unparsable(f"The JSON has an object with more than {MAX_MEMBERS} fields.")
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("duplicate key")
    return values


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
