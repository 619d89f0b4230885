"""Tests that the tutorial works: every cell runs, and says what the notebook shows."""

import json

import pytest

from serve.local.plan import REPOSITORY
from tests.documents.notebook import VERSIONS, code_cells, run


def test_the_tutorial_says_what_it_shows_when_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs without Jupyter. What colours give is the same everywhere; a photo's numbers depend on the CPU.

    So the photo's outputs are not compared. They must come from the network and the versions of today.

    After an intended change, write the outputs again: python -m tests.documents.notebook docs/tutorial.ipynb
    """
    monkeypatch.chdir(REPOSITORY)
    notebook = json.loads((REPOSITORY / "docs" / "tutorial.ipynb").read_text())
    assert notebook["metadata"]["stylesync"] == VERSIONS
    for cell, outputs in zip(code_cells(notebook), run(notebook), strict=True):
        shown = [{**output, "execution_count": None} for output in cell["outputs"]]
        if "photo" in cell["metadata"].get("tags", ()):
            assert shown
            assert outputs
        elif not any("image/png" in output.get("data", {}) for output in shown):
            assert shown == [{**output, "execution_count": None} for output in outputs]
