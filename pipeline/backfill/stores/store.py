"""Where a backfill reads and writes: what a store can do, and local folders; the standard library only."""

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

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Found:
    """One object of a listing: its key below the store's root, and its size."""

    key: str
    bytes: int


class Store(Protocol):
    """A tree of objects by key ("a/b.jpg"). Every method raises StorageFailed when the store itself fails."""

    def __hash__(self) -> int:
        """Stores are told apart as objects."""

    @property
    def url(self) -> str:
        """The root, as a person writes it, without a slash at the end."""

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """A whole object. Raises NotFound, Forbidden, TooLarge or ObjectFailed."""

    def open(self, key: str) -> BinaryIO:
        """A seekable reader of an object. Raises NotFound."""

    def write(self, key: str, data: bytes) -> None:
        """Makes or replaces an object, whole or not at all."""

    def walk(self, folder: str = "") -> Iterator[Found]:
        """Every object below a folder, streamed; nothing for a folder that is not there."""

    def move(self, source: str, target: str) -> None:
        """Moves a folder; a move that was broken off goes on when it is asked for again."""

    def remove(self, folder: str) -> None:
        """Removes a folder and everything below it."""


class LocalStore:
    """A folder of this machine, or of a file system that all nodes share."""

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
            # A pipe or a device must not be opened at all: it could block for ever.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ObjectFailed("It is no regular file.")
            if max_bytes is not None and path.stat().st_size > max_bytes:
                raise TooLarge(f"The file has {path.stat().st_size} bytes; at most {max_bytes} are allowed.")
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("There is no such file.") from error
        except PermissionError as error:
            raise Forbidden("There is no permission to read the file.") from error
        except (OSError, ValueError) as error:  # ValueError: a null byte in the path
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
        """Writes beside the target, to the disk, and renames, so that no reader meets half a file."""
        path = self._root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
        except OSError as error:
            raise storage_failed(error, "write", path) from error

    def walk(self, folder: str = "") -> Iterator[Found]:
        """Every file below a folder, each folder's in the file system's order. Links to folders are not followed."""
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
                            yield Found(key, entry.stat().st_size)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise storage_failed(error, "list", current) from error

    def move(self, source: str, target: str) -> None:
        """One rename; nothing when it was done before."""
        try:
            if (self._root / source).exists():
                (self._root / source).rename(self._root / target)
        except OSError as error:
            raise storage_failed(error, "move", self._root / source) from error

    def remove(self, folder: str) -> None:
        """Removes a folder, also one that is not there."""
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
    """The file system's error in words that tell what to do."""
    if error.errno in _FULL:
        return StorageFailed(f"The disk is full: {path} cannot be written. Free some space and give the command again.")
    if error.errno in _DENIED:
        return StorageFailed(f"There is no permission to {verb} {path}. Grant it and give the command again.")
    return StorageFailed(f"Cannot {verb} {path}: {error.strerror}.")
