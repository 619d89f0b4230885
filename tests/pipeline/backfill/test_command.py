"""Tests the command: its help, its refusals, its dry run and its exit codes."""

import signal
from pathlib import Path

import pytest

from pipeline.backfill.__main__ import main
from pipeline.backfill.plan import Resources
from tests.pipeline.backfill.catalogue import CannedPool, backfill, paint_catalogue


def test_examples_and_exit_codes_are_told_when_help_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """The help tells how to submit a job and how to resume it, and lists the exit codes."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for part in ("ray job submit --working-dir .", "To resume a run", "exit codes:"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--options", '{"max_colours": 3}'), "/max_colours: Unknown field."),
        (("--options", "@gone.json"), "file of options cannot be read"),
        (("--model", "gone", "--options", "{}"), "no model 'gone'"),
        (("--cpus-per-worker", "64"), "A worker needs 64 CPUs"),
        (("--device", "cuda", "--gpus-per-worker", "0"), "--gpus-per-worker above 0"),
        (("--input", "https://shop.example/"), "neither a path nor an s3:// or file:// URI"),
    ],
)
def test_a_command_is_refused_when_it_cannot_be_right(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """A wrong command gives exit code 2 and a sentence, and creates no output."""
    paint_catalogue(tmp_path / "photos", 1)
    result = backfill("--input", tmp_path / "photos", output=tmp_path / "out", arguments_last=arguments)
    assert result.exit_code == 2
    assert said in result.said
    assert not (tmp_path / "out/_run.json").exists()


@pytest.mark.parametrize("arguments", [("--sample", "1.5"), ("--limit", "0"), ("--device", "tpu"), ("--speed", "9")])
def test_usage_is_shown_when_an_argument_is_out_of_range(
    tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """An argument out of range gives the usage and exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(["--input", str(tmp_path), "--output", "out", *arguments])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_output_is_refused_when_it_lies_in_the_input(tmp_path: Path) -> None:
    """An output inside the input is refused, because a run would list its own tables."""
    paint_catalogue(tmp_path, 1)
    for output in (tmp_path, tmp_path / "out"):
        assert backfill("--input", tmp_path, output=output).exit_code == 2


def test_signals_do_what_they_did_when_a_run_is_over(tmp_path: Path) -> None:
    """A caller in the same process, such as `stylesync`, keeps its own handlers of SIGINT and SIGTERM."""
    paint_catalogue(tmp_path / "photos", 1)
    handlers = []

    class Watching(CannedPool):
        def fit(self, resources: Resources) -> Resources:
            handlers.append(signal.getsignal(signal.SIGTERM))
            return super().fit(resources)

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert backfill("--input", tmp_path / "photos", output=tmp_path / "out", pool=Watching()).exit_code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert handlers[0] not in before


def test_a_dry_run_counts_and_writes_nothing_when_asked_for(tmp_path: Path) -> None:
    """A dry run prints the images, their size, failures and a time. It writes no output and needs no Ray."""
    paint_catalogue(tmp_path / "photos", 12)
    (tmp_path / "photos/a-note.txt").write_text("no photo")
    (tmp_path / "photos/.hidden").touch()
    pool = CannedPool()
    result = backfill("--input", tmp_path / "photos", "--dry-run", output=tmp_path / "out", pool=pool)
    assert result.exit_code == 0
    assert "13 images, 0.0 MB (1 other objects skipped)" in result.said
    assert "8 processed" in result.said
    assert "workers" in result.said
    assert not (tmp_path / "out").exists()


def test_the_exit_code_tells_when_too_many_photos_failed(tmp_path: Path) -> None:
    """The exit code is 5, although the output is complete."""
    (tmp_path / "items.csv").write_text("id,uri\n1,a\nbad,b\n")
    command = ("--input", tmp_path / "items.csv", "--max-failures")
    few = backfill(*command, "0.5", output=tmp_path / "few", pool=CannedPool())
    many = backfill(*command, "0.4", output=tmp_path / "many", pool=CannedPool())
    assert (few.exit_code, many.exit_code) == (0, 5)
    assert "More than 40% of the images are dead letters" in many.said
    assert (tmp_path / "many/_SUCCESS").exists()


def test_carried_columns_stand_in_answers_and_dead_letters_when_a_table_has_them(tmp_path: Path) -> None:
    """Answers and dead letters have the input's further columns."""
    (tmp_path / "items.csv").write_text("sku,uri,brand\n1,a,Ours\nbad,b,Theirs\n")
    result = backfill(
        "--input", tmp_path / "items.csv", "--id-column", "sku", output=tmp_path / "out", pool=CannedPool()
    )
    assert [(row["id"], row["brand"]) for row in result.rows("answers")] == [("1", "Ours")]
    assert [(row["id"], row["brand"], row["code"]) for row in result.rows("dead_letters")] == [
        ("bad", "Theirs", "NOT_FOUND")
    ]


def test_a_table_of_any_uris_gives_a_row_each_when_some_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a missing URI, a folder and another scheme give dead letters with the right codes."""
    paint_catalogue(tmp_path, 1)
    lines = ["good,more/shirt-0000.jpg", "gone,gone.jpg", "none,", "web,https://shop.example/a.jpg", "folder,more"]
    (tmp_path / "items.csv").write_text("\n".join(["id,uri", *lines, ""]))
    result = backfill("--input", tmp_path / "items.csv", "--max-failures", "1", output=tmp_path / "out")
    assert {row["id"]: row["code"] for row in result.rows("dead_letters")} == {
        "gone": "NOT_FOUND", "none": "URI_INVALID", "web": "URI_INVALID", "folder": "OBJECT_UNREADABLE",
    }  # fmt: skip
    assert [row["id"] for row in result.rows("answers")] == ["good"]
