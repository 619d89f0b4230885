"""ASGI layers for CORS and for HTTPS only. Unlike Starlette's, they answer with problem documents."""

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import Unparsable
from serve.http.problems import problem_response

ANY = "*"
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-API-Key, X-Request-ID"
    ),
    "Access-Control-Max-Age": "600",
}
EXPOSED = "Deprecation, ETag, RateLimit, RateLimit-Policy, Retry-After, Sunset, X-Request-ID"
# Orchestrators probe these from within the cluster, where there may be no HTTPS.
PROBES = ("/v1/healthz", "/v1/readyz")
HTTPS_ONLY = "This service is reached over HTTPS only. The key that came in the clear should be revoked."


class Cors:
    """Lets pages of the configured origins read answers; without any, no page of another origin can."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        """origins: such as `https://shop.example`, or `*`. Credentials are never allowed; pages send the key."""
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = origin in self._origins or (ANY in self._origins and origin != "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                given.add_vary_header("Origin")
                if allowed:
                    given["Access-Control-Allow-Origin"] = ANY if ANY in self._origins else origin
                    given["Access-Control-Expose-Headers"] = EXPOSED
            await send(message)

        if allowed and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await Response(status_code=204, headers=ALLOWED)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


class HttpsOnly:
    """Refuses plain HTTP, except for probes."""

    def __init__(self, app: ASGIApp, required: bool, trusted_proxies: tuple[str, ...]) -> None:
        """trusted_proxies: networks such as `10.0.0.0/8`; only their X-Forwarded-Proto is believed."""
        self._app = app
        self._required = required
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._required and scope["path"] not in PROBES and self.scheme(scope) != "https":
            await problem_response(Unparsable(HTTPS_ONLY), scope["state"]["request_id"])(scope, receive, send)
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
