"""Tests every row of the contract's error table over HTTP: its status, its problem document, and no leak."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from tests.pipeline.pictures import png
from tests.serve.application import Application, animated_webp, encoded, form, mask_bytes, photo_bytes, running
from tests.serve.fakes import NETWORK_PX, PHASES, painted

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}
NAVY = {"colors": ["navy"]}
LEAKS = ("Traceback", "serve/", "/work", ".py", "Error(", "Model", "0x7f", "pydantic", "starlette")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """One application for all tests of this module, which waits for bodies for a tenth of a second."""
    async with running(tmp_path_factory.mktemp("keys"), body_timeout_s=0.1) as found:
        yield found


@pytest.fixture
def client(application: Application) -> httpx.AsyncClient:
    """A client with a key."""
    return application.client


def _problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    found: dict[str, Any] = response.json()
    assert (response.status_code, found["status"], found["code"]) == (status, status, code), response.text
    assert found["request_id"] == response.headers["X-Request-ID"]
    assert not [leak for leak in LEAKS if leak in response.text]
    return found


def _colors(*colors: Any, **options: Any) -> dict[str, Any]:
    return {"json": {"colors": list(colors), "options": options}}


def _raw(content: bytes, kind: str) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": kind}}


# --- bodies ---------------------------------------------------------------------------------------------------
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no body": ({}, 400, "UNPARSABLE"),
    "empty body": ({"content": b""}, 400, "UNPARSABLE"),
    "empty JSON": (_raw(b"", "application/json"), 400, "UNPARSABLE"),
    "broken JSON": (_raw(b'{"colors": [', "application/json"), 400, "UNPARSABLE"),
    "NaN": (_raw(b'{"colors": [{"hex": "#fff", "share": NaN}]}', "application/json"), 400, "UNPARSABLE"),
    "duplicate keys": (_raw(b'{"colors": [], "colors": ["navy"]}', "application/json"), 400, "UNPARSABLE"),
    "deep JSON": (_raw(b'{"colors":' + b"[" * 100_000, "application/json"), 400, "UNPARSABLE"),
    "half a character": (_raw(b'{"colors": ["\\ud800"]}', "application/json"), 400, "UNPARSABLE"),
    "a form without a boundary": (_raw(b"hello", "multipart/form-data"), 400, "UNPARSABLE"),
    "a broken form": (_raw(b"hello", "multipart/form-data; boundary=x"), 400, "UNPARSABLE"),
    "options that are no JSON": ({"files": {"image": photo_bytes()}, "data": {"options": "{"}}, 400, "UNPARSABLE"),
    "text as JSON's type": (_raw(b"{}", "text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "a photo as the whole body": (_raw(photo_bytes(), "image/png"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "a body of no type": ({"content": b"{}"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "text as image": (form(b"Not a photo.", kind="text/plain"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "text in a JPEG's clothes": (form(b"Not a photo.", kind="image/jpeg"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "GIF": (form(encoded(painted(), "GIF"), kind="image/gif"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "TIFF": (form(encoded(painted(), "TIFF"), kind="image/tiff"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "SVG": (form(b"<svg xmlns='http://www.w3.org/2000/svg'/>", kind="image/svg+xml"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    "11 MiB": (form(photo_bytes() + bytes(11 * MIB)), 413, "TOO_LARGE"),
    "a mask of 3 MiB": (form(mask=mask_bytes() + bytes(3 * MIB)), 413, "TOO_LARGE"),
    "options of 2 MiB": ({"files": {"image": photo_bytes()}, "data": {"options": " " * (2 * MIB)}}, 413, "TOO_LARGE"),
    "JSON of 2 MiB": (_raw(b" " * (2 * MIB), "application/json"), 413, "TOO_LARGE"),
    "more pixels than allowed": (form(encoded(np.zeros((4001, 4000, 3), np.uint8))), 413, "TOO_LARGE"),
    "a bomb": (form(png((60_000, 60_000), 8, 2, bytes(64))), 422, "IMAGE_BOMB"),
    "truncated": (form(photo_bytes()[:-60]), 422, "IMAGE_TRUNCATED"),
    "animated WebP": (form(animated_webp(), kind="image/webp"), 422, "IMAGE_ANIMATED"),
    "3 pixels": (form(encoded(painted()[:3, :3])), 422, "IMAGE_TOO_SMALL"),
    "thin": (form(encoded(np.zeros((8, 408, 3), np.uint8))), 422, "IMAGE_ASPECT"),
    "an empty mask": (form(mask=encoded(np.zeros((96, 64), np.uint8))), 422, "MASK_EMPTY"),
    "a mask of another shape": (form(mask=encoded(np.full((96, 96), 255, np.uint8))), 422, "MASK_INVALID"),
    "a mask that is no PNG": (form(mask=photo_bytes("JPEG")), 422, "MASK_INVALID"),
    "a compressed body": (
        {"content": gzip.compress(b'{"colors": ["navy"]}'), "headers": {**JSON, "Content-Encoding": "gzip"}},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    "a PDF": (form(b"%PDF-1.7 ..."), 415, "UNSUPPORTED_MEDIA_TYPE"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_a_body_is_refused_when_it_cannot_be_used(client: httpx.AsyncClient, name: str) -> None:
    """Each bad body has its status and code, and a detail for people."""
    arguments, status, code = REFUSED[name]
    problem = _problem(await client.post("/v1/advice", **arguments), status, code)
    assert problem["detail"].endswith(".")


FIELDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown option": (_colors("navy", sparkle=True), ["/options/sparkle"]),
    "unknown option of a photo": (form(sparkle=True), ["/options/sparkle"]),
    "bad colour": (_colors("#zzz"), ["/colors/0"]),
    "13 colours": (_colors(*["navy"] * 13), ["/colors"]),
    "no colours": (_colors(), ["/colors"]),
    "nothing": ({"json": {}}, ["/colors"]),
    "a list": ({"json": []}, [""]),
    "unknown field": ({"json": {**NAVY, "flavour": 1}}, ["/flavour"]),
    "colours and an object": ({"json": {**NAVY, "object_key": "k"}}, ["/colors"]),
    "a bad object key": ({"json": {"object_key": ""}}, ["/object_key"]),
    "two bad options": (_colors("navy", max_colors=13, lang="xx"), ["/options/lang", "/options/max_colors"]),
    "unknown part": ({"files": {"image": photo_bytes(), "video": b"x"}}, ["/video"]),
    "no image": ({"files": {"mask": mask_bytes()}}, ["/image"]),
    "an empty image": ({"files": {"image": b""}}, ["/image"]),
    "an unknown parameter": ({"json": NAVY, "params": {"max_colors": "3"}}, ["/max_colors"]),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("path", ["/v1/advice", "/v1/extract"])
async def test_a_field_is_pointed_at_when_it_is_refused(client: httpx.AsyncClient, path: str, name: str) -> None:
    """`errors` has a JSON pointer and a message for each bad field, on every endpoint."""
    arguments, pointers = FIELDS[name]
    problem = _problem(await client.post(path, **arguments), 422, "INVALID_OPTIONS")
    assert sorted(error["pointer"] for error in problem["errors"]) == pointers
    assert all(error["message"].endswith(".") for error in problem["errors"])


@pytest.mark.parametrize("path", ["/v1/advice", "/v1/segment", "/v1/extract", "/v1/harmony"])
async def test_a_content_type_may_have_parameters(client: httpx.AsyncClient, path: str) -> None:
    """A content type may have parameters and any case, on every endpoint."""
    arguments = form()
    request = client.build_request("POST", path, **arguments)
    request.headers["Content-Type"] = request.headers["Content-Type"].replace(
        "multipart/form-data", "Multipart/Form-Data"
    )
    assert (await client.send(request)).status_code == 200
    kind = {"Content-Type": "Application/JSON; charset=UTF-8"}
    expected = 422 if path == "/v1/segment" else 200
    assert (await client.post(path, content=json.dumps(NAVY), headers=kind)).status_code == expected


async def test_a_slow_body_is_refused_when_its_time_is_over(client: httpx.AsyncClient) -> None:
    """A body that stalls is a 408."""

    async def stalls() -> AsyncIterator[bytes]:
        yield b'{"colors":'
        await asyncio.Event().wait()

    response = await client.post("/v1/advice", content=stalls(), headers=JSON)
    _problem(response, 408, "SLOW_BODY")


async def test_a_body_is_refused_when_it_grows_without_a_length(client: httpx.AsyncClient) -> None:
    """A body of 14 MiB in chunks is a 413 before its end is read."""
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(28):
            sent += MIB // 2
            yield bytes(MIB // 2)

    response = await client.post(
        "/v1/advice", content=flood(), headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    _problem(response, 413, "TOO_LARGE")
    assert sent <= 11 * MIB


# --- keys -----------------------------------------------------------------------------------------------------
KEYED = [
    ("POST", "/v1/advice"),
    ("POST", "/v1/segment"),
    ("POST", "/v1/extract"),
    ("POST", "/v1/harmony"),
    ("GET", "/v1/palette?colors=navy"),
]


@pytest.mark.parametrize(("method", "path"), KEYED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "ssk_a_b"},
        {"Authorization": "Bearer ssk_a_b"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer"},
    ],
)
async def test_a_request_is_refused_when_its_key_is_missing_or_wrong(
    application: Application, method: str, path: str, headers: dict[str, str]
) -> None:
    """Every endpoint that needs a key answers 401 before it reads the body, and says how to authenticate."""
    response = await application.stranger.request(method, path, headers=headers)
    _problem(response, 401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "ssk_" not in response.text


@pytest.mark.parametrize("scheme", ["X-API-Key", "Bearer", "bearer"])
async def test_a_request_is_answered_when_its_key_comes_in_either_header(application: Application, scheme: str) -> None:
    """`X-API-Key` and `Authorization: Bearer` both carry a key."""
    key = application.keys["whole"]
    headers = {"X-API-Key": key} if scheme == "X-API-Key" else {"Authorization": f"{scheme} {key}"}
    assert (await application.stranger.post("/v1/advice", json=NAVY, headers=headers)).status_code == 200


@pytest.mark.parametrize(("method", "path"), KEYED)
async def test_a_request_is_refused_when_its_key_lacks_the_scope(
    application: Application, method: str, path: str
) -> None:
    """A key for metrics gives no advice."""
    headers = {"X-API-Key": application.keys["metrics"]}
    _problem(await application.stranger.request(method, path, headers=headers), 403, "FORBIDDEN")


# --- routing --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/nothing", "/v1", "/v2/advice", "/v1/advice/", "/assets/../api.py", "/assets/nothing", "/-/x"],
)
async def test_nothing_is_found_when_the_path_is_unknown(client: httpx.AsyncClient, path: str) -> None:
    """An unknown path is a 404 with a problem document, never a redirect."""
    _problem(await client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/advice", "POST"),
        ("HEAD", "/v1/advice", "POST"),
        ("PUT", "/v1/advice", "POST"),
        ("OPTIONS", "/v1/advice", "POST"),
        ("POST", "/v1/palette", "GET, HEAD"),
        ("DELETE", "/v1/healthz", "GET, HEAD"),
        ("OPTIONS", "/v1/healthz", "GET, HEAD"),
        ("PATCH", "/", "GET, HEAD"),
        ("TRACE", "/v1/readyz", "GET, HEAD"),
    ],
)
async def test_a_method_is_refused_when_the_path_has_others(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    """A wrong method is a 405 that names the allowed methods and grants no CORS."""
    response = await client.request(method, path)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert response.text if method != "HEAD" else not response.text
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/v1/healthz", "/", "/docs", "/openapi.json", "/v1/palette?colors=navy"])
async def test_head_is_get_without_a_body_when_sent(client: httpx.AsyncClient, path: str) -> None:
    """HEAD works where GET does, with the same headers but the request's id."""
    get, head = await client.get(path), await client.head(path)
    own = {"x-request-id", "ratelimit", "traceparent"}
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in get.headers.items() if k not in own
    }


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0"])
async def test_a_request_is_refused_when_it_accepts_no_json(client: httpx.AsyncClient, accept: str) -> None:
    """An Accept header that excludes JSON is a 406, whose problem document is sent all the same."""
    _problem(await client.post("/v1/advice", json=NAVY, headers={"Accept": accept}), 406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json, text/plain;q=0.5", ""])
async def test_a_request_is_answered_when_it_accepts_json(client: httpx.AsyncClient, accept: str) -> None:
    """An Accept header with ranges or lists, and a missing one, cover JSON."""
    assert (await client.post("/v1/advice", json=NAVY, headers={"Accept": accept})).status_code == 200


@pytest.mark.parametrize("host", ["evil.com/x", "a b", ""])
async def test_a_host_is_refused_when_it_is_none(client: httpx.AsyncClient, host: str) -> None:
    """A malformed Host header is a 400."""
    _problem(await client.get("/v1/healthz", headers={"Host": host}), 400, "UNPARSABLE")


async def test_no_origin_is_allowed_when_none_is_configured(client: httpx.AsyncClient) -> None:
    """Without configuration, an Origin header changes nothing and gets no CORS header."""
    response = await client.post("/v1/advice", json=NAVY, headers={"Origin": "https://evil.com"})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


# --- trouble --------------------------------------------------------------------------------------------------
async def test_an_unexpected_error_reveals_nothing(
    application: Application, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A 500 is a generic document with the request's id. Only the log has the cause, without keys."""

    async def broken(*_: object) -> None:
        raise KeyError("/home/app/secret 10.0.0.7 serve/x.py")

    monkeypatch.setattr(type(application.service.advisor), "advise", broken)
    response = await application.client.post("/v1/advice", json=NAVY)
    problem = _problem(response, 500, "INTERNAL")
    assert problem["detail"] == "Server got itself in trouble"
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["request_failed", "request"]
    assert {line["request_id"] for line in lines} == {problem["request_id"]}
    assert application.keys["whole"] not in text


async def test_a_photo_is_refused_when_the_service_is_busy(application: Application) -> None:
    """A photo that finds no free slot is a 503 with Retry-After."""
    admission = application.service.advisor._admission
    async with AsyncExitStack() as others:
        for _ in range(admission.limit):
            await others.enter_async_context(admission.slot(within_s=0))
        response = await application.client.post("/v1/advice", **form(cache="bypass"))
    _problem(response, 503, "OVERLOADED")
    assert response.headers["Retry-After"] == "1"


async def test_a_photo_must_wait_when_the_network_has_not_reported(application: Application) -> None:
    """A photo is a 503 until the network's input size is known."""
    advisor = application.service.advisor
    advisor.network_px = None
    try:
        response = await application.client.post("/v1/advice", **form(cache="bypass"))
    finally:
        advisor.network_px = NETWORK_PX
    _problem(response, 503, "NOT_READY")
    assert response.headers["Retry-After"] == "1"


async def test_the_service_still_works_after_all_bad_requests(application: Application) -> None:
    """After all tests above, an ordinary photo gets whole advice."""
    response = await application.client.post("/v1/advice", **form(cache="bypass"))
    assert response.status_code == 200
    assert response.json()["degraded"] == []
    assert set(application.walk.calls()) == set(PHASES)
