"""Tests what sets up a replica's process."""

import gc
import importlib
import sys

import pytest

from serve.loading import freeze, without


def test_a_package_is_missing_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the block an import fails as if the package were not installed, and afterwards it works."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with without("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").__name__ == "colorsys"


def test_a_package_stays_when_it_is_loaded_already() -> None:
    """A loaded package is left alone, because others hold it."""
    with without("json"):
        assert importlib.import_module("json") is sys.modules["json"]


def test_a_block_leaves_nothing_behind_when_it_fails() -> None:
    """An error in the block leaves the package to be imported."""
    with pytest.raises(ValueError), without("chunk_of_nothing"):  # noqa: PT011 - our own
        raise ValueError
    assert "chunk_of_nothing" not in sys.modules


def test_frozen_objects_are_left_out_of_collections() -> None:
    """What exists at the call is no longer the collector's, and what comes later is."""
    kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    try:
        freeze()
        assert gc.get_freeze_count() >= len(kept)
        assert not any(one is kept for one in gc.get_objects())
        later = [kept]
        assert any(one is later for one in gc.get_objects())
    finally:
        gc.unfreeze()
