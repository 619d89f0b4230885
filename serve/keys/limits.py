"""What a key may use: requests per minute and requests at a time, exact over all replicas; limits and redis only.

While the state store cannot be asked, each replica holds a share of every limit by itself: never open, never shut.
"""

import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import BlockingConnectionPool

from pipeline.errors import RateLimited
from serve.keys.quota import WINDOW_S, Allowance, Quota, TooManyRequests
from serve.stores import timeouts
from serve.stores.redis import Cooldown, StoreError, client_of

SEAT_S = 30.0  # a seat whose replica died is free again after this long; longer than any request may take
_TAKE_SEAT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class Limiter:
    """Counts what keys use."""

    def __init__(
        self,
        pool: BlockingConnectionPool | None,
        *,
        replicas: int = 2,
        timeout_s: float = timeouts.LIMITS_TIMEOUT_S,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """replicas: how many ingress replicas share a limit while the state store is away.

        tell: of a request beyond a limit, `minute` or `concurrent`, and of `local` counting for want of the store.
        """
        self._tell = tell
        self._pool = pool
        self._redis: Any = None
        self._shared: MovingWindowRateLimiter | None = None
        if pool is not None:
            self._redis = client_of(pool)
            options: dict[str, Any] = {"connection_pool": pool}
            # The URL names no server: the pool does.
            self._shared = MovingWindowRateLimiter(RedisStorage("async+redis://", implementation="redispy", **options))
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._local_seats: Counter[str] = Counter()
        self._replicas = replicas
        probe = self._redis.ping if self._redis is not None else None
        self._cooldown = Cooldown(permits=timeouts.LIMITS_CONNECTIONS, timeout_s=timeout_s, probe=probe)

    async def count(self, key_id: str, allowance: Allowance) -> Quota | None:
        """Counts one request: what is left, or None for a key without such a limit. Raises TooManyRequests."""
        if allowance.per_minute is None:
            return None
        try:
            return await self._count(key_id, allowance.per_minute)
        except TooManyRequests:
            self._tell("minute")
            raise

    async def _count(self, key_id: str, per_minute: int) -> Quota:
        if self._shared is not None:
            shared, item = self._shared, RateLimitItemPerMinute(per_minute)
            try:
                return await self._cooldown.ask(lambda: _counted(shared, item, key_id))
            except StoreError:
                self._tell("local")
        return await _counted(self._local, RateLimitItemPerMinute(self._share(per_minute)), key_id)

    @asynccontextmanager
    async def seat(self, key_id: str, allowance: Allowance) -> AsyncIterator[None]:
        """One of the key's places for requests at a time. Raises RateLimited when all are taken."""
        if allowance.concurrent is None:
            yield
            return
        seat = uuid.uuid4().hex
        try:
            taken = await self._take_seat(key_id, allowance.concurrent, seat)
        except RateLimited:
            self._tell("concurrent")
            raise
        try:
            yield
        finally:
            await self._leave_seat(key_id, seat, shared=taken)

    async def close(self) -> None:
        """Gives the connections back."""
        self._cooldown.close()
        if self._pool is not None:
            await self._pool.disconnect()

    async def _take_seat(self, key_id: str, limit: int, seat: str) -> bool:
        """Whether the seat is one in the state store. Raises RateLimited."""
        redis = self._redis
        if redis is not None:
            now_s = time.time()
            arguments = (now_s, limit, now_s + SEAT_S, seat, round(SEAT_S))
            try:
                free = await self._cooldown.ask(lambda: redis.eval(_TAKE_SEAT, 1, _seats(key_id), *arguments))
            except StoreError:
                self._tell("local")
            else:
                return _seated(bool(free), limit)
        share = self._share(limit)
        _seated(self._local_seats[key_id] < share, share)
        self._local_seats[key_id] += 1
        return False

    async def _leave_seat(self, key_id: str, seat: str, *, shared: bool) -> None:
        redis = self._redis
        if not shared or redis is None:
            self._local_seats[key_id] -= 1
            return
        try:
            await self._cooldown.ask(lambda: redis.zrem(_seats(key_id), seat))
        except StoreError:
            return  # it frees itself after SEAT_S

    def _share(self, limit: int) -> int:
        return max(1, limit // self._replicas)


async def _counted(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, key_id: str) -> Quota:
    admitted = await limiter.hit(item, key_id)
    reset_time_s, remaining = await limiter.get_window_stats(item, key_id)
    quota = Quota(item.amount, max(0, remaining), max(1, min(WINDOW_S, round(reset_time_s - time.time()))))
    if not admitted:
        raise TooManyRequests(quota)
    return quota


def _seated(free: bool, limit: int) -> bool:
    if not free:
        raise RateLimited(f"The key has {limit} requests under way, the most at a time; wait for one to end.")
    return True


def _seats(key_id: str) -> str:
    return f"seats:{key_id}"
