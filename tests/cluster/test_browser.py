"""Tests the pages of the whole application in a real browser: a sample's advice, and the API reference's own form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serve.http.pages import PLAYGROUND
from tests.browser.conftest import TIMEOUT_MS, launched, watch
from tests.cluster.application import Application

KNIT = PLAYGROUND / "sample-knit.webp"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of this module's tests."""
    with launched() as browser:
        yield browser


def test_advice_is_two_clicks_away_when_the_printed_link_is_opened(application: Application, browser: Any) -> None:
    """The link that `make serve` prints brings the key; a sample is one click more, and its advice is right."""
    (link,) = (line.split()[-1] for line in application.launch.output if line.startswith("  Page  "))
    assert link == f"{application.url}/#key={application.key}"
    page, noticed = browser.new_page(), list[str]()
    page.set_default_timeout(TIMEOUT_MS * 4)
    watch(page, application.url, noticed)
    page.goto(link)
    page.click("[data-sample=knit]")
    page.wait_for_selector("#best h3")
    assert application.key not in page.url
    assert page.locator("#garments .kind").all_inner_texts() == ["Top ecru", "Bottoms indigo denim"]
    page.fill("#colors", "camel, navy")
    page.keyboard.press("Enter")
    page.wait_for_selector("#garments .kind:has-text('camel and navy')")
    with page.expect_download() as download:
        page.click(".tools summary")
        page.click(".tools .sheet button:text('ASE')")
    assert download.value.path().read_bytes().startswith(b"ASEF")
    page.close()
    assert noticed == []


def test_a_photo_past_the_form_is_uploaded_to_the_store(application: Application, browser: Any, tmp_path: Path) -> None:
    """A photo of more than 10 MiB goes straight to the object store, which the page's policy allows."""
    noise = np.random.default_rng(1).integers(0, 256, (1900, 2000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png", compress_level=1)
    assert (tmp_path / "noise.png").stat().st_size > 10 * 2**20
    with application.client() as client:
        wanted = {"content_type": "image/png", "content_length": 1}
        store = client.post("/v1/uploads/presign", json=wanted).json()["url"]
    page, noticed = browser.new_page(), list[str]()
    page.set_default_timeout(TIMEOUT_MS * 4)
    watch(page, application.url, noticed, uploads=store)
    page.goto(f"{application.url}/#key={application.key}")
    with page.expect_response(f"{store}**") as uploaded:
        page.set_input_files("#photo", tmp_path / "noise.png")
    assert uploaded.value.status in (200, 204)
    page.wait_for_selector("[data-state=answer]")
    page.close()
    assert noticed == []


def test_the_references_own_form_is_answered_when_a_photo_is_chosen(application: Application, browser: Any) -> None:
    """Authorise, choose a file, send: 200, under the page's policy and without a request to anywhere else."""
    page, noticed = browser.new_page(), list[str]()
    page.set_default_timeout(TIMEOUT_MS * 4)
    watch(page, application.url, noticed)
    page.goto(f"{application.url}/docs#auth")
    page.fill("#apiKey-APIKeyHeader-api-key-input", application.key)
    page.locator("button:text('SET')").first.click()
    page.click("[data-content-id='post-/v1/advice']")
    page.locator("input[type=file]").first.set_input_files(KNIT)
    with page.expect_response("**/v1/advice") as response:
        page.locator("button:text('TRY')").first.click()
    assert response.value.status == 200
    assert [garment["category"] for garment in response.value.json()["garments"]] == ["top", "bottom"]
    page.close()
    assert noticed == []
