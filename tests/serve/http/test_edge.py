"""Tests the edge around the application: request ids, headers, hosts and errors."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from serve.http.edge import Edge
from serve.http.headers import SECURITY_HEADERS, clean_request_id

NEW_ID = re.compile(r"[0-9a-f]{32}")
Header = tuple[bytes, bytes]


class Answer:
    """The messages that an application sent."""

    def __init__(self, messages: list[Message]) -> None:
        start = messages[0]
        self.status: int = start["status"]
        self.raw: list[Header] = [(bytes(name).lower(), bytes(value)) for name, value in start["headers"]]
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    def all(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value.decode("latin-1") for header, value in self.raw if header.decode() == name.lower()]

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


async def _send(app: ASGIApp, *headers: Header, method: str = "GET", hosts: Sequence[str] = ("localhost",)) -> Answer:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    raw = [*((b"host", host.encode("latin-1")) for host in hosts), *headers]
    scope: Scope = {"type": "http", "method": method, "path": "/x", "query_string": b"", "headers": raw}
    await app(scope, receive, send)
    return Answer(messages)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the request id that it received."""
    await PlainTextResponse(Request(scope).state.request_id)(scope, receive, send)


def broken(error: Exception) -> ASGIApp:
    """An application that raises."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


# --- request ids ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("given", ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "A.b_C-9", "x" * 64])
async def test_a_clients_request_id_is_kept_when_it_is_valid(given: str) -> None:
    """The application and the answer have a client's short, plain id."""
    answer = await _send(Edge(hello), (b"x-request-id", given.encode()))
    assert answer.all("X-Request-ID") == [given]
    assert answer.body == given.encode()


BAD_IDS = {
    "empty": b"",
    "too long": b"x" * 65,
    "10 kB": b"x" * 10_000,
    "line breaks": b"a\r\nSet-Cookie: a=b",
    "a line feed at its end": b"abc\n",
    "a NUL": b"a\0b",
    "a blank": b"a b",
    "unicode": "é👗".encode(),
    "ANSI colours": b"\x1b[31mred",
    "JSON": b'{"a": 1}',
    "markup": b"<script>",
}


@pytest.mark.parametrize("given", BAD_IDS.values(), ids=BAD_IDS.keys())
async def test_a_clients_request_id_is_replaced_when_it_is_invalid(given: bytes) -> None:
    """An id that could break a log line or a header is replaced and appears nowhere."""
    answer = await _send(Edge(hello), (b"x-request-id", given))
    (found,) = answer.all("X-Request-ID")
    assert NEW_ID.fullmatch(found)
    assert answer.body == found.encode()


async def test_request_ids_are_new_when_clients_send_none() -> None:
    """Each request without an id gets one of its own."""
    found = [(await _send(Edge(hello))).all("X-Request-ID") for _ in range(20)]
    assert len({ids[0] for ids in found}) == 20
    assert clean_request_id(None) != clean_request_id(None)


async def test_an_answer_has_one_request_id_when_several_were_sent() -> None:
    """Two ids of the client and one of the application become one in the answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", headers={"X-Request-ID": "mine"})(scope, receive, send)

    answer = await _send(Edge(app), (b"x-request-id", b"first"), (b"x-request-id", b"second"))
    assert answer.all("X-Request-ID") == ["first"]


# --- headers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("app", "hosts", "status"),
    [(hello, ["localhost"], 200), (broken(RuntimeError()), ["localhost"], 500), (hello, ["a b"], 400)],
)
async def test_every_answer_has_the_security_headers(app: ASGIApp, hosts: list[str], status: int) -> None:
    """Every answer and every error has each security header once."""
    answer = await _send(Edge(app), hosts=hosts)
    assert answer.status == status
    assert {name: answer.all(name) for name in SECURITY_HEADERS} == {
        name: [value] for name, value in SECURITY_HEADERS.items()
    }


async def test_a_pages_own_policy_is_kept_when_it_has_one() -> None:
    """A page may set a content security policy of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", headers={"Content-Security-Policy": "default-src 'self'"})(scope, receive, send)

    assert (await _send(Edge(app))).all("Content-Security-Policy") == ["default-src 'self'"]


# --- HEAD -----------------------------------------------------------------------------------------------------
async def test_a_head_request_is_a_get_without_its_body_when_sent() -> None:
    """HEAD has GET's status and headers, with the length, and no body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"{scope['method']} answers")(scope, receive, send)

    head, get = await _send(Edge(app), method="HEAD"), await _send(Edge(app))
    assert get.body == b"GET answers"
    assert head.body == b""
    assert (head.status, head.all("Content-Length")) == (get.status, ["11"])


# --- hosts ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "API.example.com", "10.0.0.7:80", "[::1]:8000", "a_b"])
async def test_a_host_is_accepted_when_it_is_well_formed(host: str) -> None:
    """Without configured hosts, every well-formed name or address is accepted."""
    assert (await _send(Edge(hello), hosts=[host])).status == 200


@pytest.mark.parametrize(
    "hosts",
    [[""], ["a b"], ["a/b"], ["a@b"], ["evil.com\r\nX: y"], ["é.com"], ["a:b"], ["a:80:80"], ["a", "b"], ["a,b"]],
)
async def test_a_host_is_refused_when_it_is_malformed(hosts: list[str]) -> None:
    """An empty host, two hosts and a malformed host are a bad request."""
    answer = await _send(Edge(hello), hosts=hosts)
    assert (answer.status, answer.json()["code"]) == (400, "UNPARSABLE")


async def test_a_request_is_accepted_when_it_has_no_host_header() -> None:
    """A request of HTTP/1.0, as simple load balancers probe, needs no Host header."""
    assert (await _send(Edge(hello), hosts=[])).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("API.EXAMPLE.COM:8443", 200),
        ("shop.example.org", 200),
        ("example.com", 400),
        ("evil.com", 400),
        ("api.example.com.evil.com", 400),
        ("example.org", 400),
    ],
)
async def test_a_host_is_refused_when_it_is_not_configured(host: str, status: int) -> None:
    """Only configured hosts are accepted, by name or pattern, on any port."""
    edge = Edge(hello, allowed_hosts=("api.example.com", "*.example.org"))
    assert (await _send(edge, hosts=[host])).status == status


# --- errors ---------------------------------------------------------------------------------------------------
INNARDS = "/home/app/serve/api.py: KeyError 'ssk_1_2' at 10.0.0.7"


@pytest.mark.parametrize("error", [RuntimeError(INNARDS), KeyError(INNARDS), OSError(13, INNARDS)])
async def test_the_answer_to_an_unexpected_error_reveals_nothing(error: Exception) -> None:
    """A 500 is a generic problem document with the request's id; the log has the error and the same id."""
    with capture_logs() as logs:
        answer = await _send(Edge(broken(error)), (b"x-request-id", b"abc"))
    assert answer.status == 500
    assert answer.all("Content-Type") == ["application/problem+json"]
    assert answer.json() == {
        "type": "/docs/errors/internal",
        "title": "Something went wrong on our side",
        "status": 500,
        "detail": "Server got itself in trouble",
        "code": "INTERNAL",
        "request_id": "abc",
    }
    assert INNARDS.encode() not in answer.body
    assert [(entry["event"], entry["request_id"], entry["log_level"]) for entry in logs] == [
        ("request_failed", "abc", "error"),
        ("request", "abc", "info"),
    ]


async def test_the_error_propagates_when_the_answer_has_begun() -> None:
    """An error in the middle of a body starts no second answer, so that the server closes the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("broken")

    with capture_logs() as logs, pytest.raises(RuntimeError, match="broken"):
        await _send(Edge(app))
    assert [entry["event"] for entry in logs] == ["request_failed", "request"]


async def test_nothing_is_answered_when_the_client_has_left() -> None:
    """A client that leaves while its body is read causes no error."""
    messages: list[Message] = []

    async def nobody() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)

    with capture_logs() as logs:
        await Edge(broken(ClientDisconnect()))(
            {"type": "http", "method": "POST", "path": "/x", "headers": []}, nobody, send
        )
    assert messages == []
    assert [(entry["event"], entry["status"], entry["log_level"]) for entry in logs] == [("request", 0, "info")]


async def test_other_protocols_pass_when_they_are_not_http() -> None:
    """Lifespan messages pass unchanged."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: Scope = {"type": "lifespan"}
    await Edge(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [scope]
