"""Reads request bodies, strict JSON or multipart, within limits of size and time."""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.requests import Request

from pipeline.errors import SlowBody, TooLarge, Unparsable, UnsupportedMedia
from serve.http.multipart import Part, PartCollector
from serve.settings import Settings

# Taste: room for multipart's own headers and boundaries.
FRAMING_BYTES = 64 * 1024
# Taste: values in a JSON body. The largest wardrobe has 20,000, and a MiB of `[],[],…` takes half a second to read.
MAX_VALUES = 50_000
# Taste: fields in one JSON object; none of ours has 20.
MAX_MEMBERS = 64
# An escaped surrogate, which may be half of a character.
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


async def read_json(request: Request, settings: Settings) -> Any:
    """Reads a JSON body. Raises Unparsable (also for NaN, duplicate keys, deep nesting), TooLarge, SlowBody."""
    chunks = [chunk async for chunk in _bounded(request, settings.max_json_bytes, settings.body_timeout_s)]
    return parse_json(b"".join(chunks))


async def read_parts(request: Request, settings: Settings) -> dict[str, Part]:
    """Reads the parts of a multipart body, by name: image, mask, options.

    Raises Unparsable, InvalidFields for unknown parts, TooLarge, SlowBody.
    """
    limits = {
        "image": settings.max_image_bytes,
        "mask": settings.max_mask_bytes,
        "options": settings.max_json_bytes,
    }
    collector = PartCollector(request.headers.get("content-type", ""), limits)
    async for chunk in _bounded(request, sum(limits.values()) + FRAMING_BYTES, settings.body_timeout_s):
        collector.write(chunk)
    return collector.finish()


def parse_json(data: bytes) -> Any:
    """Parses strict JSON: RFC 8259 in UTF-8, with the unique keys and whole characters of I-JSON. Raises Unparsable."""
    if not data.strip():
        raise Unparsable("The body is empty; send an image (multipart/form-data) or JSON.")
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise Unparsable(f"The JSON has more than {MAX_VALUES} values.")
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)
        if SURROGATE.search(text):
            # This raises for half a character, which no answer could contain.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise Unparsable("The JSON is nested too deeply.") from error
    except ValueError as error:
        position = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unparsable(f"The body is not valid JSON{position}.") from error
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
