"""Stores whose user is killed before its n-th change of them, for tests of what is left then."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from pipeline.backfill.stores.store import Found, Store
from pipeline.backfill.stores.uris import Stores
from tests.pipeline.backfill.catalogue import Killed


class MortalStores(Stores):
    """changes: how many are made before the kill. on_change: called with the key of each before it is made."""

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

    def walk(self, folder: str = "") -> Iterator[Found]:
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
