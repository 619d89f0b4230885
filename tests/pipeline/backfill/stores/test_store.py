"""Tests folders as stores: atomic writes, and clear errors when the file system refuses."""

import errno
import os
from contextlib import chdir
from pathlib import Path

import pytest

from pipeline.backfill.errors import BadRequest, ObjectFailed, StorageFailed
from pipeline.backfill.stores.store import LocalStore, storage_failed
from pipeline.backfill.stores.uris import Stores, absolute
from pipeline.errors import NotFound, TooLarge


def test_a_file_is_whole_when_it_can_be_seen(tmp_path: Path) -> None:
    """A write replaces an older file and leaves no temporary file."""
    store = LocalStore(tmp_path)
    for data in (b"one", b"two"):
        store.write("a/b.bin", data)
        assert store.read("a/b.bin") == data
    assert [found.key for found in store.walk()] == ["a/b.bin"]


def test_nothing_is_left_when_a_file_cannot_be_put_in_place(tmp_path: Path) -> None:
    """A failed write leaves no temporary file."""
    store = LocalStore(tmp_path)
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(StorageFailed):
        store.write("a.bin", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_full_disk_is_named_when_a_write_fails(tmp_path: Path) -> None:
    """The error of a full disk, as /dev/full raises it, becomes advice."""
    full = Path("/dev/full")
    with pytest.raises(OSError, match="No space") as raised, full.open("wb", buffering=0) as file:
        file.write(b"data")
    assert "disk is full" in str(storage_failed(raised.value, "write", tmp_path))
    assert "give the same command again" in str(storage_failed(raised.value, "write", tmp_path))


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EACCES, "no permission to write"), (errno.EROFS, "no permission to write"), (errno.EDQUOT, "disk is full")],
)
def test_the_cause_is_named_when_the_system_refuses(number: int, said: str) -> None:
    """Missing permission and an exceeded quota have texts of their own."""
    assert said in str(storage_failed(OSError(number, os.strerror(number)), "write", Path("/data/out")))


def test_an_object_has_its_own_error_when_it_cannot_be_read(tmp_path: Path) -> None:
    """Missing files, large files and pipes have errors of their own. A pipe is not opened, since that could block."""
    store = LocalStore(tmp_path)
    store.write("large", b"12345")
    os.mkfifo(tmp_path / "pipe")
    for key, error in (("gone", NotFound), ("large/below", NotFound), ("pipe", ObjectFailed), ("a\0b", ObjectFailed)):
        with pytest.raises(error):
            store.read(key)
    with pytest.raises(TooLarge, match="5 bytes; at most 4"):
        store.read("large", max_bytes=4)
    assert store.read("large", max_bytes=5) == b"12345"


def test_a_move_is_done_once_when_it_is_asked_for_twice(tmp_path: Path) -> None:
    """A repeated move does nothing."""
    store = LocalStore(tmp_path)
    store.write("work/t/a", b"1")
    for _ in range(2):
        store.move("work/t", "t")
        assert store.read("t/a") == b"1"


def test_removal_is_no_error_when_nothing_is_there(tmp_path: Path) -> None:
    """A repeated removal does nothing."""
    store = LocalStore(tmp_path)
    store.write("work/a", b"1")
    for _ in range(2):
        store.remove("work")
    assert list(store.walk()) == []


def test_equal_places_are_written_equally_when_they_are_given_differently(tmp_path: Path) -> None:
    """A path has one canonical form, so that the same command in another folder is the same run."""
    with chdir(tmp_path):
        assert absolute("photos/") == absolute("./x/../photos") == str(tmp_path / "photos")
    assert absolute("s3://shop/catalogue/") == "s3://shop/catalogue"


@pytest.mark.parametrize("uri", ["https://shop.example/a.jpg", "gs://shop/a.jpg", "s3:///a.jpg"])
def test_a_uri_is_refused_when_its_scheme_is_not_ours(uri: str) -> None:
    """A URI with another scheme is refused, not taken for a path."""
    with pytest.raises(BadRequest):
        Stores().file(uri)
