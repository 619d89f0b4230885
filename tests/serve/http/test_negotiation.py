"""Tests the Accept header by RFC 9110."""

import pytest

from pipeline.errors import NotAcceptable
from serve.http.negotiation import must_accept


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "*/*",
        "application/json",
        "APPLICATION/JSON",
        "application/*",
        "application/json; charset=utf-8",
        "text/html, application/json;q=0.1",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json;q=nonsense",
        "image/*;q=0, */*",
    ],
)
def test_an_answer_is_acceptable_when_a_range_covers_it(header: str | None) -> None:
    """The type, its family, `*/*` or a missing header accepts the answer."""
    must_accept(header, "application/json")


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "image/*",
        "application/xml",
        "application/problem+json",
        "application/json;q=0",
        "application/json;q=0, */*",
        "application/*;q=0.0, */*;q=1",
        "*/*;q=0",
        "json",
    ],
)
def test_an_answer_is_not_acceptable_when_no_range_covers_it(header: str) -> None:
    """Other types and a quality of 0 exclude the answer. The most specific range decides."""
    with pytest.raises(NotAcceptable, match="This answers with application/json"):
        must_accept(header, "application/json")
