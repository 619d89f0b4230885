"""Stores of bytes outside the process, within times that a request can afford; redis-py only."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from opentelemetry.trace import SpanKind
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serve.observe import tracing
from serve.waiting import drop, ended

T = TypeVar("T")
READ_TIMEOUT_S = 0.04
STATE_TIMEOUT_S = 0.25  # of what has to be known, not only would be good to know
CLAIM_TIMEOUT_S = 0.25  # of a key that is claimed so that its work is not done twice
WRITE_TIMEOUT_S = 0.5  # nobody waits for a write, and a busy machine may need longer than a request could
CONNECTIONS, CLAIM_CONNECTIONS, WRITE_CONNECTIONS = 32, 8, 8
LATE = 1.5  # times the timeout: what took longer to time out says that this process was held up
BACKSTOP = 10  # times the timeout: the client's own, which knows nothing of a loop that is held up
REST_AFTER_FAILURE_S = 1.0
FAILURES = RedisError, OSError, TimeoutError
_REMOVE_IF_EQUAL = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class StoreError(Exception):
    """The store cannot be asked now."""


class Store(Protocol):
    """A store of bytes that may lose anything at any time; every method raises StoreError when it cannot be asked."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        """Keeps the value for about ttl_s."""

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keeps the value where there is none; whether it did."""

    async def remove(self, key: str, value: bytes) -> None:
        """Removes the key if this is its value."""

    async def ping(self) -> None:
        """Nothing, when the store answers."""

    async def close(self) -> None:
        """Gives the connections back."""


class HeldUp(StoreError):
    """No answer was seen because this process had no time to look; it says nothing of the store."""


class Rest:
    """Leaves a store alone after it failed, so that few requests pay for its trouble, not each.

    turns: how many commands may be under way; the others wait for their turn, at most patience_s. timeout_s: of a
    command; one that ends far later than that says nothing of the store, since a flood of requests held our loop up.
    probe: asked every second after a failure, until it succeeds; without one the next command after a second finds out.
    """

    def __init__(
        self,
        *,
        turns: int,
        timeout_s: float,
        patience_s: float | None = None,
        probe: Callable[[], Awaitable[Any]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = asyncio.Semaphore(turns)
        self._timeout_s = timeout_s
        self._probe = probe
        self._probing: asyncio.Task[None] | None = None
        self._patience_s = patience_s
        self._clock = clock
        self._until_s = 0.0

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result. Raises StoreError when the store fails, rests after it failed, or has no turn free."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise StoreError from error
        try:
            if self.rests:
                raise StoreError
            return await self._attended(command)
        except FAILURES as error:
            self._begin()
            raise StoreError from error
        finally:
            self._turns.release()

    @property
    def rests(self) -> bool:
        """Whether the store failed lately and is not asked."""
        return self._clock() < self._until_s

    def close(self) -> None:
        """Nothing is asked any more."""
        if self._probing is not None:
            self._probing.cancel()

    async def _attended(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result within the timeout. Raises HeldUp where the loop came round too late to tell."""
        work, began_s = asyncio.ensure_future(command()), self._clock()
        try:
            if not await ended(work, self._timeout_s):
                raise TimeoutError
            return work.result()
        except FAILURES as error:
            if self._clock() - began_s > LATE * self._timeout_s:
                raise HeldUp from error
            raise
        finally:
            await drop(work)

    def _begin(self) -> None:
        if self._probe is None:
            self._until_s = self._clock() + REST_AFTER_FAILURE_S
        elif self._probing is None or self._probing.done():
            self._until_s = math.inf
            self._probing = asyncio.ensure_future(self._until_well(self._probe))

    async def _until_well(self, probe: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(REST_AFTER_FAILURE_S)
            with suppress(*FAILURES):
                with suppress(HeldUp):
                    await self._attended(probe)
                self._until_s = 0.0
                return


def connection_pool(url: str, *, connections: int, timeout_s: float) -> BlockingConnectionPool:
    """A pool for a Rest with that timeout, which never retries; redis-py's own defaults (5 s, 10 retries) stall."""
    return BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=BACKSTOP * timeout_s,
        socket_timeout=BACKSTOP * timeout_s,
        socket_connect_timeout=BACKSTOP * timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


class RedisStore:
    """Redis or Valkey."""

    def __init__(self, url: str, *, timeout_s: float = READ_TIMEOUT_S) -> None:
        """timeout_s: of reads, and at least of claims."""
        self._redis = _client(url, CONNECTIONS + CLAIM_CONNECTIONS, timeout_s)
        self._rest = Rest(turns=CONNECTIONS, patience_s=timeout_s, timeout_s=timeout_s, probe=self._redis.ping)
        claim_s = max(timeout_s, CLAIM_TIMEOUT_S)
        self._claims = Rest(turns=CLAIM_CONNECTIONS, patience_s=claim_s, timeout_s=claim_s, probe=self._redis.ping)
        self._writer = _client(url, WRITE_CONNECTIONS, WRITE_TIMEOUT_S)
        self._writes = Rest(turns=WRITE_CONNECTIONS, patience_s=WRITE_TIMEOUT_S, timeout_s=WRITE_TIMEOUT_S)

    async def get(self, key: str) -> bytes | None:
        with tracing.span("redis get", SpanKind.CLIENT):
            found: bytes | None = await self._rest.ask(lambda: self._redis.get(key))
        return found

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        with tracing.span("redis set", SpanKind.CLIENT):
            await self._writes.ask(lambda: self._writer.set(key, value, ex=ttl_s))

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        if self._rest.rests:  # a claim is patient, but not with a store that is known to fail
            raise StoreError
        with tracing.span("redis set", SpanKind.CLIENT):
            return bool(await self._claims.ask(lambda: self._redis.set(key, value, nx=True, px=round(ttl_s * 1000))))

    async def remove(self, key: str, value: bytes) -> None:
        await self._writes.ask(lambda: self._writer.eval(_REMOVE_IF_EQUAL, 1, key, value))

    async def ping(self) -> None:
        await self._rest.ask(self._redis.ping)

    async def close(self) -> None:
        self._rest.close()
        self._claims.close()
        await self._redis.aclose()
        await self._writer.aclose()


def _client(url: str, connections: int, timeout_s: float) -> Any:
    """Redis' own client, whose annotations leave open whether it is asynchronous."""
    return Redis.from_pool(connection_pool(url, connections=connections, timeout_s=timeout_s))


class NoStore:
    """No Redis configured: nothing is ever found."""

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
