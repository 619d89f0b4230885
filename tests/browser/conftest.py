"""Drives a real browser: the machine's Chromium, through Playwright."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import chromium
from tests.browser.stub import Stub, stub

AXE = Path(__file__).with_name("axe.min.js")
# Taste: no state of the page takes longer, on a busy machine too.
TIMEOUT_MS = 15_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder: they start real processes, so they are no part of `make check`."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.server)


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser."""
    path = chromium()
    # Playwright starts a process of its own, so nothing else imports it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The tests may run as root, as in a container, where Chromium's sandbox does not start.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of one module's tests.

    Playwright runs an event loop in this thread for as long as it lives, so it must end before tests that need one of
    their own. Without an `__init__.py` in this folder, pytest would keep a package's fixture to the end of the session.
    """
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    """The stub of one module's tests."""
    with stub() as running:
        yield running


Open = Callable[..., Any]


@dataclass(frozen=True)
class Reused:
    """The page that most tests open again and again, and what it noticed in the running test."""

    page: Any
    noticed: list[str]

    def clear(self, url: str) -> None:
        """Leaves the page as a new one would be. Only what it loaded stays in the browser's cache."""
        self.page.context.set_offline(False)
        if self.page.url.startswith(url):
            self.page.evaluate("localStorage.clear(), sessionStorage.clear()")
        self.page.goto("about:blank")


@pytest.fixture(scope="module")
def reused(browser: Any, server: Stub) -> Iterator[Reused]:
    """One page for a module's tests: a new context for each would take half of their time."""
    noticed: list[str] = []
    page = _new_page(browser, server, noticed)
    yield Reused(page, noticed)
    page.context.close()


@pytest.fixture
def open_page(browser: Any, server: Stub, reused: Reused) -> Iterator[Open]:
    """Opens the page. At the end it checks that nothing failed and nothing was asked elsewhere.

    The first page of a test is the reused one, others are fresh. `fresh`: so is the first, with an empty cache and a
    clock of its own.
    """
    pages: list[Any] = []
    reused.noticed.clear()
    server.asked.clear()

    def opened(
        address: str = "",
        *,
        width: int = 1280,
        height: int = 860,
        scheme: str = "light",
        forced_colors: str = "none",
        fresh: bool = False,
    ) -> Any:
        page = _new_page(browser, server, reused.noticed) if fresh or pages else reused.page
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme, forced_colors=forced_colors)
        page.goto(server.url + address)
        page.wait_for_selector("#sample-photos button", state="attached")
        return page

    yield opened
    for page in pages:
        if page is not reused.page:
            page.context.close()
    reused.clear(server.url)
    assert reused.noticed == []


def _new_page(browser: Any, server: Stub, noticed: list[str]) -> Any:
    context = browser.new_context(accept_downloads=True)
    context.set_default_timeout(TIMEOUT_MS)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    watch(page, server.url, noticed)
    return page


def watch(page: Any, url: str, noticed: list[str], *, uploads: str = "blob:") -> None:
    """Notes console errors, exceptions, and requests to anywhere else. uploads: the store's address, where one is."""

    def console(message: Any) -> None:
        # A refused request is an answer that the page shows; Chromium notes it all the same.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            noticed.append(message.text)

    def requested(request: Any) -> None:
        if not request.url.startswith((url, uploads, "blob:", "data:")):
            noticed.append(f"outside: {request.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", requested)
