"""The protocol of a store, and local folders as stores."""

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from pipeline.backfill.errors import ObjectFailed, StorageFailed
from pipeline.errors import Forbidden, NotFound, TooLarge

# Standard: POSIX error numbers.
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing: its key below the store's root, and its size."""

    key: str
    bytes: int


class Readable(Protocol):
    """Objects that can be read. Every method raises StorageFailed when the store itself fails."""

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """A whole object. Raises NotFound, Forbidden, TooLarge or ObjectFailed."""

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of an object. Raises NotFound."""


class Store(Readable, Protocol):
    """A tree of objects with keys such as `a/b.jpg`. Every method raises StorageFailed when the store itself fails."""

    def __hash__(self) -> int:
        """Stores are cache keys, compared by identity."""

    @property
    def url(self) -> str:
        """The path or URL of the root, without a slash at the end."""

    def write(self, key: str, data: bytes) -> None:
        """Creates or replaces an object atomically."""

    def walk(self, folder: str = "") -> Iterator[StoredObject]:
        """Every object below a folder, as a stream. A missing folder has none."""

    def move(self, source: str, target: str) -> None:
        """Moves a folder. An interrupted move can be repeated."""

    def remove(self, folder: str) -> None:
        """Removes a folder and everything below it. A missing folder is no error."""


class LocalStore:
    """A folder on this machine, or on a file system that all nodes share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._root)

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """A whole file. Raises NotFound, Forbidden, TooLarge or ObjectFailed."""
        path = self._root / key
        try:
            # Opening a pipe or a device could block for ever.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ObjectFailed("The path is not a regular file.")
            if max_bytes is not None and path.stat().st_size > max_bytes:
                raise TooLarge(f"The file has {path.stat().st_size} bytes; at most {max_bytes} are allowed.")
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("There is no such file.") from error
        except PermissionError as error:
            raise Forbidden("There is no permission to read the file.") from error
        # A null byte in the path is a ValueError.
        except (OSError, ValueError) as error:
            raise ObjectFailed("The file cannot be read.") from error

    def open(self, key: str) -> BinaryIO:
        """A reader of a file. Raises NotFound."""
        try:
            return (self._root / key).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"There is no {self._root / key}.") from error
        except OSError as error:
            raise storage_failed(error, "read", self._root / key) from error

    def write(self, key: str, data: bytes) -> None:
        """Writes a temporary file, syncs it to the disk and renames it, so that no reader sees half a file."""
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
        except OSError as error:
            raise storage_failed(error, "write", path) from error

    def walk(self, folder: str = "") -> Iterator[StoredObject]:
        """Every file below a folder, in the file system's order. Links to folders are not followed."""
        waiting = [self._root / folder]
        while waiting:
            current = waiting.pop()
            try:
                with os.scandir(current) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(Path(entry.path))
                        elif entry.is_file():
                            key = Path(entry.path).relative_to(self._root).as_posix()
                            yield StoredObject(key, entry.stat().st_size)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise storage_failed(error, "list", current) from error

    def move(self, source: str, target: str) -> None:
        """Renames the folder. Does nothing when it was moved before."""
        try:
            if (self._root / source).exists():
                (self._root / source).rename(self._root / target)
        except OSError as error:
            raise storage_failed(error, "move", self._root / source) from error

    def remove(self, folder: str) -> None:
        """Removes a folder. A missing folder is no error."""
        try:
            shutil.rmtree(self._root / folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_failed(error, "remove", self._root / folder) from error


def _write_whole(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def storage_failed(error: OSError, verb: str, path: Path) -> StorageFailed:
    """The StorageFailed for a file system's error, with a text that says what to do."""
    if error.errno in _FULL:
        return StorageFailed(
            f"The disk is full: {path} cannot be written. Free some space and give the same command again."
        )
    if error.errno in _DENIED:
        return StorageFailed(f"There is no permission to {verb} {path}. Grant it and give the same command again.")
    return StorageFailed(f"Cannot {verb} {path}: {error.strerror}.")
