"""Tampered presigned uploads on a real S3 server: every difference from the signed terms is refused."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from serve.uploads.object_store import UploadTerms
from tests.s3_server import S3Server
from tests.serve.application import photo_bytes
from tests.serve.uploads.upload_counter import Counter, counter_at, made_bucket

pytestmark = pytest.mark.server
Fields = dict[str, str]


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    """A bucket for these tests."""
    return made_bucket(s3)


@pytest_asyncio.fixture
async def counter(s3: S3Server, bucket: str) -> AsyncIterator[Counter]:
    """A counter at the bucket."""
    async with counter_at(s3, bucket) as made:
        yield made


# --- tampered forms -------------------------------------------------------------------------------------------
def _policy(fields: Fields, change: Callable[[list[Any]], None]) -> Fields:
    """The fields with another policy under the old signature."""
    policy = json.loads(base64.b64decode(fields["policy"]))
    change(policy["conditions"])
    return {**fields, "policy": base64.b64encode(json.dumps(policy).encode()).decode()}


def _without(name: str) -> Callable[[Fields], Fields]:
    return lambda fields: {key: value for key, value in fields.items() if key != name}


def _with(name: str, value: str) -> Callable[[Fields], Fields]:
    return lambda fields: {**fields, name: value}


SHA256 = hashlib.sha256(b"another").hexdigest()
TAMPERED_FORMS: dict[str, Callable[[Fields], Fields]] = {
    "another length allowed by the policy": lambda fields: _policy(
        fields, lambda conditions: conditions.append(["content-length-range", 0, 10**9])
    ),
    "no condition in the policy": lambda fields: _policy(fields, lambda conditions: conditions.clear()),
    "a later end of the policy": lambda fields: {
        **fields,
        "policy": base64.b64encode(
            json.dumps(
                {**json.loads(base64.b64decode(fields["policy"])), "expiration": "2099-01-01T00:00:00Z"}
            ).encode()
        ).decode(),
    },
    "another type": _with("Content-Type", "text/html"),
    "another image type": _with("Content-Type", "image/jpeg"),
    "another tenant's prefix": _with("key", "uploads/bank/0123456789abcdef0123456789abcdef"),
    "another key of the tenant": _with("key", "uploads/shop/0123456789abcdef0123456789abcdef"),
    "a path upwards": _with("key", "uploads/shop/../bank/0123456789abcdef0123456789abcdef"),
    "a key that the file's name completes": _with("key", "uploads/shop/${filename}"),
    "another checksum": _with("x-amz-meta-sha256", SHA256),
    "no checksum": _without("x-amz-meta-sha256"),
    "one more fact": _with("x-amz-meta-owner", "bank"),
    "no signature": _without("x-amz-signature"),
    "another signature": _with("x-amz-signature", "0" * 64),
    "no policy": _without("policy"),
    "another key's credential": _with("x-amz-credential", "someone/20260101/us-east-1/s3/aws4_request"),
    "another day": _with("x-amz-date", "20200101T000000Z"),
}


@pytest.mark.parametrize("case", TAMPERED_FORMS)
async def test_the_form_is_refused_when_it_is_tampered_with(counter: Counter, case: str) -> None:
    """A form that differs from the signed terms is refused, and nothing is stored."""
    answer = await counter.presigned(sha256=hashlib.sha256(photo_bytes()).hexdigest())
    answer["fields"] = TAMPERED_FORMS[case](answer["fields"])
    assert 400 <= await counter.post(answer) < 500
    assert await counter.arrived() == []


@pytest.mark.parametrize("change", [-1, 1, 100_000])
async def test_the_form_is_refused_when_its_length_is_another(counter: Counter, change: int) -> None:
    """One byte less, one more, or many more than announced are refused."""
    data = photo_bytes()[:change] if change < 0 else photo_bytes() + bytes(change)
    assert 400 <= await counter.post(await counter.presigned(), data) < 500
    assert await counter.arrived() == []


async def test_the_form_is_refused_when_it_goes_to_another_bucket(counter: Counter) -> None:
    """The policy names its bucket."""
    other = f"b{secrets.token_hex(8)}"
    counter.server.make_bucket(other)
    answer = await counter.presigned()
    answer["url"] = answer["url"].replace(counter.bucket, other)
    assert 400 <= await counter.post(answer) < 500
    assert counter.server.keys(other) == []


async def test_the_form_is_refused_when_it_comes_too_late(counter: Counter) -> None:
    """An expired policy is refused."""
    terms = _terms(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    url, fields = await counter.store.post_policy(terms)
    assert 400 <= await counter.post({"url": url, "fields": fields}) < 500
    assert await counter.arrived() == []


def _terms(**changes: Any) -> UploadTerms:
    given = {
        "key": f"uploads/shop/{secrets.token_hex(16)}",
        "content_type": "image/png",
        "length_bytes": len(photo_bytes()),
        "sha256": None,
        "expires_at": datetime.now(UTC) + timedelta(minutes=5),
    }
    return UploadTerms(**{**given, **changes})


# --- tampered PUTs --------------------------------------------------------------------------------------------
TAMPERED_URLS: dict[str, Callable[[str], str]] = {
    "another tenant": lambda url: url.replace("/shop/", "/bank/"),
    "a path upwards": lambda url: url.replace("/shop/", "/shop/../bank/"),
    "an encoded path upwards": lambda url: url.replace("/shop/", "/shop/%2e%2e/bank/"),
    "two slashes": lambda url: url.replace("/shop/", "/shop//"),
    "a longer life": lambda url: url.replace("X-Amz-Expires=", "X-Amz-Expires=9"),
    "fewer signed headers": lambda url: url.replace("content-length%3B", ""),
    "no signature": lambda url: url.partition("&X-Amz-Signature=")[0],
    "no query": lambda url: url.partition("?")[0],
}


@pytest.mark.parametrize("case", TAMPERED_URLS)
async def test_the_put_is_refused_when_its_url_is_tampered_with(counter: Counter, case: str) -> None:
    """A URL that differs from the signed one is refused."""
    answer = await counter.presigned(method="PUT")
    url = TAMPERED_URLS[case](answer["url"])
    assert url != answer["url"]
    assert 400 <= await counter.put({**answer, "url": url}) < 500
    assert await counter.arrived() == []


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (photo_bytes()[:-1], {"Content-Length": str(len(photo_bytes()) - 1)}),
        (photo_bytes() + b"1", {"Content-Length": str(len(photo_bytes()) + 1)}),
        (None, {"Content-Type": "text/html"}),
        (None, {"Content-Type": ""}),
        (None, {"x-amz-meta-sha256": SHA256}),
        (None, {"x-amz-meta-sha256": ""}),
        (None, {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(SHA256)).decode()}),
        (photo_bytes()[:-1] + b"!", {}),
    ],
)
async def test_the_put_is_refused_when_it_is_not_as_announced(
    counter: Counter, data: bytes | None, headers: dict[str, str]
) -> None:
    """Another length, type or checksum, and other bytes than those of the checksum, are refused."""
    answer = await counter.presigned(method="PUT", sha256=hashlib.sha256(photo_bytes()).hexdigest())
    assert 400 <= await counter.put(answer, data, **headers) < 500
    assert await counter.arrived() == []


async def test_the_url_does_nothing_else_when_it_is_used_for_it(counter: Counter) -> None:
    """A presigned PUT permits no reading, removing or listing, and the bucket answers nobody without a signature."""
    answer = await counter.presigned(method="PUT")
    assert await counter.put(answer) == 200
    for method in ("GET", "DELETE", "POST"):
        assert (await counter.client.request(method, answer["url"])).status_code >= 400
    plain = answer["url"].partition("?")[0]
    assert (await counter.client.get(plain)).status_code == 403
    assert (await counter.client.get(f"{counter.server.url}/{counter.bucket}?list-type=2")).status_code == 403
    assert await counter.arrived() == [answer["object_key"]]
