"""Gives colour advice in one call: sends photos and colours, waits for a busy service, and makes palettes objects."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, Unpack

import httpx

from .models import AdviceAnswer, Garment, Presigned, Problem, Suggestion
from .options import ColorModel, Options

Photo: TypeAlias = str | PathLike[str] | bytes
# The service takes no larger photo in a form; a larger one goes to the object store.
FORM_LIMIT_BYTES = 10 * 1024 * 1024
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# The first bytes of each format, and the media type that the upload is announced with.
MEDIA_TYPES = ((b"\xff\xd8", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"))


class Refused(Exception):
    """The service refused a request. `code` is for programs, `detail` for people, `request_id` for support."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail} (request {problem.request_id})")
        self.problem = problem
        self.code: str = problem.code
        self.detail: str = problem.detail
        self.status: int = problem.status
        self.request_id: str = problem.request_id


@dataclass(frozen=True, slots=True)
class Color:
    """One colour of a palette. share: 0 to 1."""

    hex: str
    name: str
    share: float
    role: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return int(self.hex[1:3], 16), int(self.hex[3:5], 16), int(self.hex[5:7], 16)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours, the largest share first.

    label: the garment's category, or the suggestion's mood. summary: the suggestion's sentence.
    """

    label: str
    colors: tuple[Color, ...]
    summary: str = ""

    def __iter__(self) -> Iterator[Color]:
        return iter(self.colors)

    def __len__(self) -> int:
        return len(self.colors)

    def __getitem__(self, index: int) -> Color:
        return self.colors[index]

    @property
    def hexes(self) -> list[str]:
        """The colours' codes, `#rrggbb`."""
        return [color.hex for color in self.colors]


@dataclass(frozen=True, slots=True)
class Advice:
    """An answer. garments: a palette each. suggestions: colours to add. answer: everything that the service said."""

    garments: tuple[Palette, ...]
    suggestions: tuple[Palette, ...]
    answer: AdviceAnswer


class StyleSync:
    """A client of one service.

    key: an API key with the scope `advice`, and `uploads` for photos above form_limit_bytes. tries: how often a busy or
    unreachable service is asked. Requests are pure, so asking again is safe. max_wait_s: the longest wait between two
    tries.
    """

    def __init__(
        self,
        key: str,
        base_url: str = "http://127.0.0.1:8000",
        *,
        tries: int = 5,
        max_wait_s: float = 60.0,
        timeout_s: float = 30.0,
        form_limit_bytes: int = FORM_LIMIT_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(base_url=base_url, headers={"X-API-Key": key}, timeout=timeout_s)
        self._store = httpx.Client(timeout=timeout_s)
        self._tries, self._max_wait_s, self._sleep = tries, max_wait_s, sleep
        self._form_limit_bytes = form_limit_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()
        self._store.close()

    def advise(
        self,
        *,
        photo: Photo | None = None,
        colors: Sequence[str | ColorModel] | None = None,
        mask: Photo | None = None,
        **options: Unpack[Options],
    ) -> Advice:
        """Advice for a photo (a path or its bytes) or for 1 to 12 colours, with any options of the API.

        Raises Refused for a request that is refused, and httpx.TransportError when the service cannot be reached.
        """
        if photo is None:
            if colors is None:
                raise TypeError("Give a photo or colors.")
            return _advice(self._ask("/v1/colors/advice", json={"colors": list(colors), "options": options}))
        if colors is not None:
            raise TypeError("Give a photo or colors, not both.")
        data = _bytes_of(photo)
        if len(data) > self._form_limit_bytes and mask is None:
            key = self.upload(data)
            return _advice(self._ask("/v1/advice", json={"object_key": key, "options": options}))
        files: dict[str, Any] = {"image": ("photo", data, "application/octet-stream")}
        if mask is not None:
            files["mask"] = ("mask.png", _bytes_of(mask), "image/png")
        return _advice(self._ask("/v1/advice", files=files, data={"options": json.dumps(options)}))

    def upload(self, photo: Photo) -> str:
        """Uploads a photo of at most 50 MiB to the object store; returns its object key, valid for some minutes."""
        data = _bytes_of(photo)
        kind = _media_type(data)
        wish = {"content_type": kind, "content_length": len(data)}
        terms = Presigned.from_dict(self._ask("/v1/uploads/presign", json=wish))
        fields = terms.fields.additional_properties if terms.fields else {}
        sent = self._store.post(terms.url, data=fields, files={"file": ("photo", BytesIO(data), kind)})
        sent.raise_for_status()
        return terms.object_key

    def palette(self, *colors: str, format: str = "json") -> bytes:
        """A palette as a file: json, svg, png, css, gpl or ase."""
        query = {"colors": ",".join(colors), "format": format}
        return self._answered(lambda: self._http.get("/v1/palette", params=query)).content

    def _ask(self, path: str, **body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._answered(lambda: self._http.post(path, **body)).json()
        return found

    def _answered(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer of the first try that is neither busy nor lost."""
        for left in reversed(range(self._tries)):
            try:
                response = send()
            except httpx.TransportError:
                if not left:
                    raise
                self._sleep(min(self._max_wait_s, 0.25 * 2 ** (self._tries - left)))
                continue
            if response.status_code not in BUSY or not left:
                break
            self._sleep(min(self._max_wait_s, float(response.headers.get("Retry-After", "1"))))
        if response.headers.get("Content-Type") == "application/problem+json":
            raise Refused(Problem.from_dict(response.json()))
        return response.raise_for_status()


def _bytes_of(photo: Photo) -> bytes:
    return photo if isinstance(photo, bytes) else Path(photo).read_bytes()


def _media_type(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return "image/avif" if data[8:12] in (b"avif", b"avis") else "image/heic"
    return next((kind for start, kind in MEDIA_TYPES if data.startswith(start)), "image/jpeg")


def _advice(found: dict[str, Any]) -> Advice:
    answer = AdviceAnswer.from_dict(found)
    return Advice(
        tuple(_worn(garment) for garment in answer.garments),
        tuple(_suggested(one) for one in answer.suggestions),
        answer,
    )


def _worn(garment: Garment) -> Palette:
    return Palette(
        str(garment.category),
        tuple(
            Color(color.hex_, str(color.given or color.names.fashion.name), color.share, str(color.role))
            for color in garment.colors
        ),
    )


def _suggested(one: Suggestion) -> Palette:
    colors = (Color(color.hex_, color.name, color.share, str(color.role)) for color in one.colors)
    return Palette(str(one.mood), tuple(colors), one.summary)
