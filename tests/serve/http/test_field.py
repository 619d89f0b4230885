"""Tests what forms, scripts and generated clients send: empty parts, wrong labels, photos as JSON, and manners."""

import base64
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from tests.pipeline.pictures import encoded as encoded_image
from tests.serve.application import Application, form, mask_bytes, photo_bytes, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """One application for all tests of this module."""
    async with running(tmp_path_factory.mktemp("keys"), image_url_hosts=("images.example.com",)) as found:
        yield found


@pytest.fixture
def client(application: Application) -> httpx.AsyncClient:
    """A client with a key."""
    return application.client


def _without_meta(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {name: part for name, part in answer.json().items() if name not in ("request_id", "meta")}


# --- labels ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "label", ["image/jpeg", "image/gif", "binary/octet-stream", "*/*", "image", "text/plain", "application/json"]
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "AVIF"])
async def test_bytes_decide_what_a_photo_is_when_its_label_is_wrong(
    client: httpx.AsyncClient, kind: str, label: str
) -> None:
    """Any label is taken: the first bytes say what the file is."""
    answer = await client.post("/v1/extract", **form(photo_bytes(kind), kind=label))
    assert answer.status_code == 200
    assert answer.json()["garments"]


# --- empty parts ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("empty", [b"", b"  \r\n"])
async def test_empty_options_count_as_absent(client: httpx.AsyncClient, empty: bytes) -> None:
    """An HTML form and Swagger's `send empty value` send an empty part."""
    photo = {"image": ("a.png", photo_bytes(), "image/png")}
    plain = await client.post("/v1/advice", files=photo)
    answer = await client.post("/v1/advice", files={**photo, "options": ("", empty, "application/json")})
    assert _without_meta(answer) == _without_meta(plain)


@pytest.mark.parametrize("part", [("", b"", "application/octet-stream"), ("mask.png", b"", "image/png")])
async def test_an_empty_mask_counts_as_absent(client: httpx.AsyncClient, part: tuple[str, bytes, str]) -> None:
    """An unselected file input sends an empty part."""
    photo = {"image": ("a.png", photo_bytes(), "image/png")}
    answer = await client.post("/v1/extract", files={**photo, "mask": part})
    assert _without_meta(answer) == _without_meta(await client.post("/v1/extract", files=photo))


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("undefined", "The part 'options' is not valid JSON at line 1, column 1. It is the text 'undefined'."),
        (
            "[object Object]",
            "The part 'options' is not valid JSON at line 1, column 2. It is the text '[object Object]'.",
        ),
        ("{intent:bold}", "The part 'options' is not valid JSON at line 1, column 2."),
    ],
)
async def test_an_error_names_the_part_when_options_are_no_json(
    client: httpx.AsyncClient, sent: str, sentence: str
) -> None:
    """What is wrong is the part, not the body."""
    answer = await client.post("/v1/advice", files={"image": photo_bytes()}, data={"options": sent})
    assert (answer.status_code, answer.json()["detail"]) == (400, sentence)


async def test_options_are_read_when_they_begin_with_a_byte_order_mark(client: httpx.AsyncClient) -> None:
    """Windows tools write one, in a part and in a body."""
    files = {"image": ("a", photo_bytes(), ""), "options": ("o.json", b'\xef\xbb\xbf{"max_colors": 1}', "")}
    assert (await client.post("/v1/extract", files=files)).status_code == 200
    body = b'\xef\xbb\xbf{"colors": ["navy"]}'
    answer = await client.post("/v1/advice", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/v1/advice", "/v1/colors/advice", "/v1/uploads/presign"])
async def test_a_compressed_body_is_refused_with_what_is_read(client: httpx.AsyncClient, path: str) -> None:
    """The answer is 415 and names the encodings that are read (RFC 9110, section 15.5.16)."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.post(path, content=gzip.compress(b'{"colors": ["navy"]}'), headers=headers)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
    assert "Content-Encoding is 'gzip'" in answer.json()["detail"]


# --- a photo as JSON ------------------------------------------------------------------------------------------
def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("path", ["/v1/advice", "/v1/segment", "/v1/extract", "/v1/harmony"])
async def test_a_photo_as_json_is_answered_as_a_form(client: httpx.AsyncClient, path: str) -> None:
    """`image.base64` gives the same answer as the part `image`, with and without a mask."""
    options = {"subject": "worn"}
    for mask in (None, mask_bytes()):
        sent: dict[str, Any] = {"image": {"base64": _base64(photo_bytes())}, "options": options}
        if mask is not None:
            sent["mask"] = {"base64": _base64(mask)}
        answer = await client.post(path, json=sent)
        assert _without_meta(answer) == _without_meta(await client.post(path, **form(mask=mask)))


@pytest.mark.parametrize("how", ["data URL", "URL-safe", "lines", "no padding"])
async def test_base64_is_read_as_clients_write_it(client: httpx.AsyncClient, how: str) -> None:
    """A browser's data URL, the URL-safe alphabet, lines and missing padding are read."""
    data = photo_bytes()
    text = {
        "data URL": f"data:image/png;base64,{_base64(data)}",
        "URL-safe": base64.urlsafe_b64encode(data).decode(),
        "lines": base64.encodebytes(data).decode().replace("\n", "\r\n"),
        "no padding": _base64(data).rstrip("="),
    }[how]
    assert (await client.post("/v1/extract", json={"image": {"base64": text}})).status_code == 200


async def test_a_photo_as_json_may_have_the_size_of_a_part(client: httpx.AsyncClient) -> None:
    """A photo of some MiB passes; one byte above the limit of a part is too large."""
    large = photo_bytes() + bytes(4 * 1024 * 1024)
    assert (await client.post("/v1/extract", json={"image": {"base64": _base64(large)}})).status_code == 200
    most = 10 * 1024 * 1024
    answer = await client.post("/v1/extract", json={"image": {"base64": _base64(bytes(most + 3))}})
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize(
    ("sent", "pointer", "sentence"),
    [
        ({"image": {"base64": "§§"}}, "/image/base64", "Input should be base64"),
        ({"image": {}}, "/image", "Give either base64 or url."),
        ({"image": {"base64": "aaaa", "url": "https://a.example"}}, "/image", "Give either base64 or url."),
        ({"image": "https://shop.example/a.jpg"}, "/image", '{"base64": "…"} or {"url": "https://…"}'),
        ({"image_url": "https://shop.example/a.jpg"}, "/image_url", "Send a photo as multipart/form-data"),
        ({"photo": "aaaa"}, "/photo", "the `object_key` of an upload"),
        ({}, "/colors", "Field required. Send a photo as multipart"),
        ({"image": {"base64": "aaaa"}, "colors": ["navy"]}, "/colors", "Unknown field."),
        ({"image": {"base64": "aaaa"}, "mask": {"base64": "?"}}, None, ""),
        ({"image": {"url": "http://images.example.com/a.jpg"}}, "/image/url", "is not an https URL"),
        ({"image": {"url": "https://other.example/a.jpg"}}, "/image/url", "allowed hosts: images.example.com"),
        ({"image": {"url": "https://169.254.169.254/latest"}}, "/image/url", "are not fetched from '169.254.169.254'"),
    ],
)
async def test_the_ways_in_are_told_when_a_photo_comes_otherwise(
    client: httpx.AsyncClient, sent: dict[str, Any], pointer: str | None, sentence: str
) -> None:
    """An error says what is wrong and how photos are sent."""
    answer = await client.post("/v1/advice", json=sent)
    assert answer.status_code in (415, 422)
    if pointer is not None:
        found = {one["pointer"]: one["message"] for one in answer.json()["errors"]}
        assert sentence in found[pointer]


async def test_a_file_is_named_when_it_is_no_photo_in_json(client: httpx.AsyncClient) -> None:
    """A PDF as base64 is named as in a form."""
    answer = await client.post("/v1/advice", json={"image": {"base64": _base64(b"%PDF-1.7 ...")}})
    assert (answer.status_code, "a PDF document" in answer.json()["detail"]) == (415, True)


# --- colours on their own ----------------------------------------------------------------------------------------
async def test_colours_have_an_operation_of_their_own(client: httpx.AsyncClient) -> None:
    """`POST /v1/colors/advice` gives the answer of `/v1/advice`, and takes nothing but JSON with colours."""
    sent = {"colors": ["#1f2a44", "#c19a6b"], "options": {"intent": "bold"}}
    answer = await client.post("/v1/colors/advice", json=sent)
    assert _without_meta(answer) == _without_meta(await client.post("/v1/advice", json=sent))
    assert answer.json()["mode"] == "colors"
    assert (await client.post("/v1/colors/advice", **form())).status_code == 415
    refused = await client.post("/v1/colors/advice", json={"image": {"base64": _base64(photo_bytes())}})
    assert {one["pointer"] for one in refused.json()["errors"]} == {"/colors", "/image"}


# --- transparency ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "palette"])
async def test_a_cut_out_is_its_own_mask_when_nothing_is_segmented(client: httpx.AsyncClient, kind: str) -> None:
    """With `segment: none` the opaque part alone is the garment, in every format."""
    image = Image.new("RGBA", (80, 100), (255, 255, 255, 0))
    image.paste((176, 32, 48, 255), (20, 25, 60, 75))
    data = encoded_image(image, kind, lossless=True) if kind != "palette" else encoded_image(image.quantize(4), "PNG")
    answer = await client.post("/v1/extract", **form(data, segment="none", subject="auto"))
    (garment,) = answer.json()["garments"]
    assert garment["area"] == pytest.approx(0.25, abs=0.01)
    assert [color["names"]["basic"]["name"] for color in garment["colors"]] == ["red"]
    assert "LOW_LIGHT" not in {warning["code"] for warning in answer.json()["warnings"]}


@pytest.mark.parametrize("segment", ["auto", "none"])
async def test_nothing_is_found_when_a_photo_is_wholly_transparent(client: httpx.AsyncClient, segment: str) -> None:
    """No garment, and one warning about it."""
    data = encoded_image(Image.new("RGBA", (64, 96), (20, 20, 20, 0)))
    answer = await client.post("/v1/advice", **form(data, segment=segment))
    assert answer.json()["garments"] == []
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["NO_GARMENT"]


async def test_transparent_pixels_are_background_when_the_network_segments(client: httpx.AsyncClient) -> None:
    """What the network labels as a garment is background where the photo is transparent."""
    image = Image.open(io.BytesIO(photo_bytes())).convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 64, 48))
    image.putalpha(alpha)
    kinds = {
        one["category"] for one in (await client.post("/v1/extract", **form(encoded_image(image)))).json()["garments"]
    }
    assert kinds == {"bottom"}


# --- manners --------------------------------------------------------------------------------------------------
async def test_an_answer_is_compressed_when_the_client_asks(client: httpx.AsyncClient) -> None:
    """Advice over 1 kB is compressed on request, and says that it varies."""
    for accepted, encoding in (("gzip", "gzip"), ("br, gzip;q=0.5", "gzip"), ("*", "gzip"), ("identity", None)):
        headers = {"Accept-Encoding": accepted}
        answer = await client.post("/v1/advice", json={"colors": ["#1f2a44"]}, headers=headers)
        assert answer.headers.get("Content-Encoding") == encoding
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.json()["mode"] == "colors"
    refused = await client.post("/v1/advice", json={"colors": ["#1f2a44"]}, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


async def test_times_are_in_a_header_when_timings_are_asked_for(client: httpx.AsyncClient) -> None:
    """`Server-Timing` has the steps of `meta.timing_ms`, which browsers show."""
    answer = await client.post("/v1/advice", **form(include=["timings"]))
    timing = {one.partition(";")[0].strip() for one in answer.headers["Server-Timing"].split(",")}
    assert timing == set(answer.json()["meta"]["timing_ms"])
    assert "Server-Timing" not in (await client.post("/v1/advice", **form())).headers


async def test_pixel_limits_stand_in_the_document(application: Application) -> None:
    """The limits of every kind of file stand where clients read about the image."""
    text = json.dumps(application.document["paths"]["/v1/advice"]["post"])
    assert "110 million for baseline JPEG" in text
    assert "16 million for PNG" in text
