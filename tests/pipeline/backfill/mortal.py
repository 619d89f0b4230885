"""Provides stores that kill the run before its n-th change, for tests of interrupted runs."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from pipeline.backfill.stores.store import Store, StoredObject
from pipeline.backfill.stores.uris import Stores
from tests.pipeline.backfill.catalogue import Killed


class MortalStores(Stores):
    """Stores that raise Killed after a number of changes. on_change: called with the key before each change."""

    def __init__(self, *, changes: int | None = None, on_change: Callable[[str], None] = lambda key: None) -> None:
        super().__init__()
        self._left = changes
        self._on_change = on_change

    def folder(self, uri: str) -> Store:
        return _MortalStore(super().folder(uri), self._change)

    def _change(self, key: str) -> None:
        if self._left == 0:
            raise Killed
        if self._left is not None:
            self._left -= 1
        self._on_change(key)


class _MortalStore:
    def __init__(self, store: Store, change: Callable[[str], None]) -> None:
        self._store = store
        self._change = change

    @property
    def url(self) -> str:
        return self._store.url

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        return self._store.read(key, max_bytes=max_bytes)

    def open(self, key: str) -> BinaryIO:
        return self._store.open(key)

    def walk(self, folder: str = "") -> Iterator[StoredObject]:
        return self._store.walk(folder)

    def write(self, key: str, data: bytes) -> None:
        self._change(key)
        self._store.write(key, data)

    def move(self, source: str, target: str) -> None:
        self._change(target)
        self._store.move(source, target)

    def remove(self, folder: str) -> None:
        self._change(folder)
        self._store.remove(folder)
