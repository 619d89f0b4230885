"""Tests how a question is asked: by sample, photo, colours, link, drop and paste."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.checks import recorded
from tests.browser.conftest import Open, watch
from tests.browser.person import DRESS, KEY, KNIT, must_answer, type_colors
from tests.browser.stub import Asked, Reply, Stub, answer, stub

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


def test_the_key_is_taken_out_of_the_address(open_page: Open, server: Stub) -> None:
    """The link of `make serve` gives the key, which leaves the address and goes with each request."""
    server.answering = lambda _: answer(recorded("colors"))
    assert open_page(f"#key={KEY}").url == server.url
    page = open_page(f"#key={KEY}&colors=camel,navy&intent=bold")
    must_answer(page, "colors")
    assert KEY not in page.url
    assert page.url.endswith("#colors=camel,navy&intent=bold")
    assert server.asked[0].key == KEY
    assert server.asked[0].options()["intent"] == "bold"
    assert page.evaluate("[sessionStorage.key, localStorage.key].includes('ssk_test')") is False
    page.reload()
    must_answer(page, "colors")
    assert server.asked[-1].key == KEY


def test_a_sample_is_one_click_away(open_page: Open, server: Stub) -> None:
    """A sample's button sends the photo, shows its garments in its own colours, and gives a link to itself."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.click("[data-sample=knit]")
    must_answer(page, "knit")
    assert page.url.endswith("#sample=knit")
    assert KNIT.read_bytes() in server.asked[0].body
    assert page.locator("#figure .found").count() == len(recorded("knit")["garments"])
    assert [row.inner_text() for row in page.locator("#garments .kind").all()] == ["Top ecru", "Bottoms indigo denim"]
    # The reader has no such file yet.
    assert page.inner_text("#code").startswith(f"curl -sSO {server.url}assets/sample-knit.webp\n")
    page.go_back()
    page.wait_for_selector("[data-state=idle]")


def test_the_second_photo_gets_its_own_answer_when_two_come_quickly(open_page: Open, server: Stub) -> None:
    """The slow answer of the first photo is dropped, also when it comes after the second one's."""
    held = threading.Event()

    def answering(asked: Asked) -> Reply:
        first = KNIT.read_bytes() in asked.body
        return answer(recorded("knit"), after=held) if first else answer(recorded("dress"))

    server.answering = answering
    page, aborted = open_page(), list[str]()
    page.on("requestfailed", lambda request: aborted.append(request.url))
    page.set_input_files("#photo", KNIT)
    page.wait_for_selector("[data-state=loading] #figure img")
    page.set_input_files("#photo", DRESS)
    must_answer(page, "dress")
    held.set()
    page.wait_for_timeout(300)
    must_answer(page, "dress")
    assert page.locator("#figure .found").count() == 1
    assert aborted == [f"{server.url}v1/advice"]
    assert page.evaluate(_MIDDLE) == pytest.approx([168, 75, 53], abs=40)


def test_a_photo_is_taken_wherever_it_lands(open_page: Open, server: Stub) -> None:
    """A photo dropped beside the form, or pasted, is asked about, and the browser does not leave the page for it."""
    server.answering = lambda _: answer(recorded("dress"))
    page = open_page()
    for kind, place in (("drop", ".foot"), ("drop", ".top"), ("paste", "body")):
        assert page.evaluate(_WITH_FILE, [kind, place]) is True
        must_answer(page, "dress")
        page.click(".brand")
        page.wait_for_selector("[data-state=idle]")
    assert len(server.asked) == 3


def test_a_large_photo_is_made_smaller_before_it_is_sent(open_page: Open, server: Stub) -> None:
    """A photo of 12 megapixels is sent with 2,048 px on its longer side, upright."""
    server.answering = lambda _: answer(recorded("dress"))
    image, file = Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)), io.BytesIO()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(file, "JPEG", exif=exif)
    page = open_page()
    page.set_input_files("#photo", {"name": "big.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    must_answer(page, "dress")
    body = server.asked[0].body
    start = body.index(b"\xff\xd8")
    with Image.open(io.BytesIO(body[start:])) as sent:
        assert sent.size == (1536, 2048)


def test_a_file_past_the_form_is_uploaded_when_the_browser_cannot_read_it(
    open_page: Open, server: Stub, tmp_path: Path
) -> None:
    """A file over 10 MiB goes to the store by a presigned upload, whose progress shows; then its key is asked about."""
    held = threading.Event()

    def answering(asked: Asked) -> Reply:
        if asked.path == "uploads/presign":
            assert json.loads(asked.body)["content_length"] == 11 * 2**20
            return answer({"method": "POST", "url": f"{server.url}v1/store", "fields": {"key": "k"}, "object_key": "k"})
        if asked.path == "store":
            return Reply(204, after=held)
        return answer(recorded("dress"))

    server.answering = answering
    page = open_page()
    (tmp_path / "a.heic").write_bytes(bytes(11 * 2**20))
    page.set_input_files("#photo", tmp_path / "a.heic")
    page.wait_for_selector("#progress:not([hidden])")
    held.set()
    must_answer(page, "dress")
    assert [asked.path for asked in server.asked] == ["uploads/presign", "store", "advice"]
    assert json.loads(server.asked[-1].body)["object_key"] == "k"
    assert page.locator("#figure p").count() == 1


def test_a_request_ends_when_it_is_cancelled(open_page: Open, server: Stub) -> None:
    """Cancel leads back to the beginning, and the late answer does not come after all."""
    held = threading.Event()
    server.answering = lambda _: answer(recorded("colors"), after=held)
    page = open_page()
    type_colors(page, "camel, navy")
    page.click("#cancel")
    page.wait_for_selector("[data-state=idle]")
    held.set()
    page.wait_for_timeout(300)
    assert page.get_attribute("body", "data-state") == "idle"
    assert page.evaluate("document.activeElement.id") == "colors"


@pytest.mark.parametrize("written", ["#c19a6b", "C19A6B", "rgb(193, 154, 107)"])
def test_a_colour_has_a_name_when_it_was_typed_as_a_code(open_page: Open, server: Stub, written: str) -> None:
    """The page calls it by the name of the colour, and shows its code beside it once."""
    value = json.loads(json.dumps(recorded("colors")))
    value["garments"][0]["colors"][0]["given"] = written
    server.answering = lambda _: answer(value)
    page = open_page()
    type_colors(page, f"{written}, navy")
    page.wait_for_selector("[data-state=answer]")
    assert "camel" in page.inner_text("#garments").lower()
    assert written not in page.inner_text("#garments").replace("#c19a6b", "", 1)


def test_other_options_ask_again(open_page: Open, server: Stub) -> None:
    """Another intent, another wheel and fewer schemes each ask the same question again."""
    server.answering = lambda _: answer(recorded("knit"))
    page = open_page()
    page.set_input_files("#photo", KNIT)
    must_answer(page, "knit")
    page.check("[value=bold]", force=True)
    page.click("#more summary")
    page.uncheck("[value=triadic]")
    page.check("#ryb")
    page.wait_for_timeout(200)
    must_answer(page, "knit")
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
    must_answer(page, "warm")
    assert [one.options().get("white_balance") for one in server.asked] == [None, "apply"]


def test_the_page_works_behind_a_prefix(browser: Any) -> None:
    """Behind /shop/ everything that the page asks for is below /shop/."""
    noticed: list[str] = []
    with stub("/shop") as behind:
        behind.answering = lambda _: answer(recorded("knit"))
        page = browser.new_page()
        watch(page, behind.url, noticed)
        page.goto(behind.url + "#sample=knit")
        must_answer(page, "knit")
        assert "/shop/v1/advice" in page.inner_text("#code")
        page.close()
    assert noticed == []
