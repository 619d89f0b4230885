"""Stores of bytes in Redis, asked within timeouts that a request can afford.

A replica has three connection pools. The cache has one for reads and claims and one for writes: a write that times out
closes its connection, and a read has no time to open a new one. Everything that asks the state store shares the third.
No user of a shared pool waits for another, because the pool is as large as their concurrency limits together.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from opentelemetry.trace import SpanKind

from serve.imports import without
from serve.observe import tracing
from serve.stores import timeouts
from serve.waiting import answered, drop

# Metrics of redis's own, which nothing here asks for, take 20 ms of a replica's start.
with without("opentelemetry.sdk.metrics"):
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

T = TypeVar("T")
Pool = BlockingConnectionPool
FAILURES = RedisError, OSError, TimeoutError
_REMOVE_IF_EQUAL = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class StoreError(Exception):
    """The store cannot be asked now."""


class Store(Protocol):
    """A store of bytes that may lose anything at any time; every method raises StoreError when it cannot be asked."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        """Stores the value for about ttl_s."""

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Stores the value unless the key already has one; returns whether it did."""

    async def remove(self, key: str, value: bytes) -> None:
        """Removes the key if this is its value."""

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def close(self) -> None:
        """Closes the connections."""


class LoopBlocked(StoreError):
    """Our event loop was blocked, so the timeout says nothing about the store's health."""


class Cooldown:
    """After a failure, fails fast for a second instead of letting every request time out.

    permits: the most commands at a time; others wait for a permit, at most acquire_timeout_s (None: without end).
    timeout_s: the timeout of one command. probe: called every second after a failure until it succeeds, so that no
    request pays for finding out; without a probe the first command after a second finds out.
    """

    def __init__(
        self,
        *,
        permits: int,
        timeout_s: float,
        acquire_timeout_s: float | None = None,
        probe: Callable[[], Awaitable[Any]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._permits = asyncio.Semaphore(permits)
        self._timeout_s = timeout_s
        self._acquire_timeout_s = acquire_timeout_s
        self._probe = probe
        self._probing: asyncio.Task[None] | None = None
        self._clock = clock
        self._until_s = 0.0

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result. Raises StoreError when the store fails, cools down, or no permit comes free."""
        try:
            async with asyncio.timeout(self._acquire_timeout_s):
                await self._permits.acquire()
        except TimeoutError as error:
            raise StoreError from error
        try:
            if self.active:
                raise StoreError
            return await self._timed(command)
        except FAILURES as error:
            self._begin()
            raise StoreError from error
        finally:
            self._permits.release()

    @property
    def active(self) -> bool:
        """Whether the store failed lately and is not asked."""
        return self._clock() < self._until_s

    def close(self) -> None:
        """Ends the probing."""
        if self._probing is not None:
            self._probing.cancel()

    async def _timed(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result within the timeout. Raises LoopBlocked when our own loop was too late to tell."""
        work, began_s = asyncio.ensure_future(command()), self._clock()
        try:
            if not await answered(work, self._timeout_s):
                raise TimeoutError
            return work.result()
        except FAILURES as error:
            if self._clock() - began_s > timeouts.LATE_FACTOR * self._timeout_s:
                raise LoopBlocked from error
            raise
        finally:
            await drop(work)

    def _begin(self) -> None:
        if self._probe is None:
            self._until_s = self._clock() + timeouts.COOLDOWN_S
        elif self._probing is None or self._probing.done():
            self._until_s = math.inf
            self._probing = asyncio.ensure_future(self._until_recovered(self._probe))

    async def _until_recovered(self, probe: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(timeouts.COOLDOWN_S)
            with suppress(*FAILURES):
                # A probe that only our own loop delayed counts as a success: asking beats doing without.
                with suppress(LoopBlocked):
                    await self._timed(probe)
                self._until_s = 0.0
                return


def tls_options(url: str, ca_file: Path | None) -> dict[str, Any]:
    """redis-py's options for a private CA's certificates, which only a `rediss://` URL takes."""
    return {"ssl_ca_certs": str(ca_file)} if ca_file is not None and url.startswith("rediss:") else {}


def connection_pool(url: str, *, connections: int, timeout_s: float, ca_file: Path | None = None) -> Pool:
    """A pool for commands with that timeout, which never retries; redis-py's own defaults (5 s, 10 retries) stall.

    ca_file: certificates of a private CA, which are trusted beside the public ones.
    """
    return Pool.from_url(
        url,
        max_connections=connections,
        timeout=timeouts.BACKSTOP_FACTOR * timeout_s,
        socket_timeout=timeouts.BACKSTOP_FACTOR * timeout_s,
        socket_connect_timeout=timeouts.BACKSTOP_FACTOR * timeout_s,
        retry=Retry(NoBackoff(), 0),
        **tls_options(url, ca_file),
    )


def state_pool(url: str, *, timeout_s: float = timeouts.LIMITS_TIMEOUT_S, ca_file: Path | None = None) -> Pool:
    """The one pool of a state store, for API keys, limits and idempotency keys together.

    timeout_s: the longest timeout of its users. Each user closes the pool when it closes; closing it again is harmless.
    """
    return connection_pool(url, connections=timeouts.STATE_CONNECTIONS, timeout_s=timeout_s, ca_file=ca_file)


def client_of(pool: Pool) -> Any:
    """Redis' own client on a pool, which it never closes; its annotations leave open whether it is asynchronous."""
    return Redis(connection_pool=pool)


class RedisStore:
    """Redis or Valkey.

    pool: for reads and claims. write_pool: for writes; it may be the same one. timeout_s: of reads; claims have at
    least that.
    """

    def __init__(
        self,
        pool: Pool,
        write_pool: Pool,
        *,
        timeout_s: float = timeouts.READ_TIMEOUT_S,
    ) -> None:
        self._pools = (pool, write_pool)
        self._redis, self._writer = client_of(pool), client_of(write_pool)
        claim_s, write_s = max(timeout_s, timeouts.CLAIM_TIMEOUT_S), timeouts.WRITE_TIMEOUT_S
        self._reads = Cooldown(
            permits=timeouts.READ_CONNECTIONS,
            acquire_timeout_s=timeout_s,
            timeout_s=timeout_s,
            probe=self._redis.ping,
        )
        self._claims = Cooldown(
            permits=timeouts.CLAIM_CONNECTIONS,
            acquire_timeout_s=claim_s,
            timeout_s=claim_s,
            probe=self._redis.ping,
        )
        self._writes = Cooldown(
            permits=timeouts.WRITE_CONNECTIONS,
            acquire_timeout_s=write_s,
            timeout_s=write_s,
        )

    @classmethod
    def of_cache(cls, url: str, *, ca_file: Path | None = None) -> "RedisStore":
        """The cache at a URL, on two pools of its own."""
        connections = timeouts.READ_CONNECTIONS + timeouts.CLAIM_CONNECTIONS
        return cls(
            connection_pool(url, connections=connections, timeout_s=timeouts.READ_TIMEOUT_S, ca_file=ca_file),
            connection_pool(
                url, connections=timeouts.WRITE_CONNECTIONS, timeout_s=timeouts.WRITE_TIMEOUT_S, ca_file=ca_file
            ),
        )

    @classmethod
    def of_state(cls, pool: Pool) -> "RedisStore":
        """What a request cannot do without, on the state store's shared pool."""
        return cls(pool, pool, timeout_s=timeouts.STATE_TIMEOUT_S)

    async def get(self, key: str) -> bytes | None:
        with tracing.span("redis get", SpanKind.CLIENT):
            value: bytes | None = await self._reads.ask(lambda: self._redis.get(key))
        return value

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        with tracing.span("redis set", SpanKind.CLIENT):
            await self._writes.ask(lambda: self._writer.set(key, value, ex=ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        # A claim waits long, but not for a store that is known to fail.
        if self._reads.active:
            raise StoreError
        with tracing.span("redis set", SpanKind.CLIENT):
            return bool(await self._claims.ask(lambda: self._redis.set(key, value, nx=True, px=round(ttl_s * 1000))))

    async def remove(self, key: str, value: bytes) -> None:
        await self._writes.ask(lambda: self._writer.eval(_REMOVE_IF_EQUAL, 1, key, value))

    async def ping(self) -> None:
        await self._reads.ask(self._redis.ping)

    async def close(self) -> None:
        self._reads.close()
        self._claims.close()
        for pool in self._pools:
            await pool.disconnect()


class NoStore:
    """The store where no Redis is configured: every method but close raises StoreError."""

    async def get(self, key: str) -> bytes | None:
        raise StoreError

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        raise StoreError

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        raise StoreError

    async def remove(self, key: str, value: bytes) -> None:
        raise StoreError

    async def ping(self) -> None:
        raise StoreError

    async def close(self) -> None:
        return None
