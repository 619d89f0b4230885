"""The caches: bytes in this process (L0) and in Redis (L1, L2); whatever ails Redis costs a miss, never an error."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from serve.stores.redis import Store, StoreError
from serve.vocabulary import CacheStatus, Layer

CountLookup = Callable[[str, str, str], None]  # level (L0 this process, L1 answers, L2 phases), layer, result
CountWrite = Callable[[str, str], None]  # layer, result

HOUR_S = 3600
TTL_S: dict[Layer, int] = {
    "advice": 7 * 24 * HOUR_S,
    "segmentation": 24 * HOUR_S,
    "extraction": 24 * HOUR_S,
    "harmony": HOUR_S,
}
MEMORY_TTL_S = 300  # of values in this process, which no command can erase
TTL_JITTER = 0.1  # keys written together must not expire together
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup gave; value only on a hit."""

    status: CacheStatus
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work out the value of a key, of all replicas alone; held: whether it was had."""

    key: str
    token: bytes
    held: bool


class Cache:
    """Values under content keys, tagged so that a store that others can write to cannot feed us anything.

    count_lookup, count_write: are told what became of each.
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
        self._secret = secret
        self._memory: TTLCache[str, bytes] = TTLCache(max(1, memory_bytes), MEMORY_TTL_S, getsizeof=len)

    def remembered(self, key: str) -> bytes | None:
        """The value where this process still has it."""
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
        value = None if sealed is None else self._unseal(key, sealed)
        if value is None:
            self._count_lookup(level, layer, "miss" if sealed is None else "damaged")
            return Found("miss")
        self._count_lookup(level, layer, "hit")
        self._remember(key, value)
        return Found("hit", value)

    async def set(self, key: str, value: bytes) -> None:
        """Keeps a value in this process and in the store; failing to is no error."""
        self._remember(key, value)
        try:
            await self._store.set(key, self._tag(key, value) + value, _ttl_s(key))
        except StoreError:
            self._count_write(key.partition(":")[0], "failed")
        else:
            self._count_write(key.partition(":")[0], "ok")

    async def lease(self, key: str, ttl_s: float) -> Lease | None:
        """A lease of the key for ttl_s, held by whoever comes first; None while the store cannot be asked."""
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

    def _unseal(self, key: str, sealed: bytes) -> bytes | None:
        tag, value = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
        return value if hmac.compare_digest(tag, self._tag(key, value)) else None

    def _tag(self, key: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + b"\0" + value, "sha256")[:TAG_BYTES]


def cache_key(layer: Layer, *parts: str | bytes, owner: str = "") -> str:
    """A key of everything that shapes the value: `layer:<owner><sha256 of the length-prefixed parts>`.

    owner: what the value can be found by when it has to be erased, with a colon behind it.
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
