"""Tests tables as catalogues have them: lists, structs and binary addresses, Spark's folders, long fields."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.backfill.errors import BadRequest
from tests.pipeline.backfill.tables.test_sources import listed, write_parquet

ADDRESSES = ["a.jpg", "s3://shop/b.jpg", None]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(ADDRESSES, pa.large_string()),
        pa.array(ADDRESSES, pa.string_view()),
        pa.array(ADDRESSES).dictionary_encode(),
        pa.array([None if one is None else one.encode() for one in ADDRESSES], pa.binary()),
        pa.array([["a.jpg", "x.jpg"], ["s3://shop/b.jpg"], []], pa.list_(pa.string())),
        pa.array([["a.jpg"], ["s3://shop/b.jpg"], None], pa.large_list(pa.large_string())),
        pa.array([[b"a.jpg"], [b"s3://shop/b.jpg"], [None]], pa.list_(pa.binary())),
    ],
    ids=lambda column: str(column.type),
)
def test_addresses_are_read_when_a_column_has_any_type_of_text(tmp_path: Path, column: pa.Array) -> None:
    """Of a list the first address counts, and binary data is UTF-8."""
    rows = listed(write_parquet(tmp_path / "items.parquet", id=["1", "2", "3"], uri=column))
    assert [row["uri"] for row in rows] == [f"{tmp_path}/a.jpg", "s3://shop/b.jpg", None]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([{"bytes": b"\xff\xd8", "path": "a.jpg"}]), "holds structs of bytes, path, not addresses"),
        (pa.array([[{"url": "a.jpg"}]]), "holds structs of url, not addresses"),
        (pa.array([b"\xff\xd8\xff\xe0"], pa.binary()), "holds binary data that is no text"),
        (pa.array([7]), "has the type int64; addresses must be texts"),
        (pa.array([[1.5]]), "has the type double; addresses must be texts"),
        (pa.array([True]), "has the type bool; addresses must be texts"),
    ],
)
def test_addresses_are_refused_in_words_when_a_column_has_none(tmp_path: Path, column: pa.Array, said: str) -> None:
    """The refusal names the column, what it holds, and the flag."""
    with pytest.raises(BadRequest, match=f"The column 'uri' {said}.*--uri-column"):
        listed(write_parquet(tmp_path / "items.parquet", id=["1"], uri=column))


@pytest.mark.parametrize("name", ["items.parquet", "items"])
def test_a_folder_of_parts_is_one_table(tmp_path: Path, name: str) -> None:
    """Spark writes a table as a folder; its marks and hidden files do not count, and addresses start at the folder."""
    folder = tmp_path / name
    (folder / "day=1").mkdir(parents=True)
    write_parquet(folder / "part-00001.snappy.parquet", sku=["3"], image=["c.jpg"])
    write_parquet(folder / "part-00000.snappy.parquet", sku=["1", "2"], image=["a.jpg", "/b.jpg"])
    write_parquet(folder / "day=1" / "part-0.parquet", sku=["0"], image=["z.jpg"])
    for mark in ("_SUCCESS", "_metadata", ".part-00000.snappy.parquet.crc"):
        (folder / mark).write_bytes(b"x")
    rows = listed(folder, id_column="sku", uri_column="image")
    assert [(row["id"], row["uri"]) for row in rows] == [
        ("0", f"{folder}/z.jpg"),
        ("1", f"{folder}/a.jpg"),
        ("2", "/b.jpg"),
        ("3", f"{folder}/c.jpg"),
    ]


def test_a_folder_of_parts_is_refused_when_they_are_not_alike(tmp_path: Path) -> None:
    """Parts with other columns, and parts that are no Parquet, are named."""
    write_parquet(tmp_path / "a.parquet", id=["1"], uri=["a"])
    write_parquet(tmp_path / "b.parquet", id=["1"], uri=["a"], more=[1])
    with pytest.raises(BadRequest, match=r"b.parquet has other columns than a.parquet"):
        listed(tmp_path)
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(BadRequest, match=r"a.parquet is not a Parquet file"):
        listed(tmp_path)


def test_parquet_files_among_photos_are_objects_like_others(tmp_path: Path) -> None:
    """A folder that holds photos too is a folder of photos, and so is one of which --match chooses."""
    (tmp_path / "a.jpg").touch()
    write_parquet(tmp_path / "b.parquet", id=["1"], uri=["a"])
    assert {row["id"] for row in listed(tmp_path)} == {"a.jpg", "b.parquet"}
    (tmp_path / "a.jpg").unlink()
    assert {row["id"] for row in listed(tmp_path, match=("*.parquet",))} == {"b.parquet"}


def test_a_long_field_is_read_when_csv_has_one(tmp_path: Path) -> None:
    """A description of a million characters is carried."""
    text = "x" * 1_000_000
    (tmp_path / "items.csv").write_text(f"id,uri,about\n1,a.jpg,{text}\n")
    assert [row["about"] for row in listed(tmp_path / "items.csv")] == [text]


@pytest.mark.parametrize(("sign", "named"), [(";", "';'"), ("\t", "tabs"), ("|", r"'\|'")])
def test_the_separator_is_named_when_it_is_no_comma(tmp_path: Path, sign: str, named: str) -> None:
    """Spreadsheets of many countries write semicolons."""
    (tmp_path / "items.csv").write_text(f"id{sign}uri\n1{sign}a.jpg\n")
    with pytest.raises(BadRequest, match=f"separated by {named}; write them separated by commas"):
        listed(tmp_path / "items.csv")


def test_a_part_that_cannot_be_opened_is_refused_without_a_traceback(tmp_path: Path) -> None:
    """A truncated part is no Parquet file."""
    path = write_parquet(tmp_path / "items.parquet", id=["1"], uri=["a"])
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(BadRequest, match="not a Parquet file"):
        listed(path)
    assert pq.__name__
