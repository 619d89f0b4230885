"""Tests CORS, which is off by default, enforced HTTPS, and trusted proxies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import ASGIApp

from serve.api import create_app
from serve.observe.metrics import Metrics
from serve.service import Service
from serve.settings import Settings

SHOP = "https://shop.example"
PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
CORS_HEADERS = ("access-control-allow-origin", "access-control-allow-methods", "access-control-expose-headers")


class Bare:
    """A service for health requests only."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.metrics = Settings(**settings), Metrics()


@asynccontextmanager
async def client(peer: str = "203.0.113.9", **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with these settings, whose connection comes from the peer's address."""
    app: ASGIApp = create_app(cast(Service, Bare(**settings)))
    transport = httpx.ASGITransport(app, client=(peer, 5555))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as made:
        yield made


# --- CORS -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("origins", [(), (SHOP,)])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{SHOP}.evil.example", "http://shop.example", ""])
async def test_no_page_may_read_when_its_origin_is_not_configured(origins: tuple[str, ...], origin: str) -> None:
    """An evil, null or similar origin gets no CORS header, and the error of its preflight names the setting."""
    async with client(cors_origins=origins) as made:
        found = await made.get("/v1/healthz", headers={"Origin": origin})
        preflight = await made.options("/v1/advice", headers={**PREFLIGHT, "Origin": origin})
    assert found.status_code == 200
    assert preflight.status_code == (403 if origin else 405)
    assert preflight.headers["content-type"] == "application/problem+json"
    assert not origin or "cors_origins" in preflight.json()["detail"]
    assert not [name for name in CORS_HEADERS if name in found.headers or name in preflight.headers]


async def test_a_page_may_read_when_its_origin_is_configured() -> None:
    """The preflight allows our headers and methods but no credentials. The page can read answers and errors."""
    async with client(cors_origins=(SHOP,)) as made:
        preflight = await made.options("/v1/advice", headers=PREFLIGHT)
        answers = [await made.get(path, headers={"Origin": SHOP}) for path in ("/v1/healthz", "/nowhere")]
    assert preflight.status_code == 204
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for answer in (preflight, *answers):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["x-request-id"]
    assert "X-Request-ID" in answers[0].headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1:3000", "https://localhost", "http://[::1]:1"]
)
async def test_a_page_of_this_machine_may_read_when_localhost_is_configured(origin: str) -> None:
    """`localhost` allows pages of this machine on every port, and no others."""
    async with client(cors_origins=("localhost",)) as made:
        found = await made.options("/v1/advice", headers={**PREFLIGHT, "Origin": origin})
        evil = await made.options("/v1/advice", headers={**PREFLIGHT, "Origin": "http://localhost.evil.example"})
    assert (found.status_code, evil.status_code) == (204, 403)
    assert found.headers["access-control-allow-origin"] == origin


async def test_any_page_may_read_when_all_origins_are_configured() -> None:
    """The configured origin `*` is answered with `*`."""
    async with client(cors_origins=("*",)) as made:
        found = await made.get("/v1/healthz", headers={"Origin": "https://anyone.example"})
    assert found.headers["access-control-allow-origin"] == "*"


# --- HTTPS ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("peer", "said", "status"),
    [
        ("10.1.2.3", "https", 404),
        ("10.1.2.3", "http", 400),
        ("10.1.2.3", None, 400),
        # The client's own value stands before the proxy's.
        ("10.1.2.3", "https, http", 400),
        # This peer is no trusted proxy.
        ("203.0.113.9", "https", 400),
        ("127.0.0.1", "https", 400),
    ],
)
async def test_a_request_in_the_clear_is_refused_when_https_is_required(
    peer: str, said: str | None, status: int
) -> None:
    """X-Forwarded-Proto counts only from a trusted proxy. Refused requests get a problem document."""
    headers = {} if said is None else {"X-Forwarded-Proto": said, "X-Forwarded-For": "10.1.2.3"}
    async with client(peer, require_https=True, trusted_proxies=("10.0.0.0/8",)) as made:
        found = await made.get("/nowhere", headers=headers)
        health = await made.get("/v1/healthz", headers=headers)
    assert found.status_code == status
    assert found.headers["content-type"] == "application/problem+json"
    assert health.status_code == 200


async def test_a_request_over_https_is_served_when_https_is_required() -> None:
    """A connection that is encrypted up to this process needs no proxy's header. HTTP is allowed by default."""
    async with client(require_https=True) as made:
        assert (await made.get("https://api.example/nowhere")).status_code == 404
    async with client() as made:
        assert (await made.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [{"cors_origins": ("https://a.example/",)}, {"cors_origins": ("null",)}, {"trusted_proxies": ("everyone",)}],
)
def test_settings_are_refused_when_they_could_never_match(wrong: dict[str, Any]) -> None:
    """An origin with a path, a null origin and a malformed network are refused."""
    with pytest.raises(ValidationError):
        Settings(**wrong)
