"""Tests trouble told in words, and the page by keyboard and by ear."""

import json
import threading

from pipeline import errors
from pipeline.color.words import parse_color
from pipeline.errors import ColorMatchError, FieldError, InvalidFields, RateLimited
from tests.browser.checks import recorded
from tests.browser.conftest import Open
from tests.browser.person import KEY, KNIT, must_answer, type_colors
from tests.browser.stub import Asked, Reply, Stub, answer, problem, text

# What has the focus: a sample, an id, a value or a text.
_FOCUSED = """
() => {
  const node = document.activeElement;
  return node.dataset.sample || node.id || (node.type === "radio" && node.value) || node.textContent.trim();
}
"""


# --- trouble --------------------------------------------------------------------------------------------------
TROUBLES: list[tuple[Reply, str, bool]] = [
    (problem(errors.TooLarge("The image has 30000000 pixels; at most 16000000 are allowed.")), "too large", False),
    (problem(errors.UnsupportedMedia("It is a GIF.")), "not a photo we can read", False),
    (problem(errors.ImageUndecodable("No.")), "cannot be opened", False),
    (problem(errors.Forbidden("The key lacks the scope 'advice'.")), "may not do that", False),
    (problem(InvalidFields((FieldError("/colors/0", "Unknown: 'camle'; did you mean camel?"),))), "to correct", False),
    (problem(errors.Overloaded("Busy.")), "server is busy", True),
    (problem(errors.NotReady("Not yet.")), "still starting", True),
    (problem(ColorMatchError()), "Something went wrong", True),
    (text(500, "Internal Server Error"), "does not know", True),
    (text(404, "<html>Not Found</html>"), "Nothing answers", True),
    (text(502, "Bad Gateway"), "does not answer", True),
    (text(503, "<html><body>503 Service Unavailable</body></html>"), "server is busy", True),
]  # fmt: skip


def test_each_error_is_told_in_words_and_the_old_answer_goes(open_page: Open, server: Stub) -> None:
    """After an error its sentence stands alone: no older answer beside it, and Try again only where it helps."""
    page = open_page()
    for reply, title, retry in TROUBLES:
        server.answering = lambda _: answer(recorded("colors"))
        type_colors(page, "camel, navy")
        must_answer(page, "colors")
        server.answering = lambda _, reply=reply: reply  # type: ignore[misc]
        page.set_input_files("#photo", KNIT)
        page.wait_for_selector(f"#trouble-title:text('{title}')")
        assert not page.is_visible("#wear"), title
        assert page.locator("#garments *").count() == 0, title
        assert page.is_visible("#retry") is retry, title
        assert "JSON" not in page.inner_text("#trouble"), title
        assert page.evaluate("document.activeElement.id") == "trouble-title", title


def test_a_misspelt_colour_is_put_right_with_one_click(open_page: Open, server: Stub) -> None:
    """The nearest words to an unknown one are buttons; the other colours stay."""

    def answering(asked: Asked) -> Reply:
        if b"camle" not in asked.body:
            return answer(recorded("colors"))
        try:
            parse_color("camle")
        except errors.InvalidOptions as error:
            return problem(InvalidFields((FieldError("/colors/0", error.detail),)))
        raise AssertionError("it is a colour now")

    server.answering = answering
    page = open_page()
    type_colors(page, "camle, navy")
    page.click("#trouble-fields button:text-is('camel')")
    must_answer(page, "colors")
    assert page.input_value("#colors") == "camel, navy"
    assert page.url.endswith("#colors=camel,navy")


def test_the_wait_of_a_rate_limit_is_counted_down(open_page: Open, server: Stub) -> None:
    """Try again waits as long as Retry-After says, then works."""
    server.answering = lambda _: problem(RateLimited("3 a minute.", retry_after_s=41))
    page = open_page(fresh=True)
    page.clock.install()
    type_colors(page, "camel, navy")
    page.wait_for_selector("#countdown:text('in')")
    assert page.is_disabled("#retry")
    server.answering = lambda _: answer(recorded("colors"))
    page.clock.run_for(38_000)
    assert page.is_disabled("#retry")
    page.clock.run_for(4_000)
    page.wait_for_selector("#retry:enabled")
    page.click("#retry")
    must_answer(page, "colors")


def test_a_missing_key_is_asked_for(open_page: Open, server: Stub) -> None:
    """Without a key the page asks for one, tells a wrong one from none, and goes on by itself with a right one."""

    def answering(asked: Asked) -> Reply:
        return answer(recorded("colors")) if asked.key == KEY else problem(errors.Unauthenticated("No key."))

    server.answering = answering
    page = open_page()
    type_colors(page, "camel, navy")
    page.wait_for_selector("#key-dialog[open]")
    assert page.evaluate("document.activeElement.id") == "key"
    assert page.inner_text("#key-why") == "The server wants an API key."
    page.keyboard.type("ssk_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-why:text('does not take this key')")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    must_answer(page, "colors")


def test_the_page_goes_on_when_the_network_is_back(open_page: Open, server: Stub) -> None:
    """Offline is told as such, and the question is asked again with the connection."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page()
    page.context.set_offline(True)
    type_colors(page, "camel, navy")
    page.wait_for_selector("#trouble-title:text('You are offline')")
    page.context.set_offline(False)
    must_answer(page, "colors")


def test_a_name_with_markup_is_shown_as_text(open_page: Open, server: Stub) -> None:
    """A file's name, a colour's word and a server's text are never markup."""
    evil = "<img src=x onerror=document.title='no'>"
    value = json.loads(json.dumps(recorded("colors")))
    value["garments"][0]["colors"][0]["given"] = evil
    value["suggestions"][0]["summary"] = evil
    server.answering = lambda _: answer(value)
    page = open_page()
    type_colors(page, evil)
    page.wait_for_selector("#best h3:has-text('onerror')")
    assert page.title() == "StyleSync ColorMatch"
    assert page.locator("#result img").count() == 0


# --- keyboard -------------------------------------------------------------------------------------------------
def test_everything_is_reached_by_keyboard_in_the_order_of_the_page(open_page: Open, server: Stub) -> None:
    """Tab goes from the head through the form to the samples; an answer comes, is explored and left by keys alone."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page()
    seen = []
    for _ in range(11):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(_FOCUSED))
    assert seen == ["Skip to the advice", "StyleSync ColorMatch", "API reference", "wardrobe-open", "key-open", "photo",
                    "colors", "Advise", "balanced", "Schemes", "knit"]  # fmt: skip
    page.focus("#colors")
    page.keyboard.type("camel, navy")
    page.keyboard.press("Enter")
    must_answer(page, "colors")
    page.locator(".swaps summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.sheet') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.swaps summary')")
    assert page.locator(".menu[open]").count() == 0
    page.locator("#others button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#best h3:text('{recorded('colors')['suggestions'][1]['summary']}')")
    assert page.evaluate("document.activeElement.closest('#best') !== null")


def test_the_answer_is_announced(open_page: Open, server: Stub) -> None:
    """A screen reader hears that the page works, what it found, and the best suggestion."""
    held = threading.Event()
    server.answering = lambda _: answer(recorded("knit"), after=held)
    page = open_page()
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("#status:text('Looking at the photo')", state="attached")
    held.set()
    must_answer(page, "knit")
    heard = page.inner_text("#status")
    assert heard == f"Found: top and bottoms. {recorded('knit')['suggestions'][0]['summary']}"
    alt = page.get_attribute("#figure svg", "aria-label")
    assert alt == "The photo with its garments: 1 ecru top and 2 indigo denim bottoms."
