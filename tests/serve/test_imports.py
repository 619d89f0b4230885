"""Tests what a process is spared when it imports others' modules."""

import importlib
import subprocess
import sys

import pytest

from serve.imports import forgo, without
from serve.local.plan import NODE_FLAGS


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


def test_a_package_is_missing_for_good_when_it_is_forgone(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI then takes no model for one of pydantic 1, and a loaded package stays."""
    monkeypatch.setitem(sys.modules, "colorsys", sys)  # restored afterwards
    del sys.modules["colorsys"]
    forgo("colorsys")
    forgo("json")
    with pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert importlib.import_module("json") is sys.modules["json"]


def test_serve_comes_without_pandas_when_a_worker_of_rays_begins_as_we_tell_it() -> None:
    """The module that Ray preloads keeps pandas out of Serve's processes, and whoever asks later gets it."""
    preloaded = NODE_FLAGS["RAY_preload_python_modules"]
    steps = f"""
import sys, {preloaded}
import ray.serve
print("pandas" in sys.modules)
import pandas
print(pandas.DataFrame.__name__)
"""
    done = subprocess.run([sys.executable, "-c", steps], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["False", "DataFrame"]
