"""Tests the script in docs/ that asks three questions about an output."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.backfill.catalogue import COLORS, backfill, painted

SCRIPT = Path(__file__).parents[3] / "docs/backfill_questions.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script's global names."""
    return runpy.run_path(str(SCRIPT))


def test_three_questions_are_answered_when_a_run_is_complete(script: dict[str, Any], tmp_path: Path) -> None:
    """The answers name the dominant colours, photos without a partner, and two copies of one photo."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, color in (("a.png", 0), ("copy-of-a.png", 0), ("b.png", 2)):
        (photos / name).write_bytes(painted(COLORS[color], kind="PNG"))
    backfill("--input", photos, output=tmp_path / "out")
    dominant, unmatched, alike = script["ask"](tmp_path / "out").values()
    assert sum(row["percent"] for row in dominant) == pytest.approx(100, abs=0.5)
    assert all(row["hex"].startswith("#") and row["photos"] >= 1 for row in dominant)
    assert {row["id"] for row in unmatched} <= {"a.png", "copy-of-a.png", "b.png"}
    assert [(row["first"], row["second"], row["distance"]) for row in alike] == [("a.png", "copy-of-a.png", 0.0)]
    script["main"]([str(tmp_path / "out"), str(tmp_path / "page.html")])
    assert dominant[0]["hex"] in (tmp_path / "page.html").read_text()


def test_an_unfinished_output_is_refused_when_it_is_asked(script: dict[str, Any], tmp_path: Path) -> None:
    """An unfinished output is refused, because it would give wrong answers."""
    with pytest.raises(SystemExit, match="no complete backfill"):
        script["ask"](tmp_path)
