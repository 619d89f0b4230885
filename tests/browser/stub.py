"""A server for the browser tests: the real pages, and answers that a test chooses.

It serves the pages as the service does, and answers /v1/… from a script of replies, so that every state can be shown
without Ray, a network of the parser or a store.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from pipeline.errors import ColorMatchError
from pipeline.palette import files
from serve.http import pages
from serve.http.headers import SECURITY_HEADERS
from serve.http.problems import problem_response
from serve.local.processes import free_port

DOCUMENT = Path(__file__).parents[1] / "golden" / "openapi.json"
REQUEST_ID = "609b5442a1594f69abbe34224ed18006"
# Taste: no test holds an answer back for longer. It is more than the time limit of a page.
LONGEST_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the stub answers one request with, when `after` is set."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after: threading.Event | None = None

    async def due(self) -> None:
        """Waits until the test lets the answer go, or has ended."""
        end_s = time.monotonic() + LONGEST_S
        while self.after is not None and not self.after.is_set() and time.monotonic() < end_s:
            await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that the stub got."""

    path: str
    content_type: str
    key: str
    body: bytes

    def options(self) -> dict[str, Any]:
        """The options of the request, from its JSON or its form."""
        if self.content_type.startswith("application/json"):
            found: dict[str, Any] = json.loads(self.body)["options"]
            return found
        start = self.body.index(b"{", self.body.index(b'name="options"'))
        found, _ = json.JSONDecoder().raw_decode(self.body[start:].decode("utf-8", "replace"))
        return found


Answering = Callable[[Asked], Reply]


def answer(value: dict[str, Any], *, after: threading.Event | None = None) -> Reply:
    """A JSON answer. after: what the stub waits for before it sends this."""
    return Reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, after)


def problem(error: ColorMatchError) -> Reply:
    """The service's own problem document."""
    response = problem_response(error, REQUEST_ID)
    return Reply(response.status_code, bytes(response.body), dict(response.headers))


def text(status: int, body: str) -> Reply:
    """What a proxy answers by itself: no JSON."""
    return Reply(status, body.encode(), {"Content-Type": "text/plain"})


class Stub:
    """A running stub. `answering` gives the reply to each POST of advice; `asked` has what came."""

    def __init__(self) -> None:
        self.answering: Answering = lambda _: text(500, "no answer was chosen")
        self.asked: list[Asked] = []
        self.url = ""

    def app(self, prefix: str = "") -> FastAPI:
        """The application. prefix: where a proxy would put it."""
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

        @app.middleware("http")
        async def secured(request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        @app.post(prefix + "/v1/{path:path}")
        async def post(request: Request, path: str) -> Response:
            try:
                body = await request.body()
            except ClientDisconnect:
                # The page was closed while it uploaded. Nobody reads this.
                return Response(status_code=400)
            headers = request.headers
            asked = Asked(path, headers.get("content-type", ""), headers.get("x-api-key", ""), body)
            self.asked.append(asked)
            reply = self.answering(asked)
            await reply.due()
            return Response(reply.body, reply.status, headers=reply.headers)

        @app.get(prefix + "/v1/palette")
        async def palette(request: Request, colors: str, format: files.PaletteFormat) -> Response:
            self.asked.append(Asked("palette", "", request.headers.get("x-api-key", ""), colors.encode()))
            hexes = [one if one.startswith("#") else f"#{one}" for one in colors.split(",")]
            named = [(one if len(one) == 7 else "#c19a6b", "camel") for one in hexes]
            content, media_type = files.export(named, format)
            return Response(content, media_type=media_type)

        @app.get(prefix + "/openapi.json")
        async def document() -> Response:
            return Response(DOCUMENT.read_bytes(), media_type="application/json")

        app.include_router(pages.router, prefix=prefix)
        return app


@contextmanager
def stub(prefix: str = "") -> Iterator[Stub]:
    """Serves the stub from a thread of its own until the block ends."""
    made, port = Stub(), free_port()
    server = uvicorn.Server(uvicorn.Config(made.app(prefix), port=port, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            threading.Event().wait(0.01)
        made.url = f"http://127.0.0.1:{port}{prefix}/"
        yield made
    finally:
        server.should_exit = True
        thread.join()
