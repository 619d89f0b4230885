"""Finds the machine's Chromium.

Without one the tests skip and say how to get it. `BROWSER_TESTS=required` makes that a failure, which `.ci/run` and the
workflows set.
"""

import os
import shutil
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = "the browser tests need Chromium: apt-get install chromium (any of: " + ", ".join(NAMES) + ")"


def chromium() -> str:
    """The path of a Chromium. Skips the test without one, or fails it where the browser tests are required."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is not None:
        return found
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(HOW)
    pytest.skip(HOW)


def tell_skipped(terminalreporter: Any) -> None:
    """Says once how to get a browser when tests were skipped for want of one. Pytest itself is quiet about skips."""
    if any(HOW in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(f"Some tests were skipped: {HOW}")
