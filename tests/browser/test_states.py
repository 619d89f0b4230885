"""Tests every state of the page at two widths and in both schemes."""

import json
import threading
from typing import Any

import pytest

from pipeline.contract import advice_of_json
from pipeline.errors import RateLimited
from serve.http.pages import PLAYGROUND
from tests.browser.checks import ANSWERS, must_be_accessible, must_hold_in_both, recorded
from tests.browser.conftest import Open, watch
from tests.browser.stub import Stub, answer, problem, text

KNIT = PLAYGROUND / "sample-knit.webp"
DRESS = PLAYGROUND / "sample-dress.webp"
# The scheme is that in which all of axe's rules are tried.
WINDOWS = [(390, "light"), (1280, "dark")]
# Contract: what the first view of the page may weigh.
MOST_BYTES = 200_000
MOST_REFERENCE_BYTES = 1_000_000


def _answers(page: Any) -> None:
    page.wait_for_selector("[data-state=answer]")


@pytest.mark.parametrize("path", sorted(ANSWERS.glob("*.json")), ids=lambda path: path.stem)
def test_a_recorded_answer_is_one_of_the_contract(path: Any) -> None:
    """The recorded answers have the fields of today's contract."""
    body = json.loads(path.read_text())
    assert body.pop("request_id")
    assert body.pop("meta")["cache"]
    advice_of_json(json.dumps(body))


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_answers_hold_when_shown(open_page: Open, server: Stub, width: int, scheme: str) -> None:
    """Before, while and after a photo is asked about, every rule holds; so do the wardrobe, an outfit and several."""
    page = open_page(width=width, scheme=scheme)
    must_hold_in_both(page, "idle", scheme)
    held = threading.Event()
    server.answering = lambda _: answer(recorded("knit"), after=held)
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("[data-state=loading] #figure img")
    must_hold_in_both(page, "loading", scheme)
    held.set()
    _answers(page)
    for details in page.query_selector_all("#garments summary, .why summary"):
        details.click()
    must_hold_in_both(page, "answer", scheme)
    page.click(".swaps summary")
    must_hold_in_both(page, "swap menu", scheme)
    server.answering = lambda _: answer(recorded("wardrobe"))
    page.evaluate("localStorage.setItem('wardrobe', arguments)".replace("arguments", repr(_owned())))
    page.reload()
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("#owned .outfits")
    must_hold_in_both(page, "wardrobe matches", scheme)
    page.click("#wardrobe-open")
    must_hold_in_both(page, "wardrobe", scheme)
    page.keyboard.press("Escape")
    page.set_input_files("#photo", [KNIT, DRESS])
    page.wait_for_selector("#strip [data-done=yes] ~ [data-done=yes]")
    page.click("#table summary")
    must_hold_in_both(page, "several photos", scheme)


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_troubles_hold_when_shown(open_page: Open, server: Stub, width: int, scheme: str) -> None:
    """Colours, a tinted light, a fallback, nothing found, an error with a countdown, and the key: every rule holds."""
    page = open_page(width=width, scheme=scheme)
    server.answering = lambda _: answer(recorded("colors"))
    page.fill("#colors", "camel, navy")
    page.keyboard.press("Enter")
    _answers(page)
    must_hold_in_both(page, "colours", scheme)
    for name, shown in (
        ("warm", "Correct for the light"),
        ("degraded", "stands out from the background"),
        ("nothing", "No garment"),
    ):
        server.answering = lambda _, name=name: answer(recorded(name))  # type: ignore[misc]
        page.set_input_files("#photo", KNIT)
        page.wait_for_selector(f"#notices :text('{shown}')")
        must_hold_in_both(page, name, scheme)
    server.answering = lambda _: problem(RateLimited("The key may send 3 requests per minute.", retry_after_s=40))
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("#countdown:text('in')")
    must_hold_in_both(page, "rate limited", scheme)
    page.click("#key-open")
    must_hold_in_both(page, "key", scheme)


@pytest.mark.parametrize("address", ["docs/errors", "docs/errors/rate-limited"])
def test_error_pages_hold_when_opened(browser: Any, server: Stub, address: str) -> None:
    """The pages of errors keep the same rules, on a phone too."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="light")
    page = context.new_page()
    page.goto(server.url + address)
    must_hold_in_both(page, address, "light")
    context.close()


def test_the_reference_holds_when_opened(browser: Any, server: Stub) -> None:
    """The API reference keeps axe's rules, loads nothing from elsewhere, and takes the key that the page has."""
    context, noticed = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="light"), list[str]()
    page = context.new_page()
    watch(page, server.url, noticed)
    page.goto(server.url)
    page.evaluate("sessionStorage.setItem('key', 'ssk_test')")
    page.goto(server.url + "docs#post-/v1/advice")
    page.wait_for_selector("rapi-doc input[type=file]")
    page.wait_for_selector("rapi-doc :text('ssk_test')")
    must_be_accessible(page, "reference")
    # It is drawn anew in the other scheme.
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("rapi-doc[theme=dark] input[type=file]")
    must_be_accessible(page, "reference", colors_only=True)
    sizes = page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.transferSize)")
    assert 200_000 < sum(sizes) < MOST_REFERENCE_BYTES
    page.set_viewport_size({"width": 390, "height": 844})
    # A phone has no room for the list beside; the operations are on the page itself.
    page.locator("rapi-doc :text-is('/v1/uploads/presign')").wait_for()
    page.wait_for_selector("rapi-doc input[type=file]")
    must_be_accessible(page, "reference on a phone")
    context.close()
    assert noticed == []


def test_the_answer_fits_its_screens(open_page: Open, server: Stub) -> None:
    """On a desktop the whole advice fits one screen; on a phone one screen has the best suggestion's sentence."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answers(page)
    for width, height, ends in ((1280, 860, "#wear"), (390, 844, "#best .sentence")):
        page.set_viewport_size({"width": width, "height": height})
        bottom = page.evaluate(f"document.querySelector('{ends}').getBoundingClientRect().bottom + scrollY")
        assert bottom <= height


def test_typed_colours_fill_their_box(open_page: Open, server: Stub) -> None:
    """On a phone and on a desktop the typed colours reach both edges, and their names can be read."""
    server.answering = lambda _: answer(recorded("colors"))
    for width in (390, 1280):
        page = open_page("#colors=camel,navy", width=width)
        _answers(page)
        box = page.locator("#figure .cloth").bounding_box()
        first, second = (one.bounding_box() for one in page.locator("#figure .cloth rect").all())
        assert first["x"] <= box["x"] + 1
        assert second["x"] + second["width"] >= box["x"] + box["width"] - 1
        for name in page.locator("#figure .cloth text").all():
            assert name.bounding_box()["height"] >= 13
            assert name.bounding_box()["y"] + name.bounding_box()["height"] <= box["y"] + box["height"]


def test_the_first_view_is_light(open_page: Open) -> None:
    """The first view, with its fonts and small samples, weighs less than the contract allows."""
    page = open_page(fresh=True)
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => [one.name, one.transferSize])"
    )
    assert len(sizes) > 10
    assert all(size > 0 for _, size in sizes)
    assert sum(size for _, size in sizes) < MOST_BYTES


def test_nothing_is_lost_when_colours_are_forced(open_page: Open, server: Stub) -> None:
    """With forced colours, swatches and drawings keep their colours, and controls keep their edges."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page(forced_colors="active", width=360)
    page.set_input_files("#photo", KNIT)
    _answers(page)
    fills = page.evaluate("[...document.querySelectorAll('#best .lay .piece')].map((one) => one.dataset.hex)")
    assert fills
    assert set(fills) >= set(recorded("knit")["suggestions"][0]["for"]["colors"])
    assert page.evaluate("getComputedStyle(document.querySelector('.lay')).forcedColorAdjust") == "none"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_proxy_that_answers_in_html_is_told_in_words(open_page: Open, server: Stub) -> None:
    """An answer of 200 that is no JSON, as a captive portal gives, is trouble and not an exception."""
    server.answering = lambda _: text(200, "<html>Sign in to the network</html>")
    page = open_page()
    page.fill("#colors", "camel")
    page.keyboard.press("Enter")
    page.wait_for_selector("#trouble-title:text('cannot be read')")


def _owned() -> str:
    items = [
        {"id": "Camel coat", "category": "outerwear", "colors": [{"hex": "#c19a6b", "name": "camel"}]},
        {"id": "White sneakers", "category": "shoes", "colors": [{"hex": "#f4f4f0", "name": "white"}]},
        {"id": "Brown belt", "category": "accessory", "colors": [{"hex": "#6b4428", "name": "brown"}]},
    ]
    return json.dumps(items)
