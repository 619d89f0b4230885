"""Tests what a person does on the page: ask, swap, save, keep, and go on after trouble."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import errors
from pipeline.errors import ColorMatchError, FieldError, InvalidFields, RateLimited
from serve.http.pages import PLAYGROUND
from tests.browser.checks import recorded
from tests.browser.conftest import Open, watch
from tests.browser.stub import Asked, Reply, Stub, answer, problem, stub, text

KNIT = PLAYGROUND / "sample-knit.webp"
DRESS = PLAYGROUND / "sample-dress.webp"
KEY = "ssk_test"
# Makes an event with a file of the page's own address, as a person's drop or paste has it.
_WITH_FILE = """
async ([kind, place]) => {
  const blob = await (await fetch("assets/sample-dress.webp")).blob();
  const transfer = new DataTransfer();
  transfer.items.add(new File([blob], "dress.webp", { type: "image/webp" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(place).dispatchEvent(event);
  return event.defaultPrevented;
}
"""
# What has the focus: a sample, an id, a value or a text.
_FOCUSED = """
() => {
  const node = document.activeElement;
  return node.dataset.sample || node.id || (node.type === "radio" && node.value) || node.textContent.trim();
}
"""
# The colour in the middle of the shown photo.
_MIDDLE = """
async () => {
  const image = new Image();
  image.src = document.querySelector("#figure image").href.baseVal;
  await image.decode();
  const context = document.createElement("canvas").getContext("2d");
  context.drawImage(image, -image.width / 2, -image.height / 2);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
"""


def _answered(page: Any, name: str) -> None:
    """Waits until the best suggestion is that of a recorded answer."""
    page.wait_for_selector(f"#best h3:text('{recorded(name)['suggestions'][0]['summary']}')")


def _type(page: Any, words: str) -> None:
    page.fill("#colors", words)
    page.keyboard.press("Enter")


# --- asking ---------------------------------------------------------------------------------------------------
def test_the_key_is_taken_out_of_the_address(open_page: Open, server: Stub) -> None:
    """The link of `make serve` gives the key, which leaves the address and goes with each request."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page(f"#key={KEY}&colors=camel,navy&intent=bold")
    _answered(page, "colors")
    assert KEY not in page.url
    assert page.url.endswith("#colors=camel,navy&intent=bold")
    assert server.asked[0].key == KEY
    assert server.asked[0].options()["intent"] == "bold"
    assert page.evaluate("[sessionStorage.key, localStorage.key].includes('ssk_test')") is False
    page.reload()
    _answered(page, "colors")
    assert server.asked[-1].key == KEY


def test_a_sample_is_one_click_away(open_page: Open, server: Stub) -> None:
    """A sample's button sends the photo, shows its garments in its own colours, and gives a link to itself."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.click("[data-sample=knit]")
    _answered(page, "knit")
    assert page.url.endswith("#sample=knit")
    assert KNIT.read_bytes() in server.asked[0].body
    assert page.locator("#figure .found").count() == len(recorded("knit")["garments"])
    assert [row.inner_text() for row in page.locator("#garments .kind").all()] == ["Top ecru", "Bottoms indigo denim"]
    page.go_back()
    page.wait_for_selector("[data-state=idle]")


def test_the_second_photo_gets_its_own_answer_when_two_come_quickly(open_page: Open, server: Stub) -> None:
    """The slow answer of the first photo is dropped, also when it comes after the second one's."""

    def answering(asked: Asked) -> Reply:
        first = KNIT.read_bytes() in asked.body
        return answer(recorded("knit" if first else "dress"), delay_s=1.2 if first else 0.1)

    server.answering = answering
    page = open_page()
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("[data-state=loading] #figure img")
    page.set_input_files("#photo", DRESS)
    _answered(page, "dress")
    page.wait_for_timeout(1500)
    _answered(page, "dress")
    assert page.locator("#figure .found").count() == 1
    assert page.evaluate(_MIDDLE) == pytest.approx([168, 75, 53], abs=40)


@pytest.mark.parametrize(("kind", "place"), [("drop", ".foot"), ("drop", ".top"), ("paste", "body")])
def test_a_photo_is_taken_wherever_it_lands(open_page: Open, server: Stub, kind: str, place: str) -> None:
    """A photo dropped beside the form, or pasted, is asked about, and the browser does not leave the page for it."""
    server.answering = lambda _: answer(recorded("dress"))
    page = open_page()
    assert page.evaluate(_WITH_FILE, [kind, place]) is True
    _answered(page, "dress")


def test_a_large_photo_is_made_smaller_before_it_is_sent(open_page: Open, server: Stub) -> None:
    """A photo of 12 megapixels is sent with 2,048 px on its longer side, upright."""
    server.answering = lambda _: answer(recorded("dress"))
    image, file = Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(file, "JPEG", exif=exif)
    page = open_page()
    page.set_input_files("#photo", {"name": "big.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    _answered(page, "dress")
    body = server.asked[0].body
    start = body.index(b"\xff\xd8")
    with Image.open(io.BytesIO(body[start:])) as sent:
        assert sent.size == (1536, 2048)


def test_a_file_past_the_form_is_uploaded_when_the_browser_cannot_read_it(
    open_page: Open, server: Stub, tmp_path: Path
) -> None:
    """A file over 10 MiB goes to the store by a presigned upload, whose progress shows; then its key is asked about."""

    def answering(asked: Asked) -> Reply:
        if asked.path == "uploads/presign":
            assert json.loads(asked.body)["content_length"] == 11 * 2**20
            return answer({"method": "POST", "url": f"{server.url}v1/store", "fields": {"key": "k"}, "object_key": "k"})
        if asked.path == "store":
            return Reply(204, delay_s=0.6)
        return answer(recorded("dress"))

    server.answering = answering
    page = open_page()
    (tmp_path / "a.heic").write_bytes(bytes(11 * 2**20))
    page.set_input_files("#photo", tmp_path / "a.heic")
    page.wait_for_selector("#progress:not([hidden])")
    _answered(page, "dress")
    assert [asked.path for asked in server.asked] == ["uploads/presign", "store", "advice"]
    assert json.loads(server.asked[-1].body)["object_key"] == "k"
    assert page.locator("#figure p").count() == 1


def test_a_request_ends_when_it_is_cancelled(open_page: Open, server: Stub) -> None:
    """Cancel leads back to the beginning, and the late answer does not come after all."""
    server.answering = lambda _: answer(recorded("colors"), delay_s=0.8)
    page = open_page()
    _type(page, "camel, navy")
    page.click("#cancel")
    page.wait_for_selector("[data-state=idle]")
    page.wait_for_timeout(1000)
    assert page.get_attribute("body", "data-state") == "idle"
    assert page.evaluate("document.activeElement.id") == "colors"


def test_other_options_ask_again(open_page: Open, server: Stub) -> None:
    """Another intent, another wheel and fewer schemes each ask the same question again."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.check("[value=bold]", force=True)
    page.click("#more summary")
    page.uncheck("[value=triadic]")
    page.check("#ryb")
    page.wait_for_timeout(200)
    _answered(page, "knit")
    asked = [one.options() for one in server.asked]
    assert [one["intent"] for one in asked] == ["balanced", "bold", "bold", "bold"]
    assert "triadic" not in asked[2]["schemes"]
    assert (asked[3]["wheel"], len(asked[3]["schemes"])) == ("ryb", 6)


def test_the_light_is_corrected_when_a_person_asks_for_it(open_page: Open, server: Stub) -> None:
    """A tinted photo has a note, whose button asks again with the correction."""
    server.answering = lambda _: answer(recorded("warm"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    page.click("text=Correct for the light")
    _answered(page, "warm")
    assert [one.options().get("white_balance") for one in server.asked] == [None, "apply"]


# --- looking --------------------------------------------------------------------------------------------------
def test_list_and_outline_light_up_together(open_page: Open, server: Stub) -> None:
    """A pointer on an outline lights its row, and a focused row lights its outline."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.hover(".found[data-garment=g2] circle")
    assert page.locator("li.garment.lit").get_attribute("data-garment") == "g2"
    page.locator("li.garment[data-garment=g1] summary").focus()
    assert page.locator(".found[data-garment=g1]").get_attribute("class") == "found lit"


def test_a_swapped_colour_dresses_the_drawing(open_page: Open, server: Stub) -> None:
    """Another colour for a suggested one changes the drawing and the sentence, and can be undone."""
    server.answering = lambda _: answer(recorded("knit"))
    best = recorded("knit")["suggestions"][0]
    first, other = (
        best["colors"][0],
        next(one for one in best["alternatives"] if one["replaces"] == best["colors"][0]["hex"]),
    )
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.click(".swaps summary")
    page.click(f".swaps .sheet button:text('{other['name']}')")
    page.wait_for_selector(f"#best h3:text-matches('{other['name']} instead of {first['name']}', 'i')")
    assert page.locator(f"#best .piece[data-hex='{other['hex']}']").count() >= 1
    assert page.evaluate("document.activeElement.closest('.swaps') !== null")
    page.click(".swaps summary")
    page.click(f".swaps .sheet button:text('{first['name']}')")
    _answered(page, "knit")


def test_another_suggestion_stands_large_when_it_is_chosen(open_page: Open, server: Stub) -> None:
    """A click on a small suggestion shows it large, and the former one small."""
    server.answering = lambda _: answer(recorded("knit"))
    second = recorded("knit")["suggestions"][1]["summary"]
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.click(f"#others button:text('{second}')")
    page.wait_for_selector(f"#best h3:text('{second}')")
    assert page.locator("#others button").count() == 3
    assert recorded("knit")["suggestions"][0]["summary"] in page.inner_text("#others")


def test_colour_blind_eyes_can_be_tried(open_page: Open, server: Stub) -> None:
    """The preview filters the whole answer, and everyone's eyes come back."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    for eyes, shown in (
        ("protan", 'url("#protan")'),
        ("deutan", 'url("#deutan")'),
        ("tritan", 'url("#tritan")'),
        ("", "none"),
    ):
        page.select_option("#eyes", eyes)
        assert page.evaluate("getComputedStyle(document.querySelector('#result')).filter") == shown


# --- taking away ----------------------------------------------------------------------------------------------
def test_palettes_and_the_card_can_be_saved(open_page: Open, server: Stub) -> None:
    """Every format of the palette is asked for with the key and saved; the card is a picture of 1,200 by 630 px."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page(f"#key={KEY}&colors=camel,navy")
    _answered(page, "colors")
    for label in ("SVG", "PNG", "CSS", "GPL", "ASE", "JSON"):
        page.click(".tools summary")
        with page.expect_download() as download:
            page.click(f".tools .sheet button:text('{label}')")
        assert download.value.suggested_filename == f"palette.{label.lower()}"
    asked = server.asked[-1]
    assert (asked.path, asked.key) == ("palette", KEY)
    assert asked.body.startswith(recorded("colors")["suggestions"][0]["for"]["colors"][0][1:].encode())
    with page.expect_download() as download:
        page.click("text=Save as picture")
    with Image.open(download.value.path()) as card:
        assert (card.format, card.size) == ("PNG", (1200, 630))
        pixels = np.asarray(card.convert("RGB")).reshape(-1, 3)
    for color in recorded("colors")["suggestions"][0]["colors"]:
        assert (pixels == tuple(bytes.fromhex(color["hex"][1:]))).all(axis=1).sum() > 1000


def test_the_request_can_be_copied_as_code(open_page: Open, server: Stub) -> None:
    """Each language shows the request that was sent, without the key, and the arrow keys change the language."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page(f"#key={KEY}&colors=camel,navy&intent=bold")
    _answered(page, "colors")
    page.click("#copy-code")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{server.url}v1/advice" in copied
    assert '{"colors":["camel","navy"],"options":{"intent":"bold"}}' in copied
    assert KEY not in copied
    page.focus("[role=tab][aria-selected=true]")
    for language, part in (("Python", "httpx.post("), ("TypeScript", "await fetch("), ("Answer", '"suggestions"')):
        page.keyboard.press("ArrowRight")
        assert page.inner_text("[role=tab][aria-selected=true]") == language
        assert part in page.inner_text("#code")
    assert page.evaluate("document.activeElement.innerText") == "Answer"


def test_a_colour_is_copied_with_one_click(open_page: Open, server: Stub) -> None:
    """A hex code is a button that copies it and says so."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.click("li.garment[data-garment=g1] summary")
    page.click("li.garment[data-garment=g1] .copy")
    code = recorded("knit")["garments"][0]["colors"][0]["hex"]
    page.wait_for_selector(f"#toast:text('{code} is copied')")
    assert page.evaluate("navigator.clipboard.readText()") == code


# --- the wardrobe ---------------------------------------------------------------------------------------------
def test_the_wardrobe_is_kept_and_matched(open_page: Open, server: Stub) -> None:
    """Pieces are added by colour or from a photo, outlive the tab, go with each request, and can be removed."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    page.click("li.garment[data-garment=g1] summary")
    page.click("text=Keep in my wardrobe")
    page.wait_for_selector("#wardrobe-count:text('1')")
    page.click("#wardrobe-open")
    page.fill("#item-color", "camel")
    page.select_option("#item-kind", "outerwear")
    page.click("#wardrobe-form button")
    page.wait_for_selector("#items li:has-text('Camel jacket')")
    page.reload()
    page.set_input_files("#photo", KNIT)
    _answered(page, "knit")
    sent = server.asked[-1].options()["wardrobe"]
    assert [(item["id"], item["category"]) for item in sent] == [("Ecru top", "top"), ("Camel jacket", "outerwear")]
    page.click("#wardrobe-open")
    page.click("[aria-label='Remove Camel jacket']")
    page.wait_for_selector("#wardrobe-count:text('1')")


def test_outfits_of_the_wardrobe_are_drawn(open_page: Open, server: Stub) -> None:
    """Matches and outfits name the person's pieces, and an outfit is drawn in its colours."""
    server.answering = lambda _: answer(recorded("wardrobe"))
    page = open_page()
    page.evaluate(
        "localStorage.setItem('wardrobe', JSON.stringify([['Camel coat', 'outerwear', '#c19a6b'], ['White sneakers', "
        "'shoes', '#f4f4f0'], ['Brown belt', 'accessory', '#6b4428']].map(([id, category, hex]) => "
        "({ id, category, colors: [{ hex }] }))))"
    )
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("#owned .rack li:has-text('Camel coat')")
    drawn = page.locator("#owned .outfits .piece").evaluate_all("(all) => all.map((one) => one.dataset.hex)")
    worn = [garment["colors"][0]["hex"] for garment in recorded("wardrobe")["garments"]]
    assert set(drawn) == {"#c19a6b", "#f4f4f0", "#6b4428", *worn}


# --- several photos -------------------------------------------------------------------------------------------
def test_several_photos_become_a_strip_and_a_table(open_page: Open, server: Stub) -> None:
    """Each photo has its own answer; the table has a row a garment; the CSV has the same rows; a bad one is marked."""

    def answering(asked: Asked) -> Reply:
        if b"broken.jpg" in asked.body:
            return problem(errors.ImageTruncated("The file ends too early."))
        return answer(recorded("knit" if KNIT.read_bytes() in asked.body else "dress"))

    server.answering = answering
    page = open_page()
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff"}
    named = {"name": "=1+1,.webp", "mimeType": "image/webp", "buffer": DRESS.read_bytes()}
    knit = {"name": "knit.webp", "mimeType": "image/webp", "buffer": KNIT.read_bytes()}
    page.set_input_files("#photo", [knit, named, broken])
    page.wait_for_selector("#strip [data-done=bad]")
    page.wait_for_function("document.querySelectorAll('#strip [data-done=yes]').length === 2")
    _answered(page, "knit")
    page.click("#table summary")
    assert page.locator("#table tbody tr").count() == 4
    with page.expect_download() as download:
        page.click("#csv")
    rows = download.value.path().read_text().splitlines()
    assert rows[0] == "Photo,Garment,Colour,Hex,Share,Wear with"
    assert rows[1].startswith("knit.webp,Top,ecru,#e2d4b9,1,")
    assert any(row.startswith('"\'=1+1,.webp",Dress,cognac') for row in rows)
    assert any(row.startswith("broken.jpg,Part of this photo is missing") for row in rows)
    page.click("#strip button:nth-child(2)")
    _answered(page, "dress")
    page.click("#strip button:nth-child(3)")
    page.wait_for_selector("#trouble-title:text('Part of this photo is missing')")


# --- trouble --------------------------------------------------------------------------------------------------
TROUBLES: list[tuple[Reply, str, bool]] = [
    (problem(errors.TooLarge("The image has 30000000 pixels; at most 16000000 are allowed.")), "too large", False),
    (problem(errors.UnsupportedMedia("It is a GIF.")), "not a photo we can read", False),
    (problem(errors.ImageUndecodable("No.")), "cannot be opened", False),
    (problem(errors.Forbidden("The key lacks the scope 'advice'.")), "may not do that", False),
    (problem(InvalidFields((FieldError("/colors/0", "Unknown colour 'camle'; did you mean camel?"),))), "to correct", False),
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
        _type(page, "camel, navy")
        _answered(page, "colors")
        server.answering = lambda _, reply=reply: reply  # type: ignore[misc]
        page.set_input_files("#photo", KNIT)
        page.wait_for_selector(f"#trouble-title:text('{title}')")
        assert not page.is_visible("#wear"), title
        assert page.locator("#garments *").count() == 0, title
        assert page.is_visible("#retry") is retry, title
        assert "JSON" not in page.inner_text("#trouble"), title
        assert page.evaluate("document.activeElement.id") == "trouble-title", title


def test_the_wait_of_a_rate_limit_is_counted_down(open_page: Open, server: Stub) -> None:
    """Try again waits as long as Retry-After says, then works."""
    server.answering = lambda _: problem(RateLimited("3 a minute.", retry_after_s=2))
    page = open_page()
    _type(page, "camel, navy")
    page.wait_for_selector("#countdown:text('free in')")
    assert page.is_disabled("#retry")
    server.answering = lambda _: answer(recorded("colors"))
    began_s = time.monotonic()
    page.wait_for_selector("#retry:enabled")
    assert time.monotonic() - began_s > 1.0
    page.click("#retry")
    _answered(page, "colors")


def test_a_missing_key_is_asked_for(open_page: Open, server: Stub) -> None:
    """Without a valid key the page asks for one, with the focus in its field, and then goes on by itself."""

    def answering(asked: Asked) -> Reply:
        return answer(recorded("colors")) if asked.key == KEY else problem(errors.Unauthenticated("No key."))

    server.answering = answering
    page = open_page()
    _type(page, "camel, navy")
    page.wait_for_selector("#key-dialog[open]")
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    _answered(page, "colors")


def test_the_page_goes_on_when_the_network_is_back(open_page: Open, server: Stub) -> None:
    """Offline is told as such, and the question is asked again with the connection."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page()
    page.context.set_offline(True)
    _type(page, "camel, navy")
    page.wait_for_selector("#trouble-title:text('You are offline')")
    page.context.set_offline(False)
    _answered(page, "colors")


def test_a_name_with_markup_is_shown_as_text(open_page: Open, server: Stub) -> None:
    """A file's name, a colour's word and a server's text are never markup."""
    evil = "<img src=x onerror=document.title='no'>"
    value = json.loads(json.dumps(recorded("colors")))
    value["garments"][0]["colors"][0]["given"] = evil
    value["suggestions"][0]["summary"] = evil
    server.answering = lambda _: answer(value)
    page = open_page()
    _type(page, evil)
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
    _answered(page, "colors")
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
    server.answering = lambda _: answer(recorded("knit"), delay_s=0.3)
    page = open_page()
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("#status:text('Looking at the photo')", state="attached")
    _answered(page, "knit")
    heard = page.inner_text("#status")
    assert heard == f"Found: top and bottoms. {recorded('knit')['suggestions'][0]['summary']}"
    alt = page.get_attribute("#figure svg", "aria-label")
    assert alt == "The photo with its garments: 1 ecru top and 2 indigo denim bottoms."


# --- elsewhere ------------------------------------------------------------------------------------------------
def test_the_page_works_behind_a_prefix(browser: Any) -> None:
    """Behind /shop/ everything that the page asks for is below /shop/."""
    noticed: list[str] = []
    with stub("/shop") as behind:
        behind.answering = lambda _: answer(recorded("knit"))
        page = browser.new_page()
        watch(page, behind.url, noticed)
        page.goto(behind.url + "#sample=knit")
        _answered(page, "knit")
        assert "/shop/v1/advice" in page.inner_text("#code")
        page.close()
    assert noticed == []
