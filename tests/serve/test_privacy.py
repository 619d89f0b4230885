"""Tests that a photo's metadata, such as its place, is in no answer, cache or log."""

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline import codec
from pipeline.image.decode import decode_image
from serve.http.pages import PLAYGROUND
from tests.serve.application import Application, form, running
from tests.serve.fakes import painted

PLACE = "48.8583N-2.2945E"
GPS, IMAGE_DESCRIPTION, GPS_LATITUDE_REF, GPS_AREA = 0x8825, 0x010E, 0x0001, 0x001C
EVERYTHING = ["masks", "timings", "alternatives", "vector"]


def tagged(kind: str) -> bytes:
    """A photo with its place in every metadata field of its format."""
    image = Image.fromarray(np.repeat(np.repeat(painted(), 4, 0), 4, 1))
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = PLACE
    exif.get_ifd(GPS)[GPS_LATITUDE_REF] = "N"
    exif.get_ifd(GPS)[GPS_AREA] = PLACE.encode()
    options: dict[str, Any] = {"exif": exif}
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", PLACE)
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", f"<x>{PLACE}</x>")
    elif kind == "JPEG":
        options["comment"] = PLACE.encode()
        options["xmp"] = f"<x>{PLACE}</x>".encode()
    image.save(file := io.BytesIO(), kind, **options)
    assert PLACE.encode() in file.getvalue()
    return file.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """An application whose stores and log the tests read."""
    async with running(tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photos_metadata_is_never_answered_or_stored(
    application: Application, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers, label maps, messages to the phases and the log do not contain the place."""
    photo = tagged(kind)
    found = [
        await application.client.post(
            f"/v1/{path}", **form(photo, kind=f"image/{kind.lower()}", include=EVERYTHING, cache="bypass")
        )
        for path in ("advice", "segment", "extract", "harmony")
    ]
    assert [answer.status_code for answer in found] == [200] * 4
    sent = [payload for name in ("segmentation", "extraction", "harmony") for payload in _payloads(application, name)]
    labels = base64.b64decode(found[1].json()["labels"]["data"])
    kept = [codec.encode(decode_image(photo)), labels, *sent, *(answer.content for answer in found)]
    assert len(sent) >= 9
    assert not [what for what in kept if PLACE.encode() in what]
    assert set(Image.open(io.BytesIO(labels)).info) == set()
    logged = capsys.readouterr()
    assert PLACE not in logged.out + logged.err


def _payloads(application: Application, name: Any) -> list[bytes]:
    return application.walk.phase(name).payloads


def test_the_playground_keeps_the_key_in_its_tab() -> None:
    """The key is kept in the session storage, which ends with the tab. Only the wardrobe outlives it."""
    for script in Path(PLAYGROUND).glob("*.js"):
        if script.name != "rapidoc-min.js":
            text = script.read_text()
            places = ("localStorage", "indexedDB", "document.cookie", "caches.")
            assert [place for place in places if place in text] == ["localStorage"] * (script.name == "wardrobe.js")
    assert 'sessionStorage.setItem("key"' in (PLAYGROUND / "ask.js").read_text()
    assert "key" not in (PLAYGROUND / "wardrobe.js").read_text()
