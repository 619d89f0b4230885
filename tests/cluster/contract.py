"""Checks every answer against the server's own OpenAPI document and the rules of problem documents."""

import re
from functools import cache
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]

LEAKS = re.compile(r"Traceback|/work|/tmp|/home|site-packages|\bray\b|0x[0-9a-f]{6}|127\.0\.0\.1|\.py\b", re.IGNORECASE)


@cache
def openapi(base_url: str) -> dict[str, Any]:
    """The server's OpenAPI document."""
    found: dict[str, Any] = httpx.get(f"{base_url}/openapi.json", trust_env=False).raise_for_status().json()
    return found


def must_match(answer: Any, schema_name: str, document: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError unless the answer fits the named schema."""
    schema = {"$ref": f"#/components/schemas/{schema_name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)


def must_be_answer(response: httpx.Response, schema_name: str) -> dict[str, Any]:
    """The body of an answer, which must be a 200 of the named schema."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    must_match(body, schema_name, openapi(_base_url(response)))
    assert response.headers.get_list("x-request-id") == [body["request_id"]]
    return body


def must_be_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document (RFC 9457) of an answer, which must be an error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    must_match(body, "Problem", openapi(_base_url(response)))
    assert (body["status"], body["code"]) == (status, code), body
    assert response.headers.get_list("x-request-id") == [body["request_id"]]
    assert not LEAKS.search(response.text), response.text
    return body


def _base_url(response: httpx.Response) -> str:
    return str(response.url.copy_with(path="", query=None, fragment=None)).rstrip("/")
