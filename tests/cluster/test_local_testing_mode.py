"""The same graph inside this process, in Serve's local testing mode: no cluster, no network, no store."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ray import serve as ray_serve
from starlette.types import Message

from serve.app import build
from serve.settings import Settings

BODY = json.dumps({"colors": ["#1f2a44", "#c19a6b"]}).encode()
_sent: list[Message] = []


async def receive() -> Message:
    """The whole body at once. Serve pickles what it hands over, so this and `send` are functions of this module."""
    return {"type": "http.request", "body": BODY, "more_body": False}


async def send(message: Message) -> None:
    """Keeps what the application sends."""
    _sent.append(message)


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A handle of the ingress deployment, built as every config builds it."""
    for name in ("REDIS_URL", "STATE_REDIS_URL", "STYLESYNC_KEYS_FILE", "STYLESYNC_SECRET_FILE"):
        monkeypatch.delenv(name, raising=False)
    yield ray_serve.run(build(Settings(require_keys=False)), _local_testing_mode=True)
    _sent.clear()


def test_colours_are_answered_when_the_graph_runs_in_this_process(handle: Any) -> None:
    """`serve.app:build` composes, and `Advice` reaches `Harmony` through its handle: whole advice, nothing degraded."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/advice",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
    }
    handle.remote(scope, receive, send).result(timeout_s=60)
    start, *bodies = _sent
    answer = json.loads(b"".join(message["body"] for message in bodies))
    assert start["status"] == 200
    assert answer["degraded"] == []
    assert answer["versions"]["harmony"]
    assert answer["suggestions"]
