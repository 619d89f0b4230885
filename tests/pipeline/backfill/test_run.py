"""Tests an undisturbed run, from photos to published tables."""

from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.pipeline.backfill.catalogue import Result, backfill, paint_catalogue

NAMES = [f"{'more/' if k % 3 == 0 else ''}shirt-{k:04d}.jpg" for k in range(8)]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of eight photos, a broken photo and a text file, in three parts."""
    folder = tmp_path_factory.mktemp("catalogue") / "photos"
    paint_catalogue(folder, 8)
    whole = (folder / "shirt-0001.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no photo")
    parts = ("--rows-per-part", "4", "--checkpoint-rows", "2")
    return backfill("--input", folder, *parts, output=folder.parent / "out")


def test_every_photo_is_answered_or_a_dead_letter_when_a_run_ends(result: Result) -> None:
    """Every file has one row: an answer with JSON, vector and versions, or a dead letter with code and detail."""
    answers, dead = result.rows("answers"), result.rows("dead_letters")
    assert sorted(row["id"] for row in answers) == sorted(NAMES)
    codes = {row["id"]: row["code"] for row in dead}
    assert codes == {"cut.jpg": "IMAGE_TRUNCATED", "notes.txt": "UNSUPPORTED_MEDIA_TYPE"}
    assert all(row["detail"].endswith(".") for row in dead)
    assert all(len(row["vector"]) == 64 and row["versions"]["palette"] for row in answers)
    assert all(msgspec.json.decode(row["answer"])["garments"][0]["colors"] for row in answers)
    assert all(Path(row["uri"]).is_file() and row["uri"].endswith(row["id"]) for row in answers)


def test_success_comes_last_and_alone_when_a_run_ends(result: Result) -> None:
    """Only published files are left, and `_SUCCESS` is the newest."""
    assert sorted(path.name for path in result.output.iterdir()) == [
        "_SUCCESS", "_run.json", "answers", "colors", "dead_letters", "report.html", "suggestions", "summary.json",
    ]  # fmt: skip
    times = {path.name: path.stat().st_mtime_ns for path in result.output.iterdir()}
    assert times["summary.json"] <= times["report.html"] <= times["_SUCCESS"]
    assert all(path.stat().st_mtime_ns <= times["summary.json"] for path in result.output.glob("*/*.parquet"))


def test_rows_keep_one_order_when_a_part_is_read(result: Result) -> None:
    """Every part of every table is sorted by id."""
    for path in result.output.glob("*/*.parquet"):
        ids = pq.read_table(path)["id"].to_pylist()
        assert ids == sorted(ids)


def test_every_part_tells_its_origin_when_its_metadata_is_read(result: Result) -> None:
    """Every file has the run's parameters and versions in its metadata."""
    files = list(result.output.glob("*/*.parquet"))
    assert len(files) == 4 * 3
    for path in files:
        told = msgspec.json.decode(pq.read_schema(path).metadata[b"stylesync.backfill"])
        assert told["parameters"]["options"]["segment"] == "none"
        assert told["versions"]["vector"]


def test_derived_tables_repeat_the_answers_when_compared(result: Result) -> None:
    """`colors` and `suggestions` have every colour and suggestion of every answer, in order."""
    answers = {row["id"]: msgspec.json.decode(row["answer"]) for row in result.rows("answers")}
    colors, suggestions = result.rows("colors"), result.rows("suggestions")
    assert [(row["id"], row["garment_id"], row["hex"], row["name_fashion"]) for row in colors] == [
        (id, garment["id"], color["hex"], color["names"]["fashion"]["name"])
        for id, answer in answers.items()
        for garment in answer["garments"]
        for color in garment["colors"]
    ]
    assert [(row["id"], row["rank"], row["scheme"], row["colors"]) for row in suggestions] == [
        (id, rank, one["scheme"], one["colors"])
        for id, answer in answers.items()
        for rank, one in enumerate(answer["suggestions"], 1)
    ]


def test_the_summary_counts_the_tables_when_a_run_ends(result: Result) -> None:
    """The summary has the right counts of rows, failures, garments and parts, and its colour shares sum to 1."""
    summary = result.summary()
    assert (summary["rows"], summary["answers"], summary["dead_letters"]) == (10, 8, 2)
    assert summary["failures"] == {"IMAGE_TRUNCATED": 1, "UNSUPPORTED_MEDIA_TYPE": 1}
    assert summary["garments"] == sum(summary["categories"].values()) == 8
    assert sum(one["share"] for one in summary["colors_basic"]) == pytest.approx(1, abs=0.002)
    assert [part["answers"] + part["dead_letters"] for part in summary["parts"]] == [4, 4, 2]
    assert summary["last_run"]["rows"] == 10
    assert summary["last_run"]["images_per_s"] > 0


def test_the_last_lines_tell_the_result_when_a_run_ends(result: Result) -> None:
    """The last lines have the counts, the codes and the path of the report."""
    assert result.exit_code == 0
    for told in ("10 of 10 images", "IMAGE_TRUNCATED 1", str(result.output / "report.html")):
        assert told in result.said
