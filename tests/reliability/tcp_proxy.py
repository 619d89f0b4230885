"""A TCP proxy in front of a store, which can delay, drop or refuse traffic and change its server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from tests.threaded_server import HOST, serving

Mode = Literal["pass", "silent", "refuse"]


@dataclass(slots=True)
class TcpProxy:
    """A running proxy. You may change its fields at any time.

    upstream_port: the port for new connections. delay_s: the delay of every answer. mode: `silent` passes nothing on
    and closes nothing; `refuse` closes connections at once.
    """

    upstream_port: int
    port: int = 0
    mode: Mode = "pass"
    delay_s: float = 0.0
    open_connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        self.open_connections += 1
        try:
            # The end of the proxy cancels this task.
            with suppress(asyncio.CancelledError):
                await self._joined(reader, writer)
        finally:
            self.open_connections -= 1
            writer.close()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            return
        try:
            there, back = await asyncio.open_connection(HOST, self.upstream_port)
        except OSError:
            return
        try:
            ways = (self._pass_on(reader, back, late=False), self._pass_on(there, writer, late=True))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            back.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, late: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if late and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.mode == "refuse":
                    return
                if self.mode == "pass":
                    target.write(data)
                    await target.drain()


@contextmanager
def tcp_proxy(upstream_port: int) -> Iterator[TcpProxy]:
    """Runs a proxy on a free port until the end of the block."""
    proxy = TcpProxy(upstream_port)
    with serving(proxy.serve) as proxy.port:
        yield proxy
