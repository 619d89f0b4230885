"""Makes the kit's requests as raw HTTP, cheaply enough to do so during a load."""

import json
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serve.local.plan import REPOSITORY

if TYPE_CHECKING:
    from tests.reliability.load import Plan

BOUNDARY = "reliability"
# Standard: the head of a JPEG comment of 32 bytes. To a cache, another comment makes another photo.
COMMENT = b"\xff\xfe\x00\x22"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. kind: a name from `request_maker`, as in `new`, `same`, `colors` or `health`."""

    kind: str
    raw: bytes


def request_maker(plan: "Plan") -> Iterator[Request]:
    """Yields requests without end. The plan's shares and seed draw their kinds.

    new: a photo that no cache has seen, the plan's photos in turn; bypass: one photo that skips the caches; same: one
    photo; again: one photo with other options; colors: random colours; health, ready: the probes.
    """
    rng = random.Random(plan.seed)
    given = REPOSITORY / plan.photo
    photos = [path.read_bytes() for path in (sorted(given.glob("*.jpg")) if given.is_dir() else [given])]
    photo = photos[0]
    run = secrets.token_hex(8)
    makers: dict[str, Callable[[int], bytes]] = {
        "new": lambda number: post_photo(
            plan.key, marked(photos[(plan.first + number) % len(photos)], f"{run}{number:016x}")
        ),
        "bypass": lambda number: post_photo(plan.key, photo, cache="bypass"),
        "same": lambda number: post_photo(plan.key, marked(photo, "f" * 32)),
        "again": lambda number: post_photo(plan.key, photo, max_suggestions=number % 25, max_colors=number % 12 + 1),
        "colors": lambda number: post_json(plan.key, {"colors": [f"#{rng.getrandbits(24):06x}"]}),
        "health": lambda number: get(plan.key, "/v1/healthz"),
        "ready": lambda number: get(plan.key, "/v1/readyz"),
    }
    number = 0
    while True:
        (kind,) = rng.choices(list(plan.kinds), list(plan.kinds.values()))
        yield Request("health" if kind == "ready" else kind, makers[kind](number))
        number += 1


def marked(photo: bytes, mark: str) -> bytes:
    """Makes the same picture from other bytes: adds a JPEG comment of 32 characters."""
    return photo[:2] + COMMENT + mark.encode().ljust(32, b".")[:32] + photo[2:]


def post_photo(key: str, photo: bytes, **options: object) -> bytes:
    """`POST /v1/advice` with a photo."""
    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=".encode()
    body = b"".join(
        (
            part + b'"options"\r\n\r\n' + json.dumps(options).encode() + b"\r\n",
            part + b'"image"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + photo + b"\r\n",
            f"--{BOUNDARY}--\r\n".encode(),
        )
    )
    return _head("POST", "/v1/advice", key, f"multipart/form-data; boundary={BOUNDARY}", len(body)) + body


def post_json(key: str, value: object) -> bytes:
    """`POST /v1/advice` with JSON."""
    body = json.dumps(value).encode()
    return _head("POST", "/v1/advice", key, "application/json", len(body)) + body


def get(key: str, path: str) -> bytes:
    """`GET` of a path."""
    return _head("GET", path, key, "", 0)


def _head(method: str, path: str, key: str, content_type: str, length: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-API-Key: {key}"]
    if content_type:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()
