"""Tests HAProxy's own failures: Serve's real config, changed by haproxy.py, in a real HAProxy."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from pipeline.errors import ColorMatchError, from_pair
from serve import haproxy
from serve.haproxy import FAILURES, NOT_FOUND, NOT_READY, Answer, with_problem_documents
from serve.http.headers import REQUEST_ID, SECURITY_HEADERS
from serve.http.problems import problem_response
from serve.local.plan import REPOSITORY
from serve.local.processes import free_port

ANSWERS = [*FAILURES.values(), NOT_FOUND, NOT_READY]
LARGE = b"GET / HTTP/1.1\r\nHost: test\r\nA: %b\r\n\r\n" % (b"a" * 20_000)


class Replica(StreamRequestHandler):
    """A replica that answers, dies, talks nonsense or hangs, as the path says."""

    def handle(self) -> None:
        line = self.rfile.readline()
        if b"/lost" in line:
            return
        if b"/hanging" in line or line.startswith(b"POST"):
            time.sleep(4)
            return
        nonsense = b"/nonsense" in line
        self.wfile.write(b"nonsense\r\n\r\n" if nonsense else b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


class Balancer:
    """A real HAProxy on a port of its own, started as Serve starts it: with haproxy.py in its place."""

    def __init__(self, folder: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.config_path = folder / "haproxy.cfg"
        self.port = port
        self.process = process

    def ask(self, request: bytes, rest: bytes = b"") -> tuple[HTTPResponse, bytes]:
        """The answer to raw bytes. The rest is sent half a second later."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            if rest:
                time.sleep(0.5)
                connection.sendall(rest)
            response = HTTPResponse(connection)
            response.begin()
            return response, response.read()


def written(folder: Path, port: int, replica: int | None, **options: Any) -> Path:
    """The config that Ray Serve itself writes for an application with one replica, or for none."""
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

    config = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        socket_path=str(folder / "admin.sock"),
        server_state_base=str(folder),
        server_state_file=str(folder / "state"),
        metrics_socket_path=str(folder / "metrics.sock"),
        stats_port=free_port(),
        metrics_port=free_port(),
        nbthread=1,
        retries=0,
        has_received_routes=replica is not None,
        has_received_servers=replica is not None,
        **options,
    )
    servers = [] if replica is None else [ServerConfig(name="one", host="127.0.0.1", port=replica)]
    backend = BackendConfig(name="app", app_name="colormatch", path_prefix="/colours", servers=servers)
    api = HAProxyApi(config, {"app": backend} if servers else {}, str(folder / "haproxy.cfg"))
    api._generate_config_file_internal()
    return folder / "haproxy.cfg"


def balancer(folder: Path, replica: int | None) -> Iterator[Balancer]:
    """Serve's HAProxy for a replica on this port, or for no application."""
    port = free_port()
    path = written(folder, port, replica, timeout_server_s=1, timeout_client_s=2)
    # As on every node, the first Python on PATH is the one that has Ray.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(REPOSITORY / "serve/haproxy.py"), "-db", "-f", str(path)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield Balancer(folder, port, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def before_replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """HAProxy in front of one replica."""
    with ThreadingTCPServer(("127.0.0.1", 0), Replica) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield from balancer(tmp_path_factory.mktemp("haproxy"), server.server_address[1])
        server.shutdown()


@pytest.fixture(scope="module")
def before_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """HAProxy in front of a replica that does not listen."""
    yield from balancer(tmp_path_factory.mktemp("haproxy"), free_port())


@pytest.fixture(scope="module")
def before_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    """HAProxy before an application is deployed."""
    yield from balancer(tmp_path_factory.mktemp("haproxy"), None)


def assert_is_problem(response: HTTPResponse, body: bytes, expected: Answer) -> None:
    """The document is the expected one, with one request id and every header of the project's answers."""
    document = json.loads(body)
    request_id = document.pop("request_id")
    assert REQUEST_ID.fullmatch(request_id)
    assert response.headers.get_all("x-request-id") == [request_id]
    assert (response.status, document["code"], document["detail"]) == (expected.status, expected.code, expected.detail)
    assert response.headers["content-type"] == "application/problem+json"
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert ("retry-after" in response.headers) == (expected.status == 503)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.code)
def test_each_document_is_the_one_that_problems_would_write(answer: Answer) -> None:
    """Type, title, status and headers are those that problems.py gives for the same code."""
    error = from_pair(answer.code, answer.detail, among=(ColorMatchError,))
    expected = problem_response(error, haproxy.REQUEST_ID)
    reply = haproxy._reply(answer)
    assert json.loads(reply.split("'")[1]) == json.loads(bytes(expected.body))
    headers = {name.lower(): value for name, value in re.findall(r'hdr (\S+) "([^"]*)"', reply)}
    theirs = {**expected.headers, **{name.lower(): value for name, value in SECURITY_HEADERS.items()}}
    left_out = {"content-length", "content-type"}
    assert headers == {name: value for name, value in theirs.items() if name not in left_out} | {
        "x-request-id": haproxy.REQUEST_ID
    }


@pytest.mark.parametrize(("path", "failure"), [("lost", 502), ("nonsense", 502), ("hanging", 504)])
def test_answer_is_a_problem_when_a_replica_fails(before_replica: Balancer, path: str, failure: int) -> None:
    """A replica that dies, sends what is no HTTP, or hangs gives a problem document that asks to try again."""
    answer = before_replica.ask(f"GET /colours/{path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    assert_is_problem(*answer, FAILURES[failure])


def test_answer_passes_when_a_replica_gives_one(before_replica: Balancer) -> None:
    """A replica's answer passes unchanged."""
    response, body = before_replica.ask(b"GET /colours HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (response.status, body, dict(response.headers)) == (200, b"ok", {"content-length": "2"})


def test_answer_is_a_problem_when_no_replica_is_up(before_nobody: Balancer) -> None:
    """A request without a replica, and the health check, get 503 NOT_READY and a time to wait."""
    assert_is_problem(*before_nobody.ask(b"GET /colours HTTP/1.1\r\nHost: test\r\n\r\n"), NOT_READY)
    for _ in range(100):
        response, body = before_nobody.ask(b"GET /-/healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        if response.status != 200:
            break
        time.sleep(0.1)
    assert_is_problem(response, body, NOT_READY)


@pytest.mark.parametrize("line", ["GET /nowhere", "OPTIONS *", "CONNECT test:80"])
def test_answer_is_a_problem_when_no_application_has_the_address(before_replica: Balancer, line: str) -> None:
    """An address outside of every application is 404 in the project's format."""
    assert_is_problem(*before_replica.ask(f"{line} HTTP/1.1\r\nHost: test:80\r\n\r\n".encode()), NOT_FOUND)


@pytest.mark.parametrize("path", ["/colours", "/-/healthz", "/-/routes"])
def test_answer_is_not_ready_when_nothing_is_deployed(before_deployment: Balancer, path: str) -> None:
    """Until an application is deployed, every address is 503 NOT_READY, so that a client waits."""
    assert_is_problem(*before_deployment.ask(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()), NOT_READY)


def test_answer_is_a_problem_when_a_body_is_malformed(before_replica: Balancer) -> None:
    """A malformed chunk is a problem document once HAProxy has read the request's head."""
    head = b"POST /colours HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"
    assert_is_problem(*before_replica.ask(head, b"zz\r\n\r\n"), FAILURES[400])


def test_process_is_haproxy_when_it_runs(before_replica: Balancer) -> None:
    """The script leaves no process behind, and Serve still finds HAProxy by the config in its command line."""
    process = Path(f"/proc/{before_replica.process.pid}")
    assert (process / "exe").resolve().name == "haproxy"
    assert str(before_replica.config_path).encode() in (process / "cmdline").read_bytes().split(b"\0")
    assert list(before_replica.config_path.parent.glob("haproxy.cfg.[0-9]*")) == []


def test_request_id_is_the_clients_when_it_is_plain(before_nobody: Balancer) -> None:
    """A plain id stays, and one with other characters is replaced: it would end in the document."""
    for given, kept in (("a.b-C_1", True), ("x" * 64, True), ("x" * 65, False), ('"}', False), ("", False)):
        response, body = before_nobody.ask(f"GET /x HTTP/1.1\r\nHost: test\r\nX-Request-ID: {given}\r\n\r\n".encode())
        assert_is_problem(response, body, NOT_FOUND)
        assert (json.loads(body)["request_id"] == given) == kept


@pytest.mark.parametrize(
    "request_bytes",
    [b"GARBAGE\r\n\r\n", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: test\r\n\r\n", LARGE],
    ids=["no HTTP", "an address with bytes above 127", "headers larger than the buffer"],
)
def test_haproxy_keeps_its_text_when_it_cannot_read_a_request(before_replica: Balancer, request_bytes: bytes) -> None:
    """HAProxy 2.8 has a fixed text for a request that it cannot read (docs/api.md). A newer one may not."""
    response, body = before_replica.ask(request_bytes)
    assert (response.status, response.headers["content-type"], body[:6]) == (400, "text/html", b"<html>")


def test_serves_config_has_every_place_that_is_changed(tmp_path: Path) -> None:
    """Serve's template still has the four places. A new version of Ray may move them."""
    for replica in (None, 1):
        before = written(tmp_path, 1, replica).read_text()
        after = with_problem_documents(before)
        assert after.count("\n    http-error status ") == len(FAILURES)
        assert after.count("set-var(txn.request_id)") == 2
        assert "text/plain" in before
        assert not re.search(r"return status [45]\d\d content-type text", after)
        # The last directive for a status holds, so ours stand behind Serve's.
        assert after.rindex("    errorfile ") < after.index("    http-error ") < after.index("\nfrontend ")
