"""Sends one request to the graph in Serve's local testing mode: `python -m tests.cluster.local_graph`.

A process of its own: the mode leaves the deployments' threads running, and they would go on under other tests.
"""

import json
import sys

from ray import serve as ray_serve
from starlette.types import Message

from serve.app import build
from serve.settings import Settings

BODY = json.dumps({"colors": ["#1f2a44", "#c19a6b"]}).encode()
_sent: list[Message] = []


async def receive() -> Message:
    """Gives the whole body at once. Serve pickles this and `send`, so they are functions of the module."""
    return {"type": "http.request", "body": BODY, "more_body": False}


async def send(message: Message) -> None:
    """Keeps the messages that the application sends."""
    _sent.append(message)


def main() -> None:
    """Builds the graph as every config does, sends one request, and prints status and answer."""
    handle = ray_serve.run(build(Settings(require_keys=False)), _local_testing_mode=True)
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
    sys.stdout.write("\n" + json.dumps({"status": start["status"], "answer": answer}) + "\n")


if __name__ == "__main__":
    # The module is imported by its name, because Serve can only pickle functions with an importable name.
    from tests.cluster import local_graph

    local_graph.main()
