"""Runs an asyncio server in a thread of its own, for proxies that tests put in front of a store."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

HOST = "127.0.0.1"
Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def serving(connection: Connection, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serves connections on a free port, which it yields. Open connections are cancelled at the end of the block."""
    ports = list[int]()
    started, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(connection, HOST, 0, ssl=tls)
        async with server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await asyncio.to_thread(ended.wait)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    started.wait()
    try:
        yield ports[0]
    finally:
        ended.set()
        thread.join()
