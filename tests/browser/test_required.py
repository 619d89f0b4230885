"""Tests that the browser tests are skipped only where nobody requires them."""

import pytest

from tests.browser.conftest import HOW, chromium


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
