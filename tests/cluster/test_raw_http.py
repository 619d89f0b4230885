"""Tests hand-written requests: no request has two readings, and no path leads around the ingress."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cluster.application import Application

ASKED = "Host: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
BODY = '{"colors":["navy"]}'
SECOND = "GET /v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
# What two servers in a row could read differently, so that a part of one request passes for the next client's.
AMBIGUOUS = {
    "two lengths": f"Content-Length: {len(BODY)}\r\nContent-Length: {len(BODY + SECOND)}\r\n\r\n{BODY}{SECOND}",
    "two lengths in one": f"Content-Length: {len(BODY)}, {len(BODY + SECOND)}\r\n\r\n{BODY}{SECOND}",
    "a length with a sign": f"Content-Length: +{len(BODY)}\r\n\r\n{BODY}",
    "a length below zero": f"Content-Length: -1\r\n\r\n{BODY}",
    "a space before the colon": f"Content-Length : {len(BODY)}\r\n\r\n{BODY}",
    "chunks of another name": f"Transfer-Encoding: xchunked\r\n\r\n{BODY}",
    "chunks that come first": f"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{SECOND}",
    "a chunk whose size is none": "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk whose size is below zero": "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than memory": "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a header with a zero byte": f"X-A: a\0b\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}",
    "a header that is folded": f"X-A: a\r\n Content-Length: 0\r\nContent-Length : {len(BODY)}\r\n\r\n{BODY}",
}
AROUND = (
    "GET /v1/../-/routes HTTP/1.1",
    "GET /%2d/routes HTTP/1.1",
    "GET /v1/%2e%2e/-/routes HTTP/1.1",
    "GET //-/routes HTTP/1.1",
    "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1",
    "GET http://localhost:8265/api/jobs/ HTTP/1.1",
    "CONNECT 127.0.0.1:8265 HTTP/1.1",
    "TRACE /v1/healthz HTTP/1.1",
)


def _answers(application: Application, request: str) -> list[int]:
    """The statuses of all answers until the server closes the connection or falls silent."""
    address = urlsplit(application.url)
    said = b""
    with socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=2) as link:
        link.sendall(request.encode("latin-1"))
        try:
            while chunk := link.recv(65536):
                said += chunk
        except TimeoutError:
            pass
    return [int(line.split()[1]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_is_refused_when_it_could_be_read_in_two_ways(
    application: Application, client: httpx.Client, name: str
) -> None:
    """An ambiguous request gets one answer, and its hidden second request gets none."""
    head = f"POST /v1/advice HTTP/1.1\r\n{ASKED.format(key=application.key)}"
    assert [status // 100 for status in _answers(application, head + AMBIGUOUS[name])] in ([4], [5], [])
    assert client.get("/v1/healthz").json()["status"] == "ok"


def test_a_content_length_never_counts_beside_chunks(application: Application) -> None:
    """RFC 9112 allows to refuse a request with chunks and a length, or to read the chunks. The length never counts."""
    head = f"POST /v1/advice HTTP/1.1\r\n{ASKED.format(key=application.key)}"
    chunked = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
    found = _answers(application, f"{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}")
    assert found in ([200], [400])


@pytest.mark.parametrize("line", AROUND)
def test_no_odd_path_leads_around_the_ingress(application: Application, line: str) -> None:
    """No path, scheme or method reaches Serve's own routes or another host."""
    (status, *more) = _answers(application, f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status in (400, 404, 405, 501)
    assert more == []


def test_haproxys_own_answer_is_a_problem(client: httpx.Client) -> None:
    """HAProxy finds no application for `OPTIONS *`, and says so in the project's format (serve/haproxy.py)."""
    response = client.request("OPTIONS", "/", extensions={"target": b"*"})
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.json()["request_id"] == response.headers["x-request-id"]
