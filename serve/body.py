"""Reads request bodies within limits of size and time: strict JSON, multipart; Starlette only."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from pipeline.errors import SlowBody, TooLarge, Unparsable, UnsupportedMedia
from serve.settings import Settings

FRAMING_BYTES = 64 * 1024  # what multipart's own headers and boundaries may add
MAX_PARTS = 8


class _InMemoryParser(MultiPartParser):
    """Keeps parts in memory: the body is bounded, and a photo must never touch the disk."""

    spool_max_size = 1 << 30


async def read_json(request: Request, settings: Settings) -> Any:
    """A JSON body. Raises Unparsable (also for NaN, duplicate keys, deep nesting), TooLarge, SlowBody."""
    chunks = [chunk async for chunk in _bounded(request, settings.max_json_bytes, settings.body_timeout_s)]
    return parse_json(b"".join(chunks))


async def read_parts(request: Request, settings: Settings) -> dict[str, bytes]:
    """The parts of a multipart body by name: image, mask, options. Raises Unparsable, TooLarge, SlowBody."""
    limit = settings.max_image_bytes + settings.max_mask_bytes + settings.max_json_bytes + FRAMING_BYTES
    stream = _bounded(request, limit, settings.body_timeout_s)
    parser = _InMemoryParser(
        request.headers,
        stream,
        max_files=MAX_PARTS,
        max_fields=MAX_PARTS,
        max_part_size=settings.max_json_bytes,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, MultipartParseError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise Unparsable("The multipart body cannot be read: a boundary, header or part is malformed.") from error
    try:
        return await _parts(form)
    finally:
        await form.close()


def parse_json(data: bytes) -> Any:
    """Strict JSON (RFC 8259, I-JSON's unique keys). Raises Unparsable."""
    if not data.strip():
        raise Unparsable("The body is empty; send an image (multipart/form-data) or JSON.")
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise Unparsable("The JSON is nested too deeply.") from error
    except ValueError as error:
        position = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unparsable(f"The body is not valid JSON{position}.") from error


def content_type(request: Request) -> str:
    """The media type of the body, lower case, without parameters. Raises UnsupportedMedia for any but ours."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/json"):
        return kind
    if not kind and request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise Unparsable("The body is empty; send an image (multipart/form-data) or JSON.")
    raise UnsupportedMedia(f"Content-Type is '{kind[:80]}'; allowed are multipart/form-data and application/json.")


async def _parts(form: FormData) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if name in parts:
            raise Unparsable(f"The part '{name[:40]}' comes twice.")
        parts[name] = await value.read() if isinstance(value, UploadFile) else value.encode()
    return parts


async def _bounded(request: Request, limit_bytes: int, timeout_s: float) -> AsyncGenerator[bytes, None]:
    """The body's chunks. Raises TooLarge as soon as it is known, also without Content-Length, and SlowBody."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise TooLarge(f"The body has {declared} bytes; at most {limit_bytes} are allowed.")
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
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("duplicate key")
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
