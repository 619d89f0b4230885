"""Tests the shop example: the catalogue is what its generator makes, and the page works in a real browser."""

import functools
import http.server
import json
import runpy
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from models import advise
from serve.local.plan import REPOSITORY
from tests.browser.chromium import chromium
from tests.serve.application import app_of, listening, running

SHOP = REPOSITORY / "docs" / "examples" / "shop"
CATALOGUE: list[dict[str, Any]] = json.loads((SHOP / "catalogue.json").read_text())


def test_the_catalogue_is_what_the_generator_makes() -> None:
    """Fifty articles with different ids, and every colour and category is one that the API takes."""
    made = runpy.run_path(str(SHOP / "make_catalogue.py"))["catalogue"]()
    assert made == CATALOGUE
    assert len({article["id"] for article in CATALOGUE}) == len(CATALOGUE) == 50
    wardrobe = [{"id": one["id"], "colors": [one["color"]], "category": one["category"]} for one in CATALOGUE]
    assert len(advise(colors=["navy"], wardrobe=wardrobe).matches) >= 10  # type: ignore[arg-type]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def shop_url() -> Iterator[str]:
    """The page, served as the example says."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(SHOP)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@asynccontextmanager
async def _page() -> AsyncIterator[Any]:
    """A page of the machine's Chromium."""
    path = chromium()
    # Playwright starts a process of its own, so nothing else imports it.
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield await browser.new_page(viewport={"width": 1000, "height": 1200})
        await browser.close()


@pytest.mark.server
async def test_the_page_suggests_articles_when_opened_with_a_key(shop_url: str, tmp_path: Path) -> None:
    """The page shows matches of different kinds with reasons, follows a click, hides the key, and tells a refusal."""
    async with (
        running(tmp_path, cors_origins=("localhost",)) as application,
        listening(app_of(application)) as url,
        _page() as page,
    ):
        await page.goto(f"{shop_url}/#key={application.keys['whole']}&base={url}")
        await page.wait_for_selector("#matches .reason")
        assert "key=" not in page.url
        ids = await page.eval_on_selector_all("#matches a", "links => links.map(link => link.dataset.id)")
        kinds = [one["category"] for id in ids for one in CATALOGUE if one["id"] == id]
        assert len(kinds) == len(set(kinds)) >= 3
        assert "top" not in kinds
        assert (await page.inner_text("#why")).endswith(".")
        assert await page.locator("#catalogue li").count() == 50

        await page.click("#catalogue a[data-id='chinos-olive']")
        await page.wait_for_function("document.querySelector('h1').textContent === 'Olive chinos'")
        await page.wait_for_selector("#matches a[data-id*='coat'], #matches a[data-id*='jacket']")

        await page.evaluate("sessionStorage.setItem('key', 'ssk_wrong_key')")
        await page.reload()
        await page.wait_for_selector("#why .error")
        assert await page.is_visible("#settings")

        await page.fill("[name=base]", "http://127.0.0.1:1")
        await page.click("#settings button")
        await page.wait_for_selector("#why:has-text('http://127.0.0.1:1 does not answer')")
