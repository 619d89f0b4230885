"""ASGI middleware around Ray Serve's proxy: strips its control headers and makes its error texts problem documents.

Ray Serve wraps `middlewares()` around its proxies and, in the fast profile, around the ingress replicas' servers.
RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH names it.
"""

from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import ColorMatchError, NotFound, Overloaded
from serve.http.headers import SECURITY_HEADERS, clean_request_id
from serve.http.problems import problem_response

# Serve obeys these from anybody, but a client must not lift its own time limit or choose its replica.
CONTROL_HEADERS = (
    "x-request-timeout-seconds",
    "x-request-disconnect-disabled",
    "x-session-id",
    "x_session_id",
    "serve_multiplexed_model_id",
    "serve-multiplexed-model-id",
)
# These paths are Serve's own; its load balancer only needs the health check.
SERVE_PATHS = "/-/"
SERVE_HEALTH = "/-/healthz"
# Every answer of the application has this header, and no answer of Serve's has it.
OUR_MARK = "x-content-type-options"


def middlewares() -> list[Middleware]:
    """The middleware that Ray Serve puts around its HTTP servers."""
    _hide_the_servers_name()
    return [Middleware(Gate)]


def _hide_the_servers_name() -> None:
    """Has uvicorn send no `server` header in this process. Ray Serve makes its servers itself and has no setting."""
    # The processes that call this have loaded it.
    from uvicorn import Config

    if not getattr(Config, "stylesync_nameless", False):
        made = Config.__init__

        def nameless(self: Config, *args: Any, **options: Any) -> None:
            made(self, *args, **{"server_header": False, **options})

        setattr(Config, "__init__", nameless)  # noqa: B010 - mypy refuses the assignment
        setattr(Config, "stylesync_nameless", True)  # noqa: B010


class Gate:
    """Cleans each request's headers, and gives each answer one request id and each error a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == SERVE_HEALTH:
            await self._app(scope, receive, send)
            return
        request_id = clean_request_id(Headers(scope=scope).get("x-request-id"))
        headers = MutableHeaders(scope=scope)
        for name in CONTROL_HEADERS:
            del headers[name]
        headers["X-Request-ID"] = request_id
        answer = _Answer(request_id, scope, receive, send)
        if scope["path"].startswith(SERVE_PATHS):
            await answer.replace(404)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if answer.started:
                raise
            await answer.replace(500)


class _Answer:
    """Passes an answer of the application on, and replaces an error of Serve's."""

    def __init__(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._request_id = request_id
        self._scope = scope
        self._receive = receive
        self._send = send
        self._replaced = False
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            if message["status"] >= 400 and OUR_MARK not in headers:
                await self.replace(message["status"])
                return
            # Serve appends its own id to the application's.
            headers["X-Request-ID"] = self._request_id
        if not self._replaced:
            await self._send(message)

    async def replace(self, status: int) -> None:
        """Sends the problem document for one of Serve's statuses instead."""
        self._replaced = True
        response: Response = problem_response(_error_of(status), self._request_id)
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-ID"] = self._request_id
        await response(self._scope, self._receive, self._send)


def _error_of(status: int) -> ColorMatchError:
    """The error behind a status of Serve's. Its 408 means its own time limit, not a slow body."""
    match status:
        case 404:
            return NotFound("There is nothing at this address.")
        case 408:
            return Overloaded("The request took longer than this server allows; try again shortly.")
        case 429 | 503:
            return Overloaded("The server is too busy; try again shortly.")
        case _:
            return ColorMatchError()
