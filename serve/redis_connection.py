"""A connection pool to Redis or Valkey with timeouts that a request can afford; redis-py only."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

T = TypeVar("T")
REST_AFTER_FAILURE_S = 1.0


class StoreError(Exception):
    """The store cannot be asked now."""


def connection_pool(
    url: str, *, max_connections: int = 32, socket_timeout_s: float = 0.05, pool_timeout_s: float = 0.02
) -> BlockingConnectionPool:
    """A pool that gives up soon and never retries; redis-py's own defaults (5 s, 10 retries) stall requests."""
    return BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=pool_timeout_s,
        socket_timeout=socket_timeout_s,
        socket_connect_timeout=socket_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


class Rest:
    """Leaves a store alone for a second after it failed, so that a request or two pay for its trouble, not each.

    turns: how many commands may be under way; the others wait for their turn, and skip it when the store fails.
    """

    def __init__(self, *, turns: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = asyncio.Semaphore(turns)
        self._clock = clock
        self._until_s = 0.0

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result. Raises StoreError when the store fails, or rests after it failed."""
        async with self._turns:
            if self._clock() < self._until_s:
                raise StoreError
            try:
                return await command()
            except (RedisError, OSError, TimeoutError) as error:
                self._until_s = self._clock() + REST_AFTER_FAILURE_S
                raise StoreError from error
