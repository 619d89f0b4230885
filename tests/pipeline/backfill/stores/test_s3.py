"""Tests S3 as a store, and whole runs on it, against a real server with and without faults."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trustme

from pipeline.backfill.errors import BadRequest, ObjectFailed, StorageFailed
from pipeline.backfill.stores.retries import Retries
from pipeline.backfill.stores.s3 import AUTHORITIES, S3Store, is_transient
from pipeline.errors import Forbidden, NotFound, TooLarge
from tests.pipeline.backfill.catalogue import COLORS, CannedPool, backfill, painted
from tests.pipeline.backfill.fault_proxy import FaultProxy, fault_proxy
from tests.s3_server import S3Server

pytestmark = pytest.mark.server


@pytest.fixture
def store(server: S3Server, bucket: str) -> S3Store:
    """The prefix `a` of a bucket."""
    return S3Store(bucket, "a", endpoint_url=server.url)


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultProxy]:
    """A proxy in front of the server that can fail requests."""
    with fault_proxy(server.url) as running:
        yield running


def quick_retries(**limits: int) -> Retries:
    """Retries with very short waits."""
    return Retries(is_transient, wait_s=0.001, **limits)


# --- the store ------------------------------------------------------------------------------------------------
def test_objects_come_back_when_they_were_written(store: S3Store) -> None:
    """Keys may have spaces, umlauts and signs. A folder does not list objects whose keys only begin like its name."""
    keys = ["x/b c.jpg", "x/ü+%20&?#.jpg", "y.jpg"]
    for key in keys:
        store.write(key, key.encode())
    assert [store.read(key) for key in keys] == [key.encode() for key in keys]
    assert sorted(found.key for found in store.walk()) == sorted(keys)
    assert {found.key: found.bytes for found in store.walk("x")}["x/b c.jpg"] == 9
    assert list(store.walk("x/b")) == []


def test_all_pages_are_listed_when_there_are_many(store: S3Store, server: S3Server, bucket: str) -> None:
    """All pages of a listing are read, and folder markers are left out."""
    server.put(bucket, {f"a/many/{k:04d}": b"" for k in range(1005)} | {"a/many/": b""})
    assert [found.key for found in store.walk("many")] == [f"many/{k:04d}" for k in range(1005)]


def test_a_large_object_is_read_in_ranges_when_it_is_opened(store: S3Store) -> None:
    """A row group of a table can be read without the rest of it."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"n": range(200_000)}), sink, row_group_size=50_000)
    store.write("t.parquet", sink.getvalue().to_pybytes())
    with store.open("t.parquet") as file:
        assert pq.ParquetFile(file).read_row_group(3)["n"][0].as_py() == 150_000


def test_an_object_has_its_own_error_when_it_cannot_be_read(store: S3Store) -> None:
    """Missing objects, large objects and impossible keys have errors of their own."""
    store.write("large", b"12345")
    with pytest.raises(NotFound):
        store.read("gone")
    with pytest.raises(NotFound):
        store.open("gone")
    with pytest.raises(TooLarge, match="5 bytes; at most 4"):
        store.read("large", max_bytes=4)
    with pytest.raises(ObjectFailed):
        store.read("line\nbreak")


def test_a_move_can_go_on_when_it_was_broken_off(store: S3Store) -> None:
    """A repeated move keeps what was moved, and moves the rest."""
    store.write("t/one", b"1")
    store.write("work/t/two", b"2")
    store.move("work/t", "t")
    assert sorted(found.key for found in store.walk()) == ["t/one", "t/two"]
    store.remove("t")
    assert list(store.walk()) == []


@pytest.mark.parametrize("action", ["walk", "write", "read"])
def test_a_wrong_key_is_named_when_the_store_refuses(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """A refusal tells the operator to check the credentials."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    works: dict[str, Callable[[], object]] = {
        "walk": lambda: list(store.walk()),
        "write": lambda: store.write("k", b"1"),
        "read": lambda: store.read("k"),
    }
    with pytest.raises((StorageFailed, Forbidden), match=r"refuses (to|access)"):
        works[action]()


@pytest.mark.parametrize("variable", AUTHORITIES)
def test_a_private_authority_is_trusted_when_a_variable_names_it(
    server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """Both clients trust the certificates of the file, of which there may be several, and nothing without it."""
    for name in AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    ours, other = trustme.CA(), trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("127.0.0.1").configure_cert(tls)
    (tmp_path / "authorities.pem").write_bytes(other.cert_pem.bytes() + ours.cert_pem.bytes())
    with fault_proxy(server.url, tls=tls) as proxy:
        for work in (lambda s: list(s.walk()), lambda s: s.write("k", b"1"), lambda s: s.read("k")):
            with pytest.raises(BadRequest, match=f"certificate is not trusted.*{variable}"):
                work(S3Store(bucket, "", endpoint_url=proxy.url))
        monkeypatch.setenv(variable, str(tmp_path / "authorities.pem"))
        store = S3Store(bucket, "", endpoint_url=proxy.url)
        store.write("k", b"12")
        assert [found.key for found in store.walk()] == ["k"]
        assert store.read("k") == b"12"


def test_a_missing_file_of_certificates_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the variable names is told, by both clients."""
    monkeypatch.setenv(AUTHORITIES[0], "/gone.pem")
    for work in (lambda s: list(s.walk()), lambda s: s.write("k", b"1")):
        with pytest.raises(BadRequest, match=r"/gone\.pem cannot be read: No such file"):
            work(S3Store(bucket, "", endpoint_url="https://127.0.0.1:1"))


def test_missing_credentials_are_named_when_none_are_found(
    server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both clients name the variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for work in (lambda s: list(s.walk()), lambda s: s.write("k", b"1")):
        with pytest.raises(BadRequest, match="AWS_ACCESS_KEY_ID"):
            work(S3Store(bucket, "", endpoint_url=server.url))


def test_a_missing_bucket_is_named_when_it_is_listed(server: S3Server, bucket: str) -> None:
    """A missing bucket is an error, unlike an empty prefix."""
    with pytest.raises(BadRequest, match="There is no bucket 'gone-bucket'"):
        list(S3Store("gone-bucket", "", endpoint_url=server.url).walk())


def test_a_store_that_is_down_is_told_when_nothing_answers(bucket: str) -> None:
    """A store that does not answer raises StorageFailed."""
    store = S3Store(bucket, "", endpoint_url="http://127.0.0.1:9", retries=quick_retries())
    for work in (lambda: list(store.walk()), lambda: store.write("k", b"1"), lambda: store.read("k")):
        with pytest.raises(StorageFailed, match="no answer after several attempts"):
            work()


# --- faults ---------------------------------------------------------------------------------------------------
def test_every_object_is_whole_when_one_request_in_ten_fails(proxy: FaultProxy, bucket: str) -> None:
    """Reads, writes, listings and copies survive server errors, and dropped and cut connections."""
    proxy.share = 0.1
    store = S3Store(bucket, "a", endpoint_url=proxy.url, retries=quick_retries())
    objects = {f"o/{k}": bytes([k]) * 5000 for k in range(60)}
    for key, data in objects.items():
        store.write(key, data)
    assert {key: store.read(key) for key in objects} == objects
    store.move("o", "p")
    assert sorted(found.key for found in store.walk()) == sorted(key.replace("o/", "p/") for key in objects)
    assert all(proxy.counts[kind] > 0 for kind in ("500", "503", "refused", "cut"))


def test_one_object_fails_alone_when_the_store_lives(proxy: FaultProxy, bucket: str) -> None:
    """An object that always fails has an error of its own while the store answers other requests."""
    store = S3Store(bucket, "", endpoint_url=proxy.url, retries=quick_retries())
    store.write("good", b"1")
    proxy.broken = lambda path: path.endswith("/bad")
    with pytest.raises(ObjectFailed):
        store.read("bad")
    assert store.read("good") == b"1"


def test_the_run_fails_when_the_store_is_down(proxy: FaultProxy, bucket: str) -> None:
    """The store is to blame when it answers no request."""
    store = S3Store(bucket, "", endpoint_url=proxy.url, retries=quick_retries())
    store.write("good", b"1")
    proxy.broken = lambda path: True
    with pytest.raises(StorageFailed, match="HTTP 500"):
        store.read("good")


# --- whole runs -----------------------------------------------------------------------------------------------
def test_a_run_is_the_same_when_its_store_fails_at_times(
    server: S3Server, proxy: FaultProxy, bucket: str, tmp_path: Path
) -> None:
    """With ten per cent of faults every photo has one answer, and the broken one is a dead letter."""
    photos = {f"photos/{k}.jpg": painted(COLORS[k % 6]) for k in range(12)}
    server.put(bucket, photos | {"photos/bad.jpg": b"\xff\xd8\xff", "other.jpg": b""})
    proxy.share = 0.1
    source = f"s3://{bucket}/photos"
    result = backfill(
        "--input", source, "--endpoint-url", proxy.url, "--rows-per-part", "5", output=f"s3://{bucket}/out"
    )
    assert result.exit_code == 0, result.said
    keys = server.keys(bucket, "out/")
    assert not [key for key in keys if "_work" in key]
    assert [key for key in keys if key.startswith("out/answers/")] == [
        f"out/answers/part-00000{k}.parquet" for k in range(3)
    ]
    read = [pq.read_table(pa.BufferReader(server.get(bucket, key))) for key in keys if key.startswith("out/answers/")]
    ids = [id for table in read for id in table["id"].to_pylist()]
    assert sorted(ids) == sorted(key.removeprefix("photos/") for key in photos)
    assert all(uri.startswith(source) for table in read for uri in table["uri"].to_pylist())
    assert sum(proxy.counts[kind] for kind in ("500", "503", "refused", "cut")) > 5


def test_the_same_command_goes_on_when_the_store_was_down(server: S3Server, proxy: FaultProxy, bucket: str) -> None:
    """A run gives exit code 4 while the store is down. Afterwards it does only the shards that were not saved."""
    server.put(bucket, {"items.csv": b"id,uri\n" + b"".join(b"%02d,x\n" % k for k in range(20))})
    pool = CannedPool()
    arguments = ("--input", f"s3://{bucket}/items.csv", "--endpoint-url", proxy.url, "--checkpoint-rows", "5")

    def run() -> int:
        return backfill(*arguments, output=f"s3://{bucket}/out", pool=pool).exit_code

    proxy.broken = lambda path: "/results/000000-000010" in path
    assert run() == StorageFailed.exit_code
    proxy.broken = lambda path: False
    assert run() == 0
    assert [shard.start for shard in pool.done] == [0, 5, 10, 10, 15]
