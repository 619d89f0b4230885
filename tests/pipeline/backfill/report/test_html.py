"""Tests the report: it is one safe file with the summary's numbers. tests/browser opens it."""

import base64
import hashlib
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest

from pipeline.backfill.report.charts import bar_chart, hue_wheel
from pipeline.backfill.report.html import report_html
from pipeline.backfill.report.summary import Summary
from pipeline.picture.looks import look, look_script
from tests.pipeline.backfill.catalogue import Result, backfill, paint_catalogue


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of a few photos, one of which has markup as its name."""
    folder = tmp_path_factory.mktemp("catalogue") / "photos"
    paint_catalogue(folder, 6)
    (folder / "<script>alert(1)<script>.jpg").write_bytes((folder / "shirt-0001.jpg").read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return backfill("--input", folder, output=folder.parent / "out")


class Outside(HTMLParser):
    """Collects a page's tags, the resources that they load, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.get_starttag_text() and self.lasttag == "script" and data.strip():
            self.scripts.append(data)


def test_the_page_needs_nothing_else_when_it_is_opened(result: Result) -> None:
    """The page loads nothing. Its only script is the playground's own, and its policy allows no other."""
    text = (result.output / "report.html").read_text()
    page = Outside(text)
    assert not {"link", "iframe", "object", "img"} & set(page.tags)
    assert page.loaded == []
    data, script = page.scripts
    assert script == look_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    looks = json.loads(data)
    assert len(looks) == 7
    assert all(one["photo"].startswith("data:image/jpeg;base64,") for one in looks)
    assert all(one["answer"]["garments"][0]["colors"] and one["answer"]["suggestions"] for one in looks)
    assert page.tags.count("svg") == 5


def test_the_page_tells_the_summary_when_it_is_read(result: Result) -> None:
    """The page has the counts, the failures by code and the most frequent colour."""
    page, summary = (result.output / "report.html").read_text(), result.summary()
    assert f"<b>{summary['answers']}</b>answers" in page
    assert "IMAGE_TRUNCATED" in page or "IMAGE_UNDECODABLE" in page
    assert summary["colors_basic"][0]["name"] in page
    assert summary["colors_basic"][0]["hex"] in page


def test_names_are_text_when_they_look_like_markup(result: Result) -> None:
    """A file's name cannot end the element that holds it, so that it cannot run a script."""
    text = (result.output / "report.html").read_text()
    assert "<script>alert" not in text
    assert "\\u003cscript>alert(1)" in text


def test_a_sample_stays_when_its_photo_is_gone(result: Result) -> None:
    """A sample whose photo is missing shows its colours."""
    summary = msgspec.json.decode((result.output / "summary.json").read_bytes(), type=Summary)
    answer = json.loads(Outside((result.output / "report.html").read_text()).scripts[0])[0]["answer"]
    page = report_html(summary, [look("7", "", json.dumps(answer))])
    assert json.loads(Outside(page).scripts[0]) == [{"id": "7", "photo": "", "answer": answer}]


def test_charts_are_sound_when_there_is_little_to_draw() -> None:
    """Charts of no data and of little data are well-formed SVG with finite numbers."""
    charts = [
        bar_chart([], title="None"),
        bar_chart([("a & b", 0.0, "#fff", "0")], title="<One>"),
        hue_wheel([], [], title="None"),
        hue_wheel([0.0] * 24, ["#fff"] * 24, title="Empty"),
        hue_wheel([1.0, 0.0], ["#f00", "#0f0"], title="Two"),
    ]
    for chart in charts:
        ElementTree.fromstring(chart)  # noqa: S314 - our own text
        assert "nan" not in chart


def test_the_longest_bar_fills_the_width_when_bars_are_drawn() -> None:
    """The lengths of bars are proportional to their values."""
    chart = ElementTree.fromstring(bar_chart([("a", 3, "#f00", ""), ("b", 1.5, "#0f0", "")], title="Two"))  # noqa: S314
    first, second = (float(rect.attrib["width"]) for rect in chart.iter("rect"))
    assert first == pytest.approx(2 * second)
