"""Tests the pages without a server, a gallery and a backfill's report, and that `make picture` says the same."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageDraw

from models.gallery import index
from pipeline.analysis import advise
from pipeline.contract import advice_in_words, advice_to_json
from pipeline.options import parse_options
from pipeline.picture.looks import Look, data_uri, look, look_script
from pipeline.picture.overlay import WORDS
from pipeline.picture.page import page
from pipeline.types import DecodedImage, Segmentation
from tests.browser.checks import must_hold
from tests.serve.fakes import painted, painted_labels

OPTIONS = parse_options('{"include": ["masks"], "max_suggestions": 3}')


def _image() -> DecodedImage:
    pixels = painted(480, 320)
    return DecodedImage(pixels, 320, 480)


def _segmentation(image: DecodedImage) -> Segmentation:
    return Segmentation(painted_labels(image.pixels, *image.pixels.shape[:2]), None, "painted")


@contextmanager
def _opened(browser: Any, looks: list[Look], folder: Path, scheme: str = "light") -> Iterator[Any]:
    """A gallery's file in the browser. At the end no script failed and nothing was loaded."""
    noticed: list[str] = []
    file = folder / "index.html"
    file.write_text(index(looks), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    opened = context.new_page()
    opened.on("console", lambda message: noticed.append(message.text))
    opened.on("pageerror", lambda error: noticed.append(str(error)))
    opened.on("request", lambda request: noticed.append(request.url) if request.url.startswith("http") else None)
    opened.goto(file.as_uri())
    yield opened
    context.close()
    assert noticed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_gallery_holds_when_opened_as_a_file(browser: Any, tmp_path: Path, scheme: str) -> None:
    """Every rule of the page holds for a gallery too; a photo that is gone, and a name with markup, are no trouble."""
    image = _image()
    answer = advice_to_json(advise(image, _segmentation(image), OPTIONS), "en")
    evil = "<img src=x onerror=alert(1)>"
    looks = [look("a", data_uri(image.pixels, side_px=400), answer), look(evil, "", answer)]
    with _opened(browser, looks, tmp_path, scheme) as opened:
        assert opened.locator(".look").count() == 2
        assert opened.locator(".look .found").count() == 2
        assert opened.inner_text(".look:nth-child(2) h3") == evil
        assert "was not found" in opened.inner_text(".look:nth-child(2) .seen")
        must_hold(opened, "gallery")


def test_both_renderers_say_the_same_of_one_answer(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kinds, names, codes and sentences of the browser's drawing stand on Pillow's page too, and none is missing."""
    image = _image()
    advice = advise(image, _segmentation(image), OPTIONS)
    said: list[str] = []
    drawing = ImageDraw.ImageDraw.text

    def noted(self: Any, place: Any, text: str, **more: Any) -> None:
        said.append(text)
        drawing(self, place, text, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    page("photo.png", image, advice_in_words(advice, "en"), OPTIONS)
    printed = " ".join(said).lower()
    with _opened(browser, [look("photo.png", "", advice_to_json(advice, "en"))], tmp_path) as opened:
        for details in opened.locator("details").all():
            details.evaluate("(one) => { one.open = true; }")
        shown = re.sub(r"\s+", " ", opened.inner_text(".look")).lower()
    best = advice_in_words(advice, "en").suggestions[0]
    facts = [best.summary, best.rating, *(color.name for color in best.colors)]
    for garment in advice.garments:
        facts += [WORDS[garment.category], *(color.hex for color in garment.colors)]
        facts += [color.names.fashion.name for color in garment.colors]
    assert len(facts) > 8
    for fact in facts:
        assert fact.lower() in shown, fact
        assert fact.lower() in printed, fact


def test_kinds_have_the_same_words_everywhere() -> None:
    """The words of look.js for the kinds of garments are those of Pillow's page."""
    (table,) = re.findall(r"^const KINDS = \{(.+)\};$", look_script(), re.MULTILINE)
    assert {name: word.lower() for name, word in re.findall(r'(\w+): "(\w+)"', table)} == WORDS
