"""The outermost ASGI layer: one request id, security headers, and no error without a problem document."""

import re
import uuid
from fnmatch import fnmatchcase

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import ColorMatchError, Unparsable
from serve.limits import Quota
from serve.problems import problem_response

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
BAD_HOST = "The Host header is not that of this service."
API_CSP = "default-src 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": API_CSP,
}

log = structlog.get_logger(__name__)


class Edge:
    """Gives every request an id (a client's own when it is clean) and every answer its headers.

    allowed_hosts: patterns such as `api.example.com` and `*.example.com`; none: any host of a sound form.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = clean_request_id(headers.get("x-request-id"))
        head = scope["method"] == "HEAD"  # answered as GET, without the body
        scope = {**scope, "method": "GET" if head else scope["method"]}
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = MutableHeaders(scope=message)
                given["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    given.setdefault(name, value)
                quota: Quota | None = scope["state"].get("quota")  # set where the request was counted
                given.update(quota.headers() if quota else {})
            elif head:
                message = {**message, "body": b""}
            await send(message)

        if not self._knows(headers.getlist("host")):
            await problem_response(Unparsable(BAD_HOST), request_id)(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("client_left", request_id=request_id, path=scope["path"])
        except Exception:
            log.exception("request_failed", request_id=request_id, path=scope["path"])
            if started:
                raise
            await problem_response(ColorMatchError(), request_id)(scope, receive, send_with_headers)

    def _knows(self, hosts: list[str]) -> bool:
        """Whether the Host header is sound and allowed; HTTP/1.0 clients may send none."""
        if not hosts:
            return True
        found = HOST.fullmatch(hosts[0])
        if found is None or len(hosts) > 1:
            return False
        return not self._allowed_hosts or any(fnmatchcase(found[1].lower(), host) for host in self._allowed_hosts)


def clean_request_id(given: str | None) -> str:
    """The client's request id when it is short and plain, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
