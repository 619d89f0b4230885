"""Gives repeated requests with one Idempotency-Key the same answer, which is kept in the state store."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pipeline.codec import canonical
from pipeline.errors import FieldError, IdempotencyKeyReused, InvalidFields, NotReady
from serve.stores.redis import Store, StoreError
from serve.stores.sealing import Seal

# Taste: longer than any UUID or hash that clients use.
MAX_KEY_CHARS = 255


class Kept(msgspec.Struct, frozen=True):
    """A hash of the request, and its answer."""

    asked: bytes
    answer: dict[str, Any]


class Idempotency:
    """Remembers answers by tenant and key, for ttl_s."""

    def __init__(self, store: Store, *, secret: bytes, ttl_s: float) -> None:
        self._store = store
        self._seal = Seal(secret, "idempotency")
        self._ttl_s = ttl_s

    async def once(
        self, tenant: str, key: str, asked: object, work: Callable[[], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """The answer to the first request with this key; if this is the first, the result of `work`.

        asked: the request, as a JSON value. Raises InvalidFields for a bad key, IdempotencyKeyReused when the key came
        with another request, NotReady while the store cannot be asked.
        """
        if not (1 <= len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
            message = f"It must be 1 to {MAX_KEY_CHARS} printable ASCII characters."
            raise InvalidFields((FieldError("/Idempotency-Key", message),))
        name = f"idempotency:{hashlib.sha256(canonical((tenant, key))).hexdigest()}"
        wanted = hashlib.sha256(canonical(asked)).digest()
        try:
            kept = await self._kept(name) or await self._keep(name, Kept(wanted, await work()))
        except StoreError as error:
            raise NotReady("Idempotency-Key cannot be honoured just now; try again shortly.") from error
        if kept.asked != wanted:
            raise IdempotencyKeyReused("This Idempotency-Key came with another request before; use a new one.")
        return kept.answer

    async def close(self) -> None:
        """Closes the store."""
        await self._store.close()

    async def _kept(self, name: str) -> Kept | None:
        sealed = await self._store.get(name)
        value = None if sealed is None else self._seal.open(name, sealed)
        return None if value is None else msgspec.msgpack.decode(value, type=Kept)

    async def _keep(self, name: str, kept: Kept) -> Kept:
        """Stores an answer. When several requests come together, all get the first one's."""
        sealed = self._seal.close(name, msgspec.msgpack.encode(kept))
        if await self._store.add(name, sealed, self._ttl_s):
            return kept
        return await self._kept(name) or kept
