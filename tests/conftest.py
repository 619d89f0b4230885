"""Provides the fixtures that the tests of several packages share."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import tell_skipped
from tests.clients.packed import Packed, pack
from tests.s3_server import S3Server, s3_server

# The fixtures of this file that take seconds.
SLOW_FIXTURES = frozenset({"s3", "packed"})


def pytest_configure() -> None:
    """Has Ctrl-C work in what tests start: a shell's background job ignores it, and so would all processes below."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need one of SLOW_FIXTURES, so that nobody has to think of it."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says what was skipped for want of a browser; here, because pytest-xdist collects no other conftest itself."""
    tell_skipped(terminalreporter)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for all tests that need one."""
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Both clients, packed once and installed as their users have them."""
    return pack(tmp_path_factory.mktemp("clients"))
