"""Tests that bad requests get the contract's status and problem document, over real HTTP."""

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.cluster.application import Application, photo_form
from tests.cluster.contract import must_be_problem

MIB = 1024 * 1024


def picture(width_px: int, height_px: int, kind: str = "PNG") -> bytes:
    """A plain picture."""
    file = io.BytesIO()
    Image.new("RGB", (width_px, height_px), (200, 90, 40)).save(file, kind)
    return file.getvalue()


def black_mask() -> bytes:
    """A mask that covers nothing."""
    file = io.BytesIO()
    Image.new("L", (32, 32), 0).save(file, "PNG")
    return file.getvalue()


def animated_webp() -> bytes:
    """Two frames."""
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def endless_form(size_bytes: int) -> Iterator[bytes]:
    """A form whose image has no declared length."""
    yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    for _ in range(size_bytes // 65536):
        yield bytes(65536)
    yield b"\r\n--x--\r\n"


def colors(*given: Any, **options: Any) -> dict[str, Any]:
    """httpx's arguments for a colours request."""
    return {"json": {"colors": list(given), "options": options}}


LARGE_JPEG = picture(64, 64, "JPEG") + bytes(11 * MIB)
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "empty body": ({"content": b""}, 400, "UNPARSABLE"),
    "empty JSON body": ({"content": b"", "headers": {"Content-Type": "application/json"}}, 400, "UNPARSABLE"),
    "broken JSON": ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "UNPARSABLE"),
    "broken multipart": (
        {"content": b"nothing", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        400,
        "UNPARSABLE",
    ),
    "XML": ({"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "text as image": (photo_form(b"Not a photo, only words."), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "GIF": (photo_form(picture(32, 32, "GIF")), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "11 MiB": (photo_form(LARGE_JPEG), 413, "TOO_LARGE"),
    "14 MiB without a length": (
        {
            "content": lambda: endless_form(14 * MIB),
            "headers": {"Content-Type": "multipart/form-data; boundary=x"},
        },
        413,
        "TOO_LARGE",
    ),
    "unacceptable": ({**colors("navy"), "headers": {"Accept": "image/png"}}, 406, "NOT_ACCEPTABLE"),
    "truncated": (photo_form(picture(64, 64, "JPEG")[:-200]), 422, "IMAGE_TRUNCATED"),
    "animated WebP": (photo_form(animated_webp()), 422, "IMAGE_ANIMATED"),
    "3 px": (photo_form(picture(3, 3)), 422, "IMAGE_TOO_SMALL"),
    "thin": (photo_form(picture(8, 408)), 422, "IMAGE_ASPECT"),
    "empty mask": (photo_form(picture(32, 32), mask=black_mask()), 422, "MASK_EMPTY"),
}
REFUSED_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown option": (colors("navy", sparkle=True), "/options/sparkle"),
    "unknown option beside a photo": (photo_form(picture(32, 32), sparkle=True), "/options/sparkle"),
    "bad colour": (colors("#zzz"), "/colors/0"),
    "13 colours": (colors(*["navy"] * 13), "/colors"),
    "no colours": (colors(), "/colors"),
    "unknown field": ({"json": {"colors": ["navy"], "flavour": 1}}, "/flavour"),
    "too many colours asked for": (colors("navy", max_colors=13), "/options/max_colors"),
    "unknown scheme": (colors("navy", schemes=["rainbow"]), "/options/schemes/0"),
    "unknown part": (
        {"files": {"image": picture(32, 32), "video": b"x"}},
        "/video",
    ),
    "no image": ({"files": {"mask": picture(32, 32)}}, "/image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_request_is_refused_when_it_cannot_be_used(client: httpx.Client, name: str) -> None:
    """Each bad request has its status and code."""
    arguments, status, code = REFUSED[name]
    if callable(arguments.get("content")):
        arguments = {**arguments, "content": arguments["content"]()}
    must_be_problem(client.post("/v1/advice", **arguments), status, code)


@pytest.mark.parametrize("name", REFUSED_FIELDS)
def test_field_is_pointed_at_when_its_value_is_refused(client: httpx.Client, name: str) -> None:
    """A 422 for a field carries a JSON pointer to it and says what is wrong."""
    arguments, pointer = REFUSED_FIELDS[name]
    problem = must_be_problem(client.post("/v1/advice", **arguments), 422, "INVALID_OPTIONS")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["errors"][0]["message"]


def test_colours_are_refused_when_segmenting(client: httpx.Client) -> None:
    """Segmentation needs an image, so colours are a 422."""
    problem = must_be_problem(client.post("/v1/segment", json={"colors": ["navy"]}), 422, "INVALID_OPTIONS")
    assert [error["pointer"] for error in problem["errors"]] == ["/colors"]


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "ssk_0_0"}, {"Authorization": "Bearer x"}], ids=str)
def test_caller_is_refused_when_the_key_is_missing_or_wrong(application: Application, headers: dict[str, str]) -> None:
    """A 401 says how to authenticate."""
    response = httpx.post(f"{application.url}/v1/advice", json={"colors": ["navy"]}, headers=headers, trust_env=False)
    must_be_problem(response, 401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_route_is_not_found_when_it_is_unknown(client: httpx.Client) -> None:
    """An unknown address is a 404 with a problem document."""
    must_be_problem(client.get("/v1/nothing"), 404, "NOT_FOUND")


def test_method_is_refused_when_the_route_has_another(client: httpx.Client) -> None:
    """A 405 names the allowed methods."""
    response = client.get("/v1/advice")
    must_be_problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


def test_object_key_is_refused_when_there_is_no_such_object(client: httpx.Client) -> None:
    """A malformed key is a 422. A key without an upload, or of another tenant, is a 404."""
    must_be_problem(client.post("/v1/advice", json={"object_key": "photos/1.jpg"}), 422, "INVALID_OPTIONS")
    for tenant in ("development", "shop"):
        response = client.post("/v1/advice", json={"object_key": f"uploads/{tenant}/{'0' * 32}"})
        must_be_problem(response, 404, "NOT_FOUND")


def test_request_id_is_the_clients_own_only_when_it_is_clean(client: httpx.Client) -> None:
    """A short, plain id comes back once. Any other id is replaced."""
    kept = client.get("/v1/healthz", headers={"X-Request-ID": "order-17.a_b"})
    replaced = client.get("/v1/healthz", headers={"X-Request-ID": "x" * 200})
    assert kept.headers.get_list("x-request-id") == ["order-17.a_b"]
    (given,) = replaced.headers.get_list("x-request-id")
    assert given != "x" * 200
    assert json.loads(replaced.text)["status"] == "ok"
