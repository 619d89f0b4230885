"""ASGI layers for CORS and for HTTPS only. Unlike Starlette's, they answer with problem documents."""

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import AccessDenied, Unparsable
from serve.http.problems import problem_response

ANY = "*"
LOCAL = "localhost"
_LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED = "Deprecation, ETag, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, Sunset, X-Request-ID"
# Orchestrators probe these from within the cluster, where there may be no HTTPS.
PROBES = ("/v1/healthz", "/v1/readyz")
HTTPS_ONLY = "This service is reached over HTTPS only. The key that came in the clear should be revoked."


class Cors:
    """Lets pages of the configured origins read answers; without any, no page of another origin can.

    A preflight of another origin is refused with a problem document that names the setting.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        """origins: such as `https://shop.example`, `localhost` for pages of this machine, or `*`.

        Credentials are never allowed; pages send the key.
        """
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = self._allows(origin)
        preflight = bool(origin) and scope["method"] == "OPTIONS" and "access-control-request-method" in headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                if self._origins:
                    given.add_vary_header("Origin")
                if allowed:
                    given["Access-Control-Allow-Origin"] = ANY if ANY in self._origins else origin
                    given["Access-Control-Expose-Headers"] = EXPOSED
            await send(message)

        if preflight and allowed:
            await Response(status_code=204, headers=ALLOWED)(scope, receive, send_with_headers)
        elif preflight:
            detail = f"Pages of '{origin[:100]}' may not use this service; its operator allows origins by cors_origins."
            prefix = scope.get("root_path", "")
            response = problem_response(AccessDenied(detail), scope["state"]["request_id"], prefix=prefix)
            await response(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _allows(self, origin: str) -> bool:
        if not origin:
            return False
        local = LOCAL in self._origins and _LOCAL_ORIGIN.fullmatch(origin) is not None
        return local or origin in self._origins or ANY in self._origins


class HttpsOnly:
    """Refuses plain HTTP, except for probes."""

    def __init__(self, app: ASGIApp, required: bool, trusted_proxies: tuple[str, ...]) -> None:
        """trusted_proxies: networks such as `10.0.0.0/8`; only their X-Forwarded-Proto is believed."""
        self._app = app
        self._required = required
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._required and scope["path"] not in PROBES and self.scheme(scope) != "https":
            prefix = scope.get("root_path", "")
            response = problem_response(Unparsable(HTTPS_ONLY), scope["state"]["request_id"], prefix=prefix)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def scheme(self, scope: Scope) -> str:
        """The client's scheme: what the nearest proxy says if it is trusted, else the connection's."""
        forwarded = Headers(scope=scope).getlist("x-forwarded-proto")
        if forwarded and _is_within(scope.get("client"), self._trusted):
            return forwarded[-1].rpartition(",")[2].strip().lower()
        return str(scope.get("scheme", "http"))


def _is_within(
    client: tuple[str, int] | None, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    try:
        address = ipaddress.ip_address(client[0]) if client else None
    except ValueError:
        return False
    return address is not None and any(address in network for network in networks)
