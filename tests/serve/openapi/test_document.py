"""Tests the OpenAPI document: it is valid and complete, equals the golden file, and its examples work.

After an intended change, write the golden file anew: python -m tests.serve.openapi.test_document
"""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio
from openapi_spec_validator import OpenAPIV31SpecValidator

from pipeline.messages import codes
from serve.api import create_app
from serve.http.problems import PROBLEMS, TITLES
from serve.observe.metrics import Metrics
from serve.service import Service
from serve.settings import Settings
from tests.serve.application import Application, running, validate

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def _document() -> dict[str, Any]:
    return create_app(cast(Service, SimpleNamespace(settings=Settings(), metrics=Metrics()))).openapi()


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as the application serves it."""
    return _document()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every content of every answer, with its place in the document."""
    for path, method, operation in _operations(document):
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                yield f"{method} {path} {status} {kind}", content


def _examples(content: dict[str, Any]) -> list[Any]:
    shown = [example["value"] for example in content.get("examples", {}).values()]
    return [*shown, content["example"]] if "example" in content else shown


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """The specification's validator accepts the document as OpenAPI 3.1."""
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_equals_the_golden_file(document: dict[str, Any]) -> None:
    """The contract does not change unnoticed. The top of this file says how to make an intended change."""
    assert _text(document) == GOLDEN.read_text()


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    """Each operation has an id of its own, a summary, a description and a tag."""
    found = {(method, path): operation for path, method, operation in _operations(document)}
    assert set(found) >= {
        ("post", "/v1/advice"),
        ("post", "/v1/segment"),
        ("post", "/v1/extract"),
        ("post", "/v1/harmony"),
        ("post", "/v1/uploads/presign"),
        ("get", "/v1/palette"),
        ("get", "/v1/healthz"),
        ("get", "/v1/readyz"),
    }
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for operation in found.values():
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]


def test_the_document_says_which_operations_need_a_key(document: dict[str, Any]) -> None:
    """Health needs no key. Every other operation takes one in either of two headers."""
    open_paths = {path for path, _, operation in _operations(document) if "security" not in operation}
    assert open_paths == {"/v1/healthz", "/v1/readyz"}
    schemes = document["components"]["securitySchemes"].values()
    assert {(scheme["type"], scheme.get("scheme") or scheme.get("name")) for scheme in schemes} == {
        ("apiKey", "X-API-Key"),
        ("http", "bearer"),
    }


def test_every_json_answer_has_an_example(document: dict[str, Any]) -> None:
    """Each answer and each error has at least one example."""
    assert [where for where, content in _contents(document) if "json" in where and not _examples(content)] == []


def test_every_example_is_valid_by_its_schema(document: dict[str, Any]) -> None:
    """Every example of an answer or error is valid by the schema beside it."""
    for _, content in _contents(document):
        for example in _examples(content):
            validate(example, content["schema"], document)


def test_every_code_is_published(document: dict[str, Any]) -> None:
    """The codes of errors, warnings, reasons and how_to_wear are complete, and open: others may come within v1."""
    schemas = document["components"]["schemas"]
    published = {
        name: schemas[name]["properties"]["code"]["x-extensible-enum"]
        for name in ("Problem", "Warned", "Reason", "HowToWear")
    }
    assert all("enum" not in schemas[name]["properties"]["code"] for name in published)
    assert published == {
        "Problem": list(TITLES),
        "Warned": list(codes("warnings")),
        "Reason": list(codes("reasons")),
        "HowToWear": list(codes("how_to_wear")),
    }
    assert {"LOW_LIGHT", "BLURRED", "TINY_GARMENT", "COLOUR_CAST", "NO_GARMENT", "LOW_CONFIDENCE"} <= set(
        published["Warned"]
    )


def test_every_field_has_a_description(document: dict[str, Any]) -> None:
    """Each schema and each of its fields says what it means (serve/openapi/descriptions.py)."""
    schemas, missing = document["components"]["schemas"], []
    for name, schema in schemas.items():
        missing += [name] if not schema.get("description") and "properties" in schema else []
        for variant in schema.get("oneOf", [schema]):
            fields = variant.get("properties", {}).items()
            missing += [f"{name}.{field}" for field, shown in fields if not shown.get("description")]
    assert missing == []


def test_requests_have_no_defaults_and_answers_are_open(document: dict[str, Any]) -> None:
    """Generators require a field with a default, so that defaults stand in words; answers may gain fields."""
    schemas = document["components"]["schemas"]
    requests = {"ColorsRequest", "ObjectRequest", "PhotoRequest", "SentPhoto", "SentMask", "OptionsModel", "ColorModel"}
    assert not [name for name in requests if '"default":' in json.dumps(schemas[name].get("properties", {}))]
    assert all(schemas[name]["additionalProperties"] is False for name in requests)
    closed = {name for name, one in schemas.items() if one.get("additionalProperties") is False} - requests
    assert closed == {"PresignRequest"}
    assert 'Default: `"balanced"`.' in schemas["OptionsModel"]["properties"]["intent"]["description"]


def test_every_error_that_a_client_can_get_has_an_example(document: dict[str, Any]) -> None:
    """Each code that can reach a client has an example under its status, at advice or presign."""
    shown = {
        (int(status), code)
        for path in ("/v1/advice", "/v1/uploads/presign")
        for status, response in document["paths"][path]["post"]["responses"].items()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    unseen = {
        "BAD_INPUT",
        "REFUSED",
        "ACCESS_DENIED",
        "CONFLICT",
        "UNAVAILABLE",
        # Only the leaves of the tree are raised, so the branches need no example.
    }
    # These errors degrade the answer and never reach a client.
    inside = {kind.code for kind in PROBLEMS if kind.code.startswith("PHASE_")}
    assert shown == {(status, kind.code) for kind, (status, _) in PROBLEMS.items() if kind.code not in unseen | inside}


def test_the_document_reveals_no_path_and_no_host(document: dict[str, Any]) -> None:
    """The document names no path of this machine and no host."""
    assert not [word for word in ("/home", "/work", "serve.", "localhost", "127.0.0.1") if word in _text(document)]


# --- examples that run ----------------------------------------------------------------------------------------
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """An application for the examples, which checks every answer against the document."""
    async with running(tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.mark.asyncio(loop_scope="module")
async def test_every_json_example_is_answered_when_sent(application: Application) -> None:
    """Each operation accepts the JSON examples of its request body."""
    sent = 0
    for path, method, operation in _operations(application.document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in _examples(content):
            response = await application.client.request(method, path, json=example)
            assert response.status_code == 200, (path, example, response.text)
            sent += 1
    assert sent >= 9


@pytest.mark.asyncio(loop_scope="module")
async def test_every_parameter_example_is_answered_when_sent(application: Application) -> None:
    """A request with the examples of its query parameters gets the example of the answer."""
    for path, method, operation in _operations(application.document):
        parameters = operation.get("parameters", [])
        query = {one["name"]: one["schema"]["examples"][0] for one in parameters if "examples" in one["schema"]}
        if query:
            response = await application.client.request(method, path, params=query)
            assert response.status_code == 200
            assert response.json() == operation["responses"]["200"]["content"]["application/json"]["example"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_document_is_served_when_asked_for(application: Application) -> None:
    """`/openapi.json` is this document."""
    response = await application.stranger.get("/openapi.json")
    assert response.json() == json.loads(GOLDEN.read_text())


if __name__ == "__main__":
    GOLDEN.write_text(_text(_document()))
