"""Tests probes, pages, the OpenAPI document with its examples, and palettes, over real HTTP."""

from typing import Any

import httpx
import openapi_spec_validator
import pytest

from tests.cluster.application import Application, photo_form
from tests.cluster.contract import must_be_answer, must_match, openapi


@pytest.fixture
def document(application: Application) -> dict[str, Any]:
    """The server's OpenAPI document."""
    return openapi(application.url)


def test_probes_need_no_key_when_the_application_runs(application: Application, document: dict[str, Any]) -> None:
    """`healthz` names the version. `readyz` names the version of every phase, and the cache."""
    health = httpx.get(f"{application.url}/v1/healthz", trust_env=False)
    ready = httpx.get(f"{application.url}/v1/readyz", trust_env=False)
    assert (health.status_code, ready.status_code) == (200, 200)
    must_match(health.json(), "Health", document)
    must_match(ready.json(), "Readiness", document)
    assert ready.json()["ready"] is True
    assert ready.json()["cache"] == "up"
    assert all(phase["ready"] and phase["version"] for phase in ready.json()["phases"].values())
    assert ready.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_page_loads_with_all_its_files_when_opened(application: Application, path: str) -> None:
    """Each page has a strict policy, and everything it refers to is served by this server."""
    with httpx.Client(base_url=application.url, trust_env=False) as client:
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        files = [part.partition('"')[0] for part in page.text.split('="assets/')[1:]]
        assert files
        assert {name: client.get(f"/assets/{name}").status_code for name in files} == dict.fromkeys(files, 200)


def test_document_is_valid_when_fetched(document: dict[str, Any]) -> None:
    """The OpenAPI document is valid by the specification of 3.1."""
    assert document["openapi"].startswith("3.1")
    openapi_spec_validator.validate(document)


def _examples(document: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Path, name and value of every JSON request example."""
    return [
        (path, name, example["value"])
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for name, example in _json_body(operation).get("examples", {}).items()
    ]


def _json_body(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return found


def _answer_schema(document: dict[str, Any], path: str, method: str = "post") -> str:
    content = document["paths"][path][method]["responses"]["200"]["content"]
    reference: str = content["application/json"]["schema"]["$ref"]
    return reference.rpartition("/")[2]


def test_examples_work_when_sent_as_documented(client: httpx.Client, document: dict[str, Any]) -> None:
    """Every JSON example of every operation gives a 200 in the documented shape."""
    examples = _examples(document)
    runnable = [(path, value) for path, _, value in examples if path != "/v1/uploads/presign"]
    assert {path for path, _ in runnable} >= {"/v1/advice", "/v1/extract", "/v1/harmony"}
    for path, value in runnable:
        must_be_answer(client.post(path, json=value), _answer_schema(document, path))


def test_every_operation_with_a_photo_answers_one(
    client: httpx.Client, document: dict[str, Any], grace_hopper: bytes
) -> None:
    """Every operation with a multipart body answers a photo in its documented shape."""
    paths = [
        path
        for path, methods in document["paths"].items()
        if "multipart/form-data" in methods.get("post", {}).get("requestBody", {}).get("content", {})
    ]
    assert len(paths) == 4
    for path in paths:
        must_be_answer(client.post(path, **photo_form(grace_hopper)), _answer_schema(document, path))


@pytest.mark.parametrize(
    ("kind", "media_type", "start"),
    [
        ("json", "application/json", b"{"),
        ("svg", "image/svg+xml", b"<svg"),
        ("png", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("css", "text/css", b":root"),
        ("gpl", "text/plain", b"GIMP Palette"),
        ("ase", "application/octet-stream", b"ASEF"),
    ],
)
def test_palette_is_a_file_of_the_kind_when_asked_for(
    client: httpx.Client, kind: str, media_type: str, start: bytes
) -> None:
    """Each format has its media type and first bytes, and is not sent again to a client that has it."""
    query = {"colors": "1f2a44,c19a6b", "format": kind}
    response = client.get("/v1/palette", params=query)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == media_type
    assert response.content.startswith(start)
    etag = response.headers["etag"]
    assert etag.startswith('"')
    assert client.get("/v1/palette", params=query, headers={"If-None-Match": etag}).status_code == 304
