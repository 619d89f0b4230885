"""Tests the table of errors: each error has one status and one problem document, and reveals nothing else."""

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import errors
from pipeline.errors import ColorMatchError, FieldError, InvalidFields
from serve.http.problems import PROBLEMS, TITLES, problem_response, status_of

# The contract's table, by status.
CONTRACT = {
    400: {"UNPARSABLE"},
    401: {"UNAUTHENTICATED"},
    403: {"FORBIDDEN"},
    404: {"NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    406: {"NOT_ACCEPTABLE"},
    408: {"SLOW_BODY"},
    409: {"OBJECT_CHANGED", "IDEMPOTENCY_KEY_REUSED"},
    413: {"TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    422: {
        "INVALID_OPTIONS", "IMAGE_UNDECODABLE", "IMAGE_TRUNCATED", "IMAGE_ANIMATED", "IMAGE_BOMB", "IMAGE_TOO_SMALL",
        "IMAGE_ASPECT", "IMAGE_TOO_COMPLEX", "MASK_INVALID", "MASK_EMPTY", "CHECKSUM_MISMATCH",
    },
    429: {"RATE_LIMITED"},
    503: {"OVERLOADED", "NOT_READY", "PHASE_TIMEOUT", "PHASE_FAILED", "PHASE_LOST"},
}  # fmt: skip
DOCUMENT = {"type", "title", "status", "detail", "code", "request_id"}


def _tree(kind: type[ColorMatchError]) -> Iterator[type[ColorMatchError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__ and "code" in vars(child):
            yield from _tree(child)


TREE = list(_tree(ColorMatchError))
LEAVES = [kind for kind in TREE if len(list(_tree(kind))) == 1]


def _document(error: ColorMatchError) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(problem_response(error, "r1").body))
    return found


def test_every_error_is_mapped_when_the_tree_is_walked() -> None:
    """The table holds every class of the tree, and nothing else."""
    assert set(PROBLEMS) == set(TREE)
    assert set(TITLES) == {kind.code for kind in TREE}
    assert len({kind.code for kind in TREE}) == len(TREE)


def test_statuses_are_the_contracts_when_the_table_is_read() -> None:
    """Each leaf of the tree has its status of the contract's table."""
    found: dict[int, set[str]] = {}
    final: list[type[ColorMatchError]] = [*LEAVES, errors.MaskInvalid, errors.PhaseFailed]
    for kind in final:
        found.setdefault(PROBLEMS[kind][0], set()).add(kind.code)
    assert found == CONTRACT
    assert status_of(ColorMatchError()) == 500


@pytest.mark.parametrize("kind", TREE)
def test_a_problem_document_has_every_member(kind: type[ColorMatchError]) -> None:
    """A document has RFC 9457's members, the code and the request id, and its status is the answer's."""
    response = problem_response(kind("What is wrong."), "r1")
    document = json.loads(bytes(response.body))
    assert set(document) == DOCUMENT
    assert response.media_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert document["status"] == response.status_code == PROBLEMS[kind][0]
    assert (document["code"], document["detail"], document["request_id"]) == (kind.code, "What is wrong.", "r1")
    assert document["type"] == f"/docs/errors/{kind.code.lower().replace('_', '-')}"


@pytest.mark.parametrize("kind", TREE)
def test_an_error_survives_when_it_crosses_processes(kind: type[ColorMatchError]) -> None:
    """A pickled error keeps its class, code and detail."""
    found: ColorMatchError = pickle.loads(pickle.dumps(kind("What is wrong.")))  # noqa: S301 - our own bytes
    assert type(found) is kind
    assert (found.code, found.detail, found.args) == (kind.code, "What is wrong.", ("What is wrong.",))


def test_fields_survive_when_their_error_crosses_processes() -> None:
    """InvalidFields survives pickling with its pointers."""
    fields = (FieldError("/options/max_colors", "Too many."), FieldError("", "Unknown field."))
    found = pickle.loads(pickle.dumps(InvalidFields(fields)))  # noqa: S301 - our own bytes
    assert (found.fields, found.detail) == (fields, "/options/max_colors: Too many.; /: Unknown field.")


def test_a_detail_is_always_there_when_an_error_has_none() -> None:
    """An error without a detail gets a general one, and never a class name."""
    for kind in TREE:
        detail = _document(kind())["detail"]
        assert detail
        assert kind.__name__ not in detail


def test_a_new_error_is_answered_when_it_has_no_row_yet() -> None:
    """A subclass without a row takes its nearest ancestor's status."""

    class Stranger(errors.ImageBomb):
        pass

    assert status_of(Stranger()) == 422


def test_bad_fields_are_listed_when_options_are_refused() -> None:
    """`errors` holds each field's JSON pointer and message."""
    fields = (FieldError("/options/max_colors", "Too many."), FieldError("/options/x", "Unknown field."))
    document = _document(InvalidFields(fields))
    assert document["code"] == "INVALID_OPTIONS"
    assert document["errors"] == [
        {"pointer": "/options/max_colors", "message": "Too many."},
        {"pointer": "/options/x", "message": "Unknown field."},
    ]


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.Unauthenticated("No key."), "WWW-Authenticate", 'Bearer realm="stylesync"'),
        (errors.Overloaded("Full."), "Retry-After", "1"),
        (errors.NotReady("Not yet."), "Retry-After", "1"),
        (errors.RateLimited("Slowly."), "Retry-After", "1"),
        (errors.MethodNotAllowed("PUT is not allowed here.", allowed=("GET", "HEAD")), "Allow", "GET, HEAD"),
    ],
)
def test_a_problem_has_the_headers_of_its_status(error: ColorMatchError, header: str, value: str) -> None:
    """A 401 says how to authenticate, a 429 and a 503 when to retry, and a 405 what is allowed."""
    assert problem_response(error, "r1").headers[header] == value


def test_a_problem_has_no_other_headers_of_errors() -> None:
    """A refused field is answered without Retry-After, WWW-Authenticate or Allow."""
    headers = problem_response(errors.InvalidOptions("No."), "r1").headers
    assert not {"retry-after", "www-authenticate", "allow"} & set(headers)


def test_control_characters_of_a_client_are_replaced() -> None:
    """Control characters of a client do not reach the terminal that shows an error."""
    field = FieldError("/options/\x1b[2J", "Unknown field. Given: '\x9b31m\r\n'.")
    document = _document(InvalidFields((field,)))
    shown = [document["detail"], document["errors"][0]["pointer"], document["errors"][0]["message"]]
    assert all(text.isprintable() and "\ufffd" in text for text in shown)


def test_an_error_is_small_when_a_hundred_thousand_fields_are_wrong() -> None:
    """The document names a hundred fields, and bounds each pointer and message."""
    fields = tuple(FieldError(f"/{number}", "Unknown field. " * 1000) for number in range(100_000))
    document = _document(InvalidFields(fields))
    assert [len(document["errors"]), len(document["detail"])] == [100, 2000]
    assert len(json.dumps(document)) < 250_000
