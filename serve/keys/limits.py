"""Limits each key's requests per minute and its concurrent requests, exactly over all replicas.

While the state store cannot be asked, each replica enforces limit / replicas locally: it fails neither open nor closed.
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

from pipeline.errors import RateLimited
from serve.keys.quota import WINDOW_S, Allowance, Quota, TooManyRequests
from serve.stores import timeouts
from serve.stores.redis import Cooldown, Pool, StoreError, client_of

# Taste: longer than any request may take. The slot of a replica that died is free again after this time.
SLOT_S = 30.0
# The slots of a key are a sorted set: each member is a slot, and its score is when the slot expires (Unix time).
_TAKE_SLOT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class Limiter:
    """Counts the requests of each key."""

    def __init__(
        self,
        pool: Pool | None,
        *,
        replicas: int = 2,
        timeout_s: float = timeouts.LIMITS_TIMEOUT_S,
        count_event: Callable[[str], None] = lambda _: None,
    ) -> None:
        """pool: the state store's; None: every replica counts locally.

        replicas: how many ingress replicas share a limit while the state store is away. count_event: called with
        `minute` or `concurrent` for a request beyond that limit, and with `local` when the store cannot be asked.
        """
        self._count_event = count_event
        self._pool = pool
        self._redis: Any = None
        self._shared: MovingWindowRateLimiter | None = None
        if pool is not None:
            self._redis = client_of(pool)
            options: dict[str, Any] = {"connection_pool": pool}
            # The URL names no server: the pool does.
            self._shared = MovingWindowRateLimiter(RedisStorage("async+redis://", implementation="redispy", **options))
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._local_slots: Counter[str] = Counter()
        self._replicas = replicas
        probe = self._redis.ping if self._redis is not None else None
        self._cooldown = Cooldown(permits=timeouts.LIMITS_CONNECTIONS, timeout_s=timeout_s, probe=probe)

    async def count(self, key_id: str, allowance: Allowance) -> Quota | None:
        """Counts one request; returns what is left, or None for a key without this limit. Raises TooManyRequests."""
        if allowance.per_minute is None:
            return None
        try:
            return await self._count(key_id, allowance.per_minute)
        except TooManyRequests:
            self._count_event("minute")
            raise

    async def _count(self, key_id: str, per_minute: int) -> Quota:
        if self._shared is not None:
            shared, item = self._shared, RateLimitItemPerMinute(per_minute)
            try:
                return await self._cooldown.ask(lambda: _counted(shared, item, key_id))
            except StoreError:
                self._count_event("local")
        return await _counted(self._local, RateLimitItemPerMinute(self._share(per_minute)), key_id)

    @asynccontextmanager
    async def slot(self, key_id: str, allowance: Allowance) -> AsyncIterator[None]:
        """Holds one of the key's slots for concurrent requests. Raises RateLimited when all are taken."""
        if allowance.concurrent is None:
            yield
            return
        slot = uuid.uuid4().hex
        try:
            shared = await self._take_slot(key_id, allowance.concurrent, slot)
        except RateLimited:
            self._count_event("concurrent")
            raise
        try:
            yield
        finally:
            await self._release_slot(key_id, slot, shared=shared)

    async def close(self) -> None:
        """Closes the connections."""
        self._cooldown.close()
        if self._pool is not None:
            await self._pool.disconnect()

    async def _take_slot(self, key_id: str, limit: int, slot: str) -> bool:
        """Takes a slot; returns whether it is one in the state store. Raises RateLimited."""
        redis = self._redis
        if redis is not None:
            now_s = time.time()
            arguments = (now_s, limit, now_s + SLOT_S, slot, round(SLOT_S))
            try:
                free = await self._cooldown.ask(lambda: redis.eval(_TAKE_SLOT, 1, _slots_key(key_id), *arguments))
            except StoreError:
                self._count_event("local")
            else:
                _require(bool(free), limit)
                return True
        share = self._share(limit)
        _require(self._local_slots[key_id] < share, share)
        self._local_slots[key_id] += 1
        return False

    async def _release_slot(self, key_id: str, slot: str, *, shared: bool) -> None:
        redis = self._redis
        if not shared or redis is None:
            self._local_slots[key_id] -= 1
            return
        try:
            await self._cooldown.ask(lambda: redis.zrem(_slots_key(key_id), slot))
        except StoreError:
            # The slot is free again after SLOT_S.
            return

    def _share(self, limit: int) -> int:
        return max(1, limit // self._replicas)


async def _counted(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, key_id: str) -> Quota:
    admitted = await limiter.hit(item, key_id)
    reset_time_s, remaining = await limiter.get_window_stats(item, key_id)
    quota = Quota(item.amount, max(0, remaining), max(1, min(WINDOW_S, round(reset_time_s - time.time()))))
    if not admitted:
        raise TooManyRequests(quota)
    return quota


def _require(free: bool, limit: int) -> None:
    if not free:
        raise RateLimited(f"The key has {limit} concurrent requests, its limit; wait for one to end.")


def _slots_key(key_id: str) -> str:
    # The prefix is older than the word slot. It stays, because replicas of both versions share it during a roll-out.
    return f"seats:{key_id}"
