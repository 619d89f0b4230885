"""Tests that HAProxy's own errors are problem documents, on Ray's template and the HAProxy that comes with Ray."""

import json
import os
import re
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jinja2
import pytest
from ray.serve._private.haproxy_templates import HAPROXY_CONFIG_TEMPLATE

from pipeline.errors import ColorMatchError, NotFound, SlowBody, Unavailable, Unparsable
from serve.haproxy import AWAY, BROKEN, MISSING, SLOW, UNREADABLE, with_problems
from serve.http.problems import problem_response
from serve.local.plan import HAPROXY, REPOSITORY, transport_profile
from serve.local.processes import free_port
from tests.cluster.application import wait_until


def rays_config(**settings: Any) -> str:
    """Ray's configuration of HAProxy for one application at /app."""
    server = {"name": "one", "host": "127.0.0.1", "port": settings["server_port"]}
    named = {"name": "app", "path_prefix": "/app", "app_name": "app", "timeout_server_s": 1, "servers": [server]}
    backend = defaultdict(lambda: None, named)
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - as Ray does
    environment.filters["haproxy_fmt"] = str
    values: dict[str, Any] = {"maxconn": 100, "nbthread": 1, "bufsize": 16384, "retry_on": "conn-failure", "retries": 1}
    values |= {"balance_algorithm": "leastconn", "metrics_uri": "/metrics", "stats_uri": "/stats"}
    values |= {"log_target": "127.0.0.1:514", "frontend_host": "127.0.0.1", "error_file_path": "/nowhere"}
    values |= {f"timeout_{name}_s": 5 for name in ("connect", "client", "server", "http_request")}
    found = environment.from_string(HAPROXY_CONFIG_TEMPLATE).render(
        config=defaultdict(lambda: None, values | settings),
        backends=[backend],
        backends_with_health_config=[{"backend": backend, "health_config": {"default_server_directive": ""}}],
        grpc_backends_with_health_config=[],
        healthz_rules="",
        route_info={"status": 200, "routes_content_type": "text/plain", "routes_message": "{}"},
    )
    return found + "\n"


PORTS = {"metrics_port": 1, "stats_port": 2, "frontend_port": 3, "server_port": 4, "socket_path": "/nowhere"}


def test_no_text_of_rays_is_left_in_its_configuration() -> None:
    """The template of this Ray is known: its two kinds of error text are gone, and every other line stays."""
    before, after = rays_config(**PORTS).splitlines(), with_problems(rays_config(**PORTS)).splitlines()
    gone = [line.strip() for line in before if line not in after]
    assert len(gone) == 4
    assert {line.split()[0] for line in gone} == {"errorfile", "http-request"}
    assert sum("http-error status" in line for line in after) == 6
    assert sum("http-request return status 404" in line and "problem+json" in line for line in after) == 1


@pytest.mark.parametrize("config", ["", "global\n", "defaults\n    mode tcp\n", "defaults\n    mode http\n" * 2])
def test_a_configuration_of_another_shape_stays(config: str) -> None:
    """A configuration that is not as Ray writes it comes back unchanged."""
    assert with_problems(config) == config


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (UNREADABLE, Unparsable("The request is not valid HTTP, or its head is too large.")),
        (SLOW, SlowBody("The request came too slowly.")),
        (MISSING, NotFound("There is nothing at this address.")),
        (BROKEN, ColorMatchError()),
        (AWAY, Unavailable("No server could answer; try again shortly.")),
    ],
)
def test_the_documents_are_those_of_the_service(told: tuple[int, str, str, str], error: ColorMatchError) -> None:
    """Status, code, title, detail and type are the same as in the service's own problem documents."""
    own = json.loads(bytes(problem_response(error, "1").body))
    assert told == (own["status"], own["code"], own["title"], own["detail"])
    changed = with_problems(rays_config(**PORTS))
    (written,) = {
        found for found in re.findall(r"lf-string '(\{.*?\})'", changed) if json.loads(found)["code"] == told[1]
    }
    assert {**json.loads(written), "request_id": "1"} == own


def test_ray_starts_this_program_in_haproxys_place(tmp_path: Path) -> None:
    """The profile and the image name the program, and its file may be executed."""
    assert os.access(HAPROXY, os.X_OK)
    assert transport_profile(tmp_path)["RAY_SERVE_HAPROXY_BINARY_PATH"] == str(HAPROXY)
    assert "RAY_SERVE_HAPROXY_BINARY_PATH=/app/serve/haproxy.sh " in (REPOSITORY / "Dockerfile").read_text()


# --- on HAProxy itself ----------------------------------------------------------------------------------------
@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A socket that listens, whose owner decides what happens to a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10.0)
        yield listening


@pytest.fixture
def client(tmp_path: Path, server: socket.socket) -> Iterator[httpx.Client]:
    """A client of HAProxy, started as Ray starts it, in front of the server."""
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    ports = {"frontend_port": port, "metrics_port": free_port(), "stats_port": free_port()}
    config.write_text(rays_config(**ports, server_port=server.getsockname()[1], socket_path=str(tmp_path / "a.sock")))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [str(HAPROXY), "-db", "-f", str(config)], env={**os.environ, "PATH": path}, stderr=subprocess.DEVNULL
    )

    def listens() -> bool:
        assert process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20.0) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def checked(response: httpx.Response, status: int, code: str) -> None:
    """The answer is a problem document with an id of its own, in body and header."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert re.fullmatch("[0-9a-f-]{36}", document["request_id"])
    assert response.headers.get_list("x-request-id") == [document["request_id"]]
    assert (response.headers.get("retry-after"), response.headers["cache-control"]) == (
        "1" if status == 503 else None,
        "no-store",
    )


@pytest.mark.cluster
def test_no_client_meets_text_when_haproxy_answers(client: httpx.Client, server: socket.socket) -> None:
    """No application, a server that closes, one that hangs and one that is gone give problem documents."""
    first, second = client.get("/nothing"), client.get("/nothing")
    checked(first, 404, "NOT_FOUND")
    assert first.json()["request_id"] != second.json()["request_id"]
    with httpx.Client(base_url=client.base_url, trust_env=False, timeout=20.0) as hanging:
        # Nobody accepts: HAProxy's own connections wait in the backlog until its time limit, its 504.
        checked(hanging.get("/app"), 503, "UNAVAILABLE")
    server.close()
    checked(client.get("/app"), 503, "UNAVAILABLE")
