"""Runs an HTTP proxy in front of a server, which fails a share of the requests in the ways in which S3 fails.

It forwards the Host header unchanged, so that signatures stay valid.  A seed decides which requests fail.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.threaded_server import HOST, serving

# Server error, slow down, and a connection that is dropped before or within the answer.
KINDS = ("500", "503", "refused", "cut")
BODY = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>injected</Message></Error>"
STATUS = {"500": b"500 Internal Server Error", "503": b"503 Slow Down"}


@dataclass(slots=True)
class FaultProxy:
    """A running proxy.

    share: of requests that fail. broken: which paths always fail. counts: requests by outcome. served: completely
    answered GETs by path.
    """

    url: str
    share: float = 0.0
    broken: Callable[[str], bool] = lambda path: False
    counts: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    _random: random.Random = field(default_factory=lambda: random.Random(8))

    def fate(self, path: str) -> str | None:
        """The way in which a request must fail; None for success."""
        if self.broken(path):
            return "500"
        return self._random.choice(KINDS) if self._random.random() < self.share else None


@contextmanager
def fault_proxy(upstream: str, *, share: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
    """A proxy on a free port in front of the upstream URL, with its own certificate or none. It ends with the block."""
    target = urlsplit(upstream)
    proxy = FaultProxy("", share)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(proxy, str(target.hostname), int(target.port or 80), reader, writer)

    with serving(connection, tls=tls) as port:
        proxy.url = f"{'https' if tls else 'http'}://{HOST}:{port}"
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
    """Handles one request. Gives whether the connection can be used again."""
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
    """The complete answer, fetched on a new connection."""
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
