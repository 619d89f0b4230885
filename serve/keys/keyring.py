"""Authenticates API keys from a file and from the state store, which all replicas share.

A replica keeps a snapshot of the store's keys and refreshes it at most every FRESH_S. An unknown key therefore costs no
trip to the store, and every replica refuses a revoked key within FRESH_S. While the store cannot be asked, the keys of
the snapshot stay valid for KEEP_S; for any other key the service answers NotReady rather than guess.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec

from pipeline.errors import NotReady, Unauthenticated
from serve.keys.peppers import Peppers
from serve.keys.quota import Principal
from serve.keys.records import NO_KEY, KeyFile, KeyRecord, admit, key_id_of
from serve.stores import timeouts
from serve.stores.redis import Cooldown, Pool, StoreError, client_of
from serve.stores.sealing import Seal

# Contract: a revoked key is refused by every replica within 2 s.
FRESH_S = 2.0
# Taste: how long the snapshot's keys stay valid while the store is away.
KEEP_S = 600.0
# The braces put both into one hash slot of a Redis cluster, so that one transaction may change both.
RECORDS, VERSION = "{keys}:records", "{keys}:version"
CANNOT_TELL = "The API keys cannot be read just now; try again shortly."


class KeyStore:
    """The keys in the state store: sealed records by id, and a version that every change replaces."""

    def __init__(
        self,
        pool: Pool,
        pepper: bytes,
        *,
        previous: bytes | None = None,
        timeout_s: float = timeouts.KEYS_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """pepper: seals what is added. previous: the pepper before it, whose records count too."""
        self._pool = pool
        self._redis = client_of(pool)
        self._cooldown = Cooldown(
            permits=timeouts.KEYS_CONNECTIONS, timeout_s=timeout_s, probe=self._redis.ping, clock=clock
        )
        self._seal = Seal(pepper, "key-record")
        self._previous_seal = Seal(previous, "key-record") if previous is not None else None
        # The ids of the records that only the previous pepper opens.
        self.outdated: frozenset[str] = frozenset()
        self._clock = clock
        self._reading = asyncio.Lock()
        self._records: dict[str, KeyRecord] = {}
        self._version: bytes | None = None
        # When the snapshot was last known to equal the store.
        self._asked_s = -KEEP_S

    async def find(self, key_id: str) -> KeyRecord | None:
        """The record of an id, at most FRESH_S old while the store answers.

        Raises NotReady when neither the store nor the snapshot can tell.
        """
        await self._refresh()
        age_s = self._clock() - self._asked_s
        record = self._records.get(key_id)
        if age_s < FRESH_S or (record is not None and age_s < KEEP_S):
            return record
        raise NotReady(CANNOT_TELL)

    async def records(self) -> list[KeyRecord]:
        """All records in the store. Raises StoreError."""
        await self._cooldown.ask(self._read)
        return list(self._records.values())

    async def add(self, record: KeyRecord) -> None:
        """Stores a record. Raises StoreError."""
        sealed = self._seal.close(record.id, msgspec.json.encode(record))
        await self._cooldown.ask(lambda: self._change(lambda pipe: pipe.hset(RECORDS, record.id, sealed)))

    async def remove(self, key_id: str) -> bool:
        """Removes a key; returns whether there was one. Raises StoreError."""
        removed = await self._cooldown.ask(lambda: self._change(lambda pipe: pipe.hdel(RECORDS, key_id)))
        return bool(removed)

    async def close(self) -> None:
        """Closes the connections."""
        self._cooldown.close()
        await self._pool.disconnect()

    async def _refresh(self) -> None:
        """Refreshes the snapshot. One request at a time asks the store; the others wait for its answer."""
        if self._clock() - self._asked_s < FRESH_S:
            return
        async with self._reading:
            if self._clock() - self._asked_s < FRESH_S:
                return
            try:
                await self._cooldown.ask(self._read)
            except StoreError:
                return

    async def _read(self) -> None:
        asked_s = self._clock()
        if self._version is None or await self._redis.get(VERSION) != self._version:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(VERSION)
                pipe.hgetall(RECORDS)
                self._version, sealed_records = await pipe.execute()
            opened = (
                self._opened(key_id.decode(errors="replace"), sealed) for key_id, sealed in sealed_records.items()
            )
            found = [one for one in opened if one is not None]
            self._records = {record.id: record for record, _ in found}
            self.outdated = frozenset(record.id for record, outdated in found if outdated)
        self._asked_s = asked_s

    def _opened(self, key_id: str, sealed: bytes) -> tuple[KeyRecord, bool] | None:
        """The record, and whether the previous pepper sealed it. None when neither did: others may grant no rights."""
        value, outdated = self._seal.open(key_id, sealed), False
        if value is None and self._previous_seal is not None:
            value, outdated = self._previous_seal.open(key_id, sealed), True
        try:
            return None if value is None else (msgspec.json.decode(value, type=KeyRecord), outdated)
        # Another version of this code may have written the record.
        except msgspec.MsgspecError:
            return None

    async def _change(self, command: Callable[[Any], Any]) -> Any:
        async with self._redis.pipeline(transaction=True) as pipe:
            command(pipe)
            pipe.set(VERSION, secrets.token_bytes(16))
            outcome, _ = await pipe.execute()
        return outcome


class KeyRing:
    """The keys of a file and those of the state store; either may be missing. The file's keys need no store."""

    def __init__(
        self,
        pepper: bytes,
        *,
        previous: bytes | None = None,
        file: KeyFile | None = None,
        store: KeyStore | None = None,
    ) -> None:
        """previous: the pepper before this one, whose keys stay valid."""
        self._peppers = Peppers(pepper, previous).all()
        self._file = file
        self._store = store

    async def authenticate(self, key: str | None) -> Principal:
        """The owner of a key.

        Raises Unauthenticated for a missing, unknown, wrong or expired key, NotReady while the keys cannot be read.
        """
        if not key:
            raise Unauthenticated(NO_KEY)
        key_id = key_id_of(key)
        record = self._file.find(key_id) if self._file else None
        if record is None and self._store is not None:
            record = await self._store.find(key_id)
        return admit(key, record, *self._peppers)

    async def close(self) -> None:
        """Closes the store."""
        if self._store is not None:
            await self._store.close()
