"""The caches: bytes in this process (L0) and in Redis (L1 answers, L2 phase results)."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from serve.stores.redis import Store, StoreError
from serve.stores.sealing import Seal
from serve.vocabulary import CacheStatus, Layer

# Called with level (L0, L1 or L2), layer and result.
CountLookup = Callable[[str, str, str], None]
# Called with layer and result.
CountWrite = Callable[[str, str], None]

HOUR_S = 3600
# Contract: how long a cached value lives.
TTL_S: dict[Layer, int] = {
    "advice": 7 * 24 * HOUR_S,
    "segmentation": 24 * HOUR_S,
    "extraction": 24 * HOUR_S,
    "harmony": HOUR_S,
}
# Taste: no command can erase values in this process, so they live for 5 minutes at most (docs/privacy.md).
MEMORY_TTL_S = 300
# Taste: keys that were written together must not expire together.
TTL_JITTER = 0.1
# Taste: 128 bits cannot be guessed, and take less room in the cache than the whole HMAC. Another length turns every
# value that is in the store already into a miss.
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a lookup; it has a value only on a hit."""

    status: CacheStatus
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one replica to compute the value of a key. held: whether this replica got it."""

    key: str
    token: bytes
    held: bool


class Cache:
    """Values under content keys. A failing store costs a miss, never an error.

    Values are sealed, so that whoever else can write to the store cannot make us serve anything.
    count_lookup, count_write: called with the result of each lookup and each write.
    """

    def __init__(
        self,
        store: Store,
        *,
        secret: bytes,
        memory_bytes: int,
        count_lookup: CountLookup = lambda _level, _layer, _result: None,
        count_write: CountWrite = lambda _layer, _result: None,
    ) -> None:
        self._store = store
        self._count_lookup = count_lookup
        self._count_write = count_write
        # Keys begin with their layer, so they need no purpose.
        self._seal = Seal(secret, None, tag_bytes=TAG_BYTES)
        self._memory: TTLCache[str, bytes] = TTLCache(max(1, memory_bytes), MEMORY_TTL_S, getsizeof=len)

    def remembered(self, key: str) -> bytes | None:
        """The value from this process, or None."""
        value = self._memory.get(key)
        if value is not None:
            self._count_lookup("L0", key.partition(":")[0], "hit")
        return value

    async def get(self, key: str) -> Found:
        """A value that this cache wrote to the store under this very key, or why there is none."""
        layer = key.partition(":")[0]
        level = "L1" if layer == "advice" else "L2"
        try:
            sealed = await self._store.get(key)
        except StoreError:
            self._count_lookup(level, layer, "unavailable")
            return Found("unavailable")
        value = None if sealed is None else self._seal.open(key, sealed)
        if value is None:
            self._count_lookup(level, layer, "miss" if sealed is None else "damaged")
            return Found("miss")
        self._count_lookup(level, layer, "hit")
        self._remember(key, value)
        return Found("hit", value)

    async def set(self, key: str, value: bytes) -> None:
        """Keeps a value in this process and in the store. A failing store is not an error."""
        self._remember(key, value)
        try:
            await self._store.set(key, self._seal.close(key, value), _ttl_s(key))
        except StoreError:
            self._count_write(key.partition(":")[0], "failed")
        else:
            self._count_write(key.partition(":")[0], "ok")

    async def lease(self, key: str, ttl_s: float) -> Lease | None:
        """Takes a lease of the key for ttl_s, which the first to ask holds. None while the store cannot be asked."""
        token = secrets.token_bytes(16)
        try:
            return Lease(key, token, await self._store.add(f"lease:{key}", token, ttl_s))
        except StoreError:
            return None

    async def give_back(self, lease: Lease) -> None:
        """Ends a held lease before its time."""
        try:
            await self._store.remove(f"lease:{lease.key}", lease.token)
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


def cache_key(layer: Layer, *parts: str | bytes, owner: str = "") -> str:
    """The key of a value: `layer:<owner><sha256 of the length-prefixed parts>`.

    parts: everything that shapes the value. owner: the prefix that an erasure searches for; it ends with a colon.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return f"{layer}:{owner}{digest.hexdigest()}"


def _ttl_s(key: str) -> int:
    layer = key.partition(":")[0]
    jitter = int(key[-4:], 16) / 0xFFFF * 2 - 1
    return round(TTL_S[layer] * (1 + TTL_JITTER * jitter))  # type: ignore[index]
