"""An HTTP proxy before a server that fails a share of the requests, in every way that S3 fails; asyncio, in a thread.

It forwards bytes, the Host header included, so that signatures hold.  Which requests fail is drawn by seed.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.threaded_server import HOST, serving

KINDS = ("500", "503", "refused", "cut")  # server error, slow down, connection dropped before or inside the answer
BODY = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>injected</Message></Error>"
STATUS = {"500": b"500 Internal Server Error", "503": b"503 Slow Down"}


@dataclass(slots=True)
class FaultProxy:
    """A running proxy. share: of the requests that fail. broken: paths that always fail. counts: by what was done."""

    url: str
    share: float = 0.0
    broken: Callable[[str], bool] = lambda path: False
    counts: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)  # GETs that were answered whole, by path
    _random: random.Random = field(default_factory=lambda: random.Random(8))

    def fate(self, path: str) -> str | None:
        """How a request shall fail; None: not at all."""
        if self.broken(path):
            return "500"
        return self._random.choice(KINDS) if self._random.random() < self.share else None


@contextmanager
def fault_proxy(upstream: str, *, share: float = 0.0) -> Iterator[FaultProxy]:
    """A proxy on a free port before the upstream URL, ended with the block."""
    target = urlsplit(upstream)
    proxy = FaultProxy("", share)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(proxy, str(target.hostname), int(target.port or 80), reader, writer)

    with serving(connection) as port:
        proxy.url = f"http://{HOST}:{port}"
        yield proxy


async def _serve(
    proxy: FaultProxy, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await _one(proxy, host, port, reader, writer):
                pass
    finally:
        writer.close()


async def _one(
    proxy: FaultProxy, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """One request and its answer; whether the connection may be used again."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await _body(head, reader)
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    fate = proxy.fate(path)
    proxy.counts[fate or "served"] += 1
    if fate == "refused":
        return False
    if fate in STATUS:
        text = BODY % b"InternalError"
        answer = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s"
        writer.write(answer % (STATUS[fate], len(text), b"" if method == "HEAD" else text))
        await writer.drain()
        return True
    answer = await _upstream(host, port, head, body)
    if fate == "cut":
        writer.write(answer[: max(1, len(answer) // 2)])
        await writer.drain()
        return False
    writer.write(answer)
    await writer.drain()
    if method == "GET" and answer.startswith(b"HTTP/1.1 200"):
        proxy.served[path] += 1
    return False


async def _upstream(host: str, port: int, head: bytes, body: bytes) -> bytes:
    """The whole answer, on a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    lines = [line for line in head.rstrip().split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
    writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        return await _chunks(reader)
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        data = await reader.readexactly(int(line.split(b";")[0], 16) + 2)
        parts += [line, data]
        if len(data) == 2:
            return b"".join(parts)
