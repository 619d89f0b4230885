"""The caches: bytes in this process (L0) and in Redis (L1, L2); whatever ails Redis costs a miss, never an error."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from cachetools import LRUCache
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CacheStatus = Literal["hit", "miss", "bypass", "refresh", "coalesced", "unavailable", "skipped"]
Layer = Literal["advice", "segmentation", "extraction", "harmony"]

HOUR_S = 3600
TTL_S: dict[Layer, int] = {
    "advice": 7 * 24 * HOUR_S,
    "segmentation": 24 * HOUR_S,
    "extraction": 24 * HOUR_S,
    "harmony": HOUR_S,
}
TTL_JITTER = 0.1  # keys written together must not expire together
TAG_BYTES = 16
SOCKET_TIMEOUT_S = 0.05
POOL_TIMEOUT_S = 0.02
REST_AFTER_FAILURE_S = 1.0  # Redis is left alone this long after it failed, so that one request pays, not each


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup gave; value only on a hit."""

    status: CacheStatus
    value: bytes | None = None


class Store(Protocol):
    """A store of bytes that may lose anything at any time."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None. Raises StoreError when the store cannot be asked."""

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        """Keeps the value for about ttl_s. Raises StoreError when the store cannot be asked."""

    async def ping(self) -> None:
        """Raises StoreError when the store cannot be asked."""

    async def close(self) -> None:
        """Gives the connections back."""


class StoreError(Exception):
    """The store cannot be asked now."""


class RedisStore:
    """Redis or Valkey with timeouts that a request can afford; redis-py's own (5 s, 10 retries) stall requests."""

    def __init__(self, url: str, *, max_connections: int = 32) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=POOL_TIMEOUT_S,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis.from_pool(pool)
        self._rest_until_s = 0.0

    async def get(self, key: str) -> bytes | None:
        return await self._ask(lambda: self._redis.get(key))

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        await self._ask(lambda: self._redis.set(key, value, ex=ttl_s))

    async def ping(self) -> None:
        await self._ask(self._redis.ping)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, command: Callable[[], object]) -> bytes | None:
        if time.monotonic() < self._rest_until_s:
            raise StoreError
        try:
            return await command()  # type: ignore[misc,no-any-return]
        except (RedisError, OSError, TimeoutError) as error:
            self._rest_until_s = time.monotonic() + REST_AFTER_FAILURE_S
            raise StoreError from error


class NoStore:
    """No Redis configured: nothing is ever found."""

    async def get(self, key: str) -> bytes | None:
        raise StoreError

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        raise StoreError

    async def ping(self) -> None:
        raise StoreError

    async def close(self) -> None:
        return None


class Cache:
    """Values under content keys, tagged so that a store that others can write to cannot feed us anything."""

    def __init__(self, store: Store, *, secret: bytes, memory_bytes: int) -> None:
        self._store = store
        self._secret = secret
        self._memory: LRUCache[str, bytes] = LRUCache(max(1, memory_bytes), getsizeof=len)

    async def get(self, key: str) -> Found:
        """A value that this cache wrote under this very key, or why there is none."""
        remembered = self._memory.get(key)
        if remembered is not None:
            return Found("hit", remembered)
        try:
            sealed = await self._store.get(key)
        except StoreError:
            return Found("unavailable")
        value = None if sealed is None else self._unseal(key, sealed)
        if value is None:
            return Found("miss")
        self._remember(key, value)
        return Found("hit", value)

    async def set(self, key: str, value: bytes) -> None:
        """Keeps a value in this process and in the store; failing to is no error."""
        self._remember(key, value)
        try:
            await self._store.set(key, self._tag(key, value) + value, _ttl_s(key))
        except StoreError:
            return

    async def reachable(self) -> bool:
        """Whether the store answers."""
        try:
            await self._store.ping()
        except StoreError:
            return False
        return True

    async def close(self) -> None:
        """Closes the store."""
        await self._store.close()

    def _remember(self, key: str, value: bytes) -> None:
        if key.startswith("advice:") and len(value) < self._memory.maxsize:
            self._memory[key] = value

    def _unseal(self, key: str, sealed: bytes) -> bytes | None:
        tag, value = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
        return value if hmac.compare_digest(tag, self._tag(key, value)) else None

    def _tag(self, key: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + b"\0" + value, "sha256")[:TAG_BYTES]


def cache_key(layer: Layer, *parts: str | bytes) -> str:
    """A key of everything that shapes the value: `layer:<sha256 of the length-prefixed parts>`."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return f"{layer}:{digest.hexdigest()}"


def _ttl_s(key: str) -> int:
    layer, _, digest = key.partition(":")
    jitter = int(digest[:4], 16) / 0xFFFF * 2 - 1
    return round(TTL_S[layer] * (1 + TTL_JITTER * jitter))  # type: ignore[index]
