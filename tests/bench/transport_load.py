"""A closed-loop load generator for small answers over keep-alive connections.

Closed loop: each client waits for its answer before it asks again. That is enough to compare two transports by their
latency at one client and by their most requests/s; it would flatter a slow server under a given load.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """p50_ms: the median time of a request. per_s: answers per second over all clients."""

    p50_ms: float
    per_s: float


async def measure(url: str, body: bytes, *, clients: int, for_s: float) -> Measured:
    """Measures `clients` clients that POST the body repeatedly for for_s, after a warm-up.

    Raises RuntimeError for an answer other than 200.
    """
    request = _request(url, body)
    begin_s = time.perf_counter() + WARM_UP_S
    took = await asyncio.gather(*(_client(url, request, begin_s, begin_s + for_s) for _ in range(clients)))
    times_s = [time_s for one in took for time_s in one]
    return Measured(statistics.median(times_s) * 1000, len(times_s) / for_s)


async def _client(url: str, request: bytes, begin_s: float, end_s: float) -> list[float]:
    """The durations, s, of the requests that began and ended between begin_s and end_s."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    took: list[float] = []
    try:
        while (since_s := time.perf_counter()) < end_s:
            writer.write(request)
            await _answer(reader)
            now_s = time.perf_counter()
            if since_s >= begin_s and now_s <= end_s:
                took.append(now_s - since_s)
        return took
    finally:
        writer.close()
        await writer.wait_closed()


def _request(url: str, body: bytes) -> bytes:
    address = urlsplit(url)
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Reads the body of one answer that states its length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise RuntimeError(head.decode())
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))
