"""Tests the gate around Serve's HTTP code, with fake applications behind it."""

import json
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.gate import Gate, middlewares
from serve.http.edge import Edge
from serve.http.headers import SECURITY_HEADERS
from tests.serve.application import listening


def answering(response: Response) -> ASGIApp:
    """An application that always answers the same."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    return app


async def ask(app: ASGIApp, path: str = "/", **arguments: Any) -> httpx.Response:
    """The answer of an application behind the gate."""
    transport = httpx.ASGITransport(app=Gate(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, **arguments)


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [(404, 404, "NOT_FOUND"), (408, 503, "OVERLOADED"), (429, 503, "OVERLOADED"), (503, 503, "OVERLOADED"),
     (499, 500, "INTERNAL"), (500, 500, "INTERNAL"), (502, 500, "INTERNAL")],
)  # fmt: skip
async def test_text_becomes_a_problem_when_serve_answers_an_error_itself(given: int, status: int, code: str) -> None:
    """The problem document has the contract's status, id and headers, and nothing of Serve's text."""
    response = await ask(answering(PlainTextResponse("Request 17 died in Replica colormatch#Advice#x", given)))
    document = json.loads(response.text)
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get_list("x-request-id") == [document["request_id"]]
    assert "Replica" not in response.text
    assert all(name in response.headers for name in SECURITY_HEADERS)
    assert ("retry-after" in response.headers) == (status == 503)


async def test_answer_passes_when_it_is_the_applications_own() -> None:
    """An error of the application, and any status below 400, passes unchanged."""
    app = Edge(answering(Response('{"ready": false}', 503, media_type="application/json")))
    assert (await ask(app)).text == '{"ready": false}'
    assert (await ask(answering(PlainTextResponse("fine")))).text == "fine"


async def test_answer_is_a_problem_when_the_application_raises() -> None:
    """An exception becomes an internal error without its text."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret of /home/me")

    response = await ask(app)
    assert (response.status_code, json.loads(response.text)["code"]) == (500, "INTERNAL")
    assert "secret" not in response.text


async def test_error_is_passed_on_when_the_answer_had_begun() -> None:
    """After half an answer the exception propagates, so that the server closes the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("too late")

    with pytest.raises(RuntimeError, match="too late"):
        await ask(app)


async def test_health_check_passes_when_the_load_balancer_asks() -> None:
    """Serve's own health check passes unchanged."""
    response = await ask(answering(PlainTextResponse("draining", 503)), "/-/healthz")
    assert (response.status_code, response.text) == (503, "draining")


@pytest.mark.parametrize("path", ["/-/routes", "/%2d/routes", "/-/healthz/", "/-/"])
async def test_serves_other_routes_are_closed_when_requested(path: str) -> None:
    """Serve's other paths do not reveal what runs behind them."""
    response = await ask(answering(PlainTextResponse('{"/":"colormatch"}')), path)
    assert (response.status_code, json.loads(response.text)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("given", "kept"), [("order-17", True), ("a b", False), ("x" * 65, False), ("<i>", False)])
async def test_serve_and_application_see_one_id_when_the_client_sends_one(given: str, kept: bool) -> None:
    """Serve and the application see the same id, which the answer carries once."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(value.decode() for name, value in scope["headers"] if name == b"x-request-id")
        response = PlainTextResponse("", headers={"X-Request-ID": seen[0]})
        response.headers.append("X-Request-ID", "another")
        await response(scope, receive, send)

    response = await ask(app, headers={"X-Request-ID": given})
    assert response.headers.get_list("x-request-id") == seen
    assert (seen == [given]) == kept


@pytest.mark.parametrize(
    "name",
    ["X-Request-Timeout-Seconds", "X-Request-Disconnect-Disabled", "X-Session-Id", "Serve_Multiplexed_Model_Id"],
)
async def test_header_is_dropped_when_it_would_steer_serve(name: str) -> None:
    """A client cannot set Serve's limits or choose a replica; its other headers arrive."""
    seen: dict[str, str] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.update({key.decode(): value.decode() for key, value in scope["headers"]})
        await PlainTextResponse("")(scope, receive, send)

    await ask(app, headers={name: "1", "X-Api-Key": "k"})
    assert name.lower() not in seen
    assert seen["x-api-key"] == "k"


def test_serve_gets_the_gate_when_it_asks_for_middlewares() -> None:
    """Serve's setting names a function that gives Starlette middlewares."""
    (only,) = middlewares()
    assert isinstance(only.cls(answering(Response()), *only.args, **only.kwargs), Gate)


async def test_no_server_is_named_when_serve_makes_its_servers() -> None:
    """Servers that are made after `middlewares()` was called name no software."""
    middlewares()
    async with listening(answering(PlainTextResponse("fine"))) as url, httpx.AsyncClient(trust_env=False) as client:
        assert "server" not in (await client.get(url)).headers
