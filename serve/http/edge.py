"""The outermost ASGI layer: it gives each answer a request id, security headers, and a problem document on errors."""

import re
import time
from collections.abc import Callable
from fnmatch import fnmatchcase

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import ColorMatchError, Unparsable
from serve.http.headers import SECURITY_HEADERS, clean_request_id
from serve.http.origins import PROBES
from serve.http.problems import problem_response
from serve.keys.quota import Quota
from serve.observe import logs, tracing

HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
BAD_HOST = "The Host header is not that of this service."

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
Done = Callable[[str, str, int, float], None]

log = logs.logger(__name__)


class Edge:
    """Gives every request an id (the client's own when it is valid) and every answer its headers.

    allowed_hosts: patterns such as `api.example.com` and `*.example.com`; without any, every well-formed host is
    allowed. done: called for every answer with its route (the template), mode, status and duration, s.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...] = (), done: Done | None = None) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = clean_request_id(headers.get("x-request-id"))
        # HEAD is answered as GET, without the body.
        head = scope["method"] == "HEAD"
        scope = {**scope, "method": "GET" if head else scope["method"]}
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        started, began_s, status = False, time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                given = MutableHeaders(scope=message)
                given["X-Request-ID"] = request_id
                given["traceparent"] = scope["state"]["traceparent"]
                for name, value in SECURITY_HEADERS.items():
                    given.setdefault(name, value)
                # callers.py sets the quota when it counts the request.
                quota: Quota | None = scope["state"].get("quota")
                given.update(quota.headers() if quota else {})
            elif head:
                message = {**message, "body": b""}
            await send(message)

        with tracing.request(headers) as span:
            scope["state"] |= {"trace_id": tracing.trace_id_of(span), "traceparent": tracing.header_of(span)}
            try:
                await self._answer(scope, receive, send_with_headers, headers, request_id)
            except ClientDisconnect:
                # Its log line and its count have the status 0.
                pass
            except Exception:
                log.exception("request_failed", request_id=request_id, trace_id=scope["state"]["trace_id"])
                if started:
                    raise
                await problem_response(ColorMatchError(), request_id, prefix=scope.get("root_path", ""))(
                    scope, receive, send_with_headers
                )
            finally:
                span.set_attributes({"http.route": route_of(scope), "http.response.status_code": status})
                self._report(scope, status, time.perf_counter() - began_s)

    def _report(self, scope: Scope, status: int, took_s: float) -> None:
        """Counts the answer and logs one line of ids, names and times, without anything that a client sent."""
        state, route = scope["state"], route_of(scope)
        if self._done is not None:
            self._done(route, state.get("mode", ""), status, took_s)
        (log.debug if route in PROBES else log.info)(
            "request",
            request_id=state["request_id"],
            trace_id=state["trace_id"],
            key_id=state.get("key_id"),
            method=scope["method"] if scope["method"] in METHODS else "other",
            route=route,
            mode=state.get("mode"),
            status=status,
            duration_ms=round(took_s * 1000, 2),
            **state.get("walked", {}),
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers, request_id: str) -> None:
        if self._allows(headers.getlist("host")):
            await self._app(scope, receive, send)
        else:
            await problem_response(Unparsable(BAD_HOST), request_id, prefix=scope.get("root_path", ""))(
                scope, receive, send
            )

    def _allows(self, hosts: list[str]) -> bool:
        """Whether the Host header is well formed and allowed. HTTP/1.0 clients may send none."""
        if not hosts:
            return True
        match = HOST.fullmatch(hosts[0])
        if match is None or len(hosts) > 1:
            return False
        return not self._allowed_hosts or any(fnmatchcase(match[1].lower(), host) for host in self._allowed_hosts)


def route_of(scope: Scope) -> str:
    """The template of the route that answered; `none` for an unknown address."""
    return getattr(scope.get("route"), "path", "none")
