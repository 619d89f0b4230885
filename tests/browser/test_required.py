"""Tests that the browser tests are skipped only where nobody requires them."""

from types import SimpleNamespace

import pytest

from tests.browser.chromium import HOW, chromium, tell_skipped


def test_tests_are_skipped_when_there_is_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Chromium a test is skipped, and the reason says how to get one."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("BROWSER_TESTS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        chromium()


def test_tests_fail_when_the_browser_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """`BROWSER_TESTS=required`, as in .ci/run, makes a missing Chromium a failure."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("BROWSER_TESTS", "required")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium()
    assert "apt-get install chromium" in HOW


def test_the_summary_says_how_to_get_a_browser() -> None:
    """The line with apt-get stands once below the tests, however many were skipped, and not without a reason."""
    lines: list[str] = []
    skipped = SimpleNamespace(longrepr=("test.py", 1, f"Skipped: {HOW}"))
    tell_skipped(SimpleNamespace(stats={"skipped": [skipped, skipped]}, write_line=lines.append))
    tell_skipped(SimpleNamespace(stats={}, write_line=lines.append))
    assert lines == [f"Some tests were skipped: {HOW}"]
