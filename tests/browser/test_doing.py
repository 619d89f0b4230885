"""Tests what a person does with an answer: look, swap, save, keep, and compare photos."""

import json

import numpy as np
from PIL import Image

from pipeline import errors
from tests.browser.checks import recorded
from tests.browser.conftest import Open
from tests.browser.person import DRESS, KEY, KNIT, must_answer
from tests.browser.stub import Asked, Reply, Stub, answer, problem

# Keeps the words that a canvas draws.
_NOTE_DRAWN_TEXT = """
() => {
  const drawing = CanvasRenderingContext2D.prototype.fillText;
  window.drawn = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
    drawn.push(text);
    drawing.call(this, text, ...place);
  };
}
"""


# --- looking --------------------------------------------------------------------------------------------------
def test_list_and_outline_light_up_together(open_page: Open, server: Stub) -> None:
    """A pointer on an outline lights its row, and a focused row lights its outline."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
    # No outline lies over a number.
    drawn = page.locator("#figure svg > g").evaluate_all("(all) => all.map((one) => one.classList[0])")
    assert drawn == ["found", "found", "badge", "badge"]
    page.hover(".badge[data-garment=g2] circle")
    assert page.locator("li.garment.lit").get_attribute("data-garment") == "g2"
    page.locator("li.garment[data-garment=g1] summary").focus()
    assert page.locator(".found[data-garment=g1]").get_attribute("class") == "found lit"


def test_a_swapped_colour_dresses_the_drawing(open_page: Open, server: Stub) -> None:
    """Another colour for a suggested one changes the drawing, every sentence and the picture, and can be undone."""
    server.answering = lambda _: answer(recorded("knit"))
    best = recorded("knit")["suggestions"][0]
    first, other = (
        best["colors"][0],
        next(one for one in best["alternatives"] if one["replaces"] == best["colors"][0]["hex"]),
    )
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
    page.click(".swaps summary")
    page.click(f".swaps .sheet button:text('{other['name']}')")
    page.wait_for_selector(f"#best h3:text-matches('{other['name']} instead of {first['name']}', 'i')")
    assert page.locator(f"#best .piece[data-hex='{other['hex']}']").count() >= 1
    assert page.evaluate("document.activeElement.closest('.swaps') !== null")
    told_before = best["how_to_wear"][0]["text"]
    assert first["name"] in told_before
    assert page.inner_text("#best .how li") == told_before.replace(first["name"], other["name"])
    page.click(".why summary")
    page.wait_for_selector(f".why p:text('for {first['name']}, not for {other['name']}')")
    page.evaluate(_NOTE_DRAWN_TEXT)
    with page.expect_download():
        page.click("text=Save as picture")
    assert first["name"] not in (told := page.evaluate("drawn.join(' ')")).lower()
    assert told.startswith(f"Ecru with {other['name']}")
    page.click(".swaps summary")
    page.click(f".swaps .sheet button:text('{first['name']}')")
    must_answer(page, "knit")


def test_an_accent_goes_where_a_person_has_room(open_page: Open, server: Stub) -> None:
    """A dress with shoes and a bag leaves room for a scarf, and never for trousers under it."""
    value = json.loads(json.dumps(recorded("dress")))
    dress = value["garments"][0]
    value["garments"] += [{**dress, "id": "g2", "category": "shoes"}, {**dress, "id": "g3", "category": "accessory"}]
    best = value["suggestions"][0]
    best["for"]["garment_ids"] = ["g1", "g2", "g3"]
    best["colors"] = [{"hex": code, "name": "a", "role": "accent", "share": 0.1} for code in ("#123456", "#654321")]
    server.answering = lambda _: answer(value)
    page = open_page()
    page.set_input_files("#photo", DRESS)
    must_answer(page, "dress")
    worn = page.locator("#best .piece").evaluate_all("(all) => all.map((one) => [one.dataset.slot, one.dataset.hex])")
    code = dress["colors"][0]["hex"]
    assert dict(worn) == {"shoes": code, "dress": code, "bag": code, "scarf": "#123456"}


def test_another_suggestion_stands_large_when_it_is_chosen(open_page: Open, server: Stub) -> None:
    """A click on a small suggestion shows it large, and the former one small."""
    server.answering = lambda _: answer(recorded("knit"))
    second = recorded("knit")["suggestions"][1]["summary"]
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
    page.click(f"#others button:text('{second}')")
    page.wait_for_selector(f"#best h3:text('{second}')")
    assert page.locator("#others button").count() == 3
    assert recorded("knit")["suggestions"][0]["summary"] in page.inner_text("#others")


def test_colour_blind_eyes_can_be_tried(open_page: Open, server: Stub) -> None:
    """The preview filters the whole answer, and everyone's eyes come back."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
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
    must_answer(page, "colors")
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
    # Pieces without a colour are thin lines.
    assert (pixels.sum(axis=1) < 12).mean() < 0.01
    for color in recorded("colors")["suggestions"][0]["colors"]:
        assert (pixels == tuple(bytes.fromhex(color["hex"][1:]))).all(axis=1).sum() > 1000


def test_the_request_can_be_copied_as_code(open_page: Open, server: Stub) -> None:
    """Each language shows the request that was sent, without the key, and the arrow keys change the language."""
    server.answering = lambda _: answer(recorded("colors"))
    page = open_page(f"#key={KEY}&colors=camel,navy&intent=bold")
    must_answer(page, "colors")
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
    must_answer(page, "knit")
    page.click("li.garment[data-garment=g1] summary")
    page.click("li.garment[data-garment=g1] .copy")
    code = recorded("knit")["garments"][0]["colors"][0]["hex"]
    page.wait_for_selector(f"#toast:text('{code} is copied')")
    assert page.evaluate("navigator.clipboard.readText()") == code


# --- the wardrobe ---------------------------------------------------------------------------------------------
def test_the_wardrobe_is_kept_and_matched(open_page: Open, server: Stub) -> None:
    """Pieces are added by colour or from a photo, outlive the tab, go with each request, and can be removed.

    A garment that was kept from the photo is no match for itself.
    """
    match = recorded("wardrobe")["matches"][0]
    matches = [{**match, "item_id": name} for name in ("Ecru top", "Camel jacket")]
    server.answering = lambda _: answer({**recorded("knit"), "matches": matches})
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
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
    must_answer(page, "knit")
    sent = server.asked[-1].options()["wardrobe"]
    assert [(item["id"], item["category"]) for item in sent] == [("Ecru top", "top"), ("Camel jacket", "outerwear")]
    assert [row.inner_text().split("\n")[0] for row in page.locator("#owned .rack li").all()] == ["Camel jacket"]
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
    page.locator("#strip [data-done=yes]").nth(1).wait_for()
    must_answer(page, "knit")
    page.click("#table summary")
    assert page.locator("#table tbody tr").count() == 4
    with page.expect_download() as download:
        page.click("#csv")
    rows = download.value.path().read_text().splitlines()
    assert rows[0] == "Photo,Garment,Colour,Hex,Share,Wear with"
    knitted, dressed = (recorded(name)["garments"][0]["colors"][0] for name in ("knit", "dress"))
    assert rows[1].startswith(f"knit.webp,Top,ecru,{knitted['hex']},1,")
    assert any(row.startswith(f'"\'=1+1,.webp",Dress,{dressed["names"]["fashion"]["name"]}') for row in rows)
    assert any(row.startswith("broken.jpg,Part of this photo is missing") for row in rows)
    page.click("#strip button:nth-child(2)")
    must_answer(page, "dress")
    page.click("#strip button:nth-child(3)")
    page.wait_for_selector("#trouble-title:text('Part of this photo is missing')")
