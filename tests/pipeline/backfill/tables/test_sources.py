"""Tests the rows of folders and tables: ids, URIs, carried columns, samples, and refused inputs."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.backfill.errors import BadRequest
from pipeline.backfill.plan import Parameters
from pipeline.backfill.stores.store import LocalStore
from pipeline.backfill.stores.uris import Stores
from pipeline.backfill.tables.manifest import listed_parts, write_rows
from pipeline.backfill.tables.sources import ROW, Source, chosen, open_source


def listed(source: Path, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of an input, in the order of the output's parts."""
    asked = Parameters(input=str(source), model="none", **parameters)
    with open_source(asked, Stores()) as found:
        return [row for part in listed_parts(found, asked) for row in part.to_pylist()]


def write_parquet(path: Path, **columns: Any) -> Path:
    """A Parquet file of these columns."""
    pq.write_table(pa.table(columns), path)
    return path


# --- folders --------------------------------------------------------------------------------------------------
def test_every_file_is_a_row_when_a_folder_is_listed(tmp_path: Path) -> None:
    """A folder lists files at every depth, with their paths as ids. It skips and counts hidden files."""
    for name in ("a.jpg", "deep/er/b.PNG", "notes.txt", ".hidden.jpg", ".cache/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"123")
    rows = listed(tmp_path)
    assert {row["id"]: row["uri"] for row in rows} == {
        name: str(tmp_path / name) for name in ("a.jpg", "deep/er/b.PNG", "notes.txt")
    }
    assert {row["bytes"] for row in rows} == {3}
    with open_source(Parameters(input=str(tmp_path), model="none"), Stores()) as source:
        assert sum(batch.num_rows for batch in source.batches()) == 3
        assert source.skipped == 2


def test_only_fitting_names_are_rows_when_globs_are_given(tmp_path: Path) -> None:
    """A name must match one of the globs, in upper or lower case."""
    for name in ("a.jpg", "b.JPG", "c.png", "d.txt"):
        (tmp_path / name).touch()
    assert {row["id"] for row in listed(tmp_path, match=("*.jpg", "*.png"))} == {"a.jpg", "b.JPG", "c.png"}


def test_a_name_that_is_no_text_can_be_read_when_it_is_listed(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are escaped in the id, and kept in a file:// URI."""
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"found")
    (row,) = listed(tmp_path)
    assert row["id"] == "caf\\xe9.jpg"
    store, key = Stores().file(row["uri"])
    assert store.read(key) == b"found"


def test_links_to_folders_are_not_followed_when_a_folder_is_listed(tmp_path: Path) -> None:
    """A link from a folder to itself does not repeat its files."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [row["id"] for row in listed(tmp_path)] == ["a.jpg"]


@pytest.mark.parametrize("name", ["gone", "gone.csv", "gone.parquet", "file.jpg"])
def test_an_input_is_refused_when_it_is_none(tmp_path: Path, name: str) -> None:
    """The refusal names an input that is missing, or that is neither a folder nor a table."""
    (tmp_path / "file.jpg").touch()
    with pytest.raises(BadRequest, match=name):
        listed(tmp_path / name)


def test_an_empty_input_is_refused_when_it_is_listed(tmp_path: Path) -> None:
    """An input without images is refused, with the number of skipped objects."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/.hidden").touch()
    asked = Parameters(input=str(tmp_path / "in"), model="none")
    with open_source(asked, Stores()) as source, pytest.raises(BadRequest, match="1 objects did not match"):
        write_rows(LocalStore(tmp_path / "out"), source, asked)


# --- tables ---------------------------------------------------------------------------------------------------
def test_columns_keep_their_types_when_parquet_is_read(tmp_path: Path) -> None:
    """Ids become text, other columns are carried unchanged, and relative URIs start at the table's folder."""
    day = date(2026, 1, 31)
    table = write_parquet(
        tmp_path / "items.parquet",
        sku=[7, 3],
        image=["b/7.jpg", "s3://shop/3.jpg"],
        price=[9.5, None],
        since=[day, day],
    )
    rows = listed(table, id_column="sku", uri_column="image")
    assert rows == [
        {"id": "7", "uri": f"{tmp_path}/b/7.jpg", "bytes": None, "price": 9.5, "since": day},
        {"id": "3", "uri": "s3://shop/3.jpg", "bytes": None, "price": None, "since": day},
    ]


def test_columns_are_texts_when_csv_is_read(tmp_path: Path) -> None:
    """CSV keeps leading zeros, and may have quotes, commas, line breaks, a byte order mark and empty lines."""
    (tmp_path / "items.csv").write_bytes('\ufeffid,uri,title\r\n007,/a.jpg,"red,\nlong"\r\n\r\n8,,x\r\n'.encode())
    assert listed(tmp_path / "items.csv") == [
        {"id": "007", "uri": "/a.jpg", "bytes": None, "title": "red,\nlong"},
        {"id": "8", "uri": None, "bytes": None, "title": "x"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header with unique names"),
        ("id,id\n1,2\n", "no header with unique names"),
        ("id,url\n1,a\n", "no column 'uri', only id, url. Name the right one with --uri-column"),
        ("id,uri,answer\n1,a,b\n", "The output has a column 'answer' too"),
        ("id,uri\n1,a\n2,b,c\n", "near line 3 of the input has 3 fields, but the header has 2"),
        ("id,uri\n1,a\n,b\n", "Row 2 of the input has no 'id'"),
        ('id,uri\n1,"a\n', "not CSV in UTF-8"),
        ("id,uri\n1,\udcff\n", "not CSV in UTF-8"),
        ("id,uri\n1,a\n2,b\n1,c\n", "Two rows have the id '1'"),
    ],
)
def test_a_table_is_refused_when_it_cannot_be_right(tmp_path: Path, text: str, said: str) -> None:
    """The refusal names the mistake and its place."""
    (tmp_path / "items.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BadRequest, match=said):
        listed(tmp_path / "items.csv")


def test_parquet_is_refused_when_it_is_none(tmp_path: Path) -> None:
    """A .parquet file that is not Parquet is refused."""
    (tmp_path / "items.parquet").write_text("id,uri")
    with pytest.raises(BadRequest, match="not a Parquet file"):
        listed(tmp_path / "items.parquet")


def test_ids_are_refused_when_they_are_no_text_and_no_number(tmp_path: Path) -> None:
    """Ids that are lists are refused."""
    with pytest.raises(BadRequest, match="Ids must be texts or numbers"):
        listed(write_parquet(tmp_path / "items.parquet", id=[[1], [2]], uri=["a", "b"]))


# --- which of them --------------------------------------------------------------------------------------------
class Counting:
    """An endless source that counts its batches."""

    carried = pa.schema([])
    ids_are_unique = True
    skipped = 0

    def __init__(self) -> None:
        self.batches_made = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            ids = [f"{self.batches_made}-{k}" for k in range(100)]
            self.batches_made += 1
            yield pa.record_batch([ids, ids, [1] * 100], schema=ROW)


def test_the_listing_stops_when_the_limit_is_reached() -> None:
    """No more batches are listed than the limit needs."""
    source: Source = Counting()
    batches = list(chosen(source.batches(), sample=1.0, limit=250))
    assert [batch.num_rows for batch in batches] == [100, 100, 50]
    assert isinstance(source, Counting)
    assert source.batches_made == 3


def test_a_sample_is_the_same_when_more_is_listed() -> None:
    """Whether an id is in the sample depends on the id alone, and the sample has about the requested share."""
    few = [id for batch in chosen(Counting().batches(), sample=0.2, limit=100) for id in batch["id"].to_pylist()]
    many = [id for batch in chosen(Counting().batches(), sample=0.2, limit=2000) for id in batch["id"].to_pylist()]
    assert many[:100] == few
    larger = [id for batch in chosen(Counting().batches(), sample=0.4, limit=4000) for id in batch["id"].to_pylist()]
    assert set(few) < set(larger)
    listed_for_many = int(many[-1].partition("-")[0]) * 100
    assert 0.17 < 2000 / listed_for_many < 0.23


def test_the_listing_is_streamed_when_it_is_long(tmp_path: Path) -> None:
    """The source is read as parts are taken: at most one part and one batch are in memory."""
    source = Counting()
    asked = Parameters(input="", model="none", rows_per_part=250)
    parts = listed_parts(source, asked)
    assert [next(parts).num_rows, source.batches_made] == [250, 3]
    assert [next(parts).num_rows, source.batches_made] == [250, 5]
