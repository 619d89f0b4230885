"""Uploads on a real S3 server: exactly what the client announced is accepted."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pipeline.errors import (
    ChecksumMismatch,
    IdempotencyKeyReused,
    InvalidFields,
    NotFound,
    NotReady,
    ObjectChanged,
    Overloaded,
    TooLarge,
    UnsupportedMedia,
)
from serve.uploads.object_store import ObjectStore
from serve.uploads.wanted import WantedUpload
from tests.s3_server import S3Server
from tests.serve.application import NOWHERE, Application, form, photo_bytes, running
from tests.serve.fakes import MemoryStore
from tests.serve.uploads.upload_counter import MAX_BYTES, Counter, counter_at, made_bucket, uploads_at

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    """A bucket for these tests."""
    return made_bucket(s3)


@pytest_asyncio.fixture
async def counter(s3: S3Server, bucket: str) -> AsyncIterator[Counter]:
    """A counter at the bucket."""
    async with counter_at(s3, bucket) as made:
        yield made


# --- as announced ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_the_bytes_come_back_when_they_are_sent_as_announced(
    counter: Counter, method: str, announced: bool
) -> None:
    """A form and a PUT, with and without a checksum, store the same object, which the service can read."""
    data = photo_bytes()
    sha256 = hashlib.sha256(data).hexdigest() if announced else None
    answer = await counter.presigned(method=method, sha256=sha256)
    assert answer["method"] == method
    assert answer["max_bytes"] == len(data)
    assert await (counter.post(answer) if method == "POST" else counter.put(answer)) in (200, 204)
    assert await counter.read(answer["object_key"]) == data
    expires_at = datetime.fromisoformat(answer["expires_at"])
    assert timedelta(0) < expires_at - datetime.now(UTC) <= timedelta(seconds=600)


async def test_keys_cannot_be_guessed_when_they_are_made(counter: Counter) -> None:
    """Each upload has a key of 128 random bits below its tenant's prefix; the client chooses no part of it."""
    keys = {(await counter.presigned())["object_key"] for _ in range(20)}
    assert len(keys) == 20
    assert all(key.startswith("uploads/shop/") and len(key.rpartition("/")[2]) == 32 for key in keys)


# --- read again -----------------------------------------------------------------------------------------------
BAD_KEYS = (
    "",
    "photo.png",
    "uploads/shop",
    "uploads/shop/",
    "uploads/shop/short",
    "uploads/shop/0123456789ABCDEF0123456789ABCDEF",
    "uploads/shop/0123456789abcdef0123456789abcdef/",
    "uploads/shop/0123456789abcdef0123456789abcdef\n",
    "uploads/shop/0123456789abcdef0123456789abcdef\x00.png",
    "uploads/shop/../bank/0123456789abcdef0123456789abcdef",
    "uploads/shop/%2e%2e/0123456789abcdef0123456789abcdef",
    "uploads//0123456789abcdef0123456789abcdef",
    "/uploads/shop/0123456789abcdef0123456789abcdef",
    "uploads/shop/٠١٢٣456789abcdef0123456789abcdef",
    "uploads/ｓhop/0123456789abcdef0123456789abcdef",
    "http://169.254.169.254/latest/meta-data/",
    "s3://other/uploads/shop/0123456789abcdef0123456789abcdef",
    "../other/uploads/shop/0123456789abcdef0123456789abcdef",
    "uploads/shop/0123456789abcdef0123456789abcdef?versionId=1",
)


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_nothing_is_asked_when_a_key_has_not_our_form(key: str) -> None:
    """URLs, paths, other buckets and look-alikes are refused without asking the store."""
    store = ObjectStore(NOWHERE, timeout_s=1)
    with pytest.raises(InvalidFields, match="/object_key"):
        async with uploads_at(store).opened("shop", key):
            pass
    await store.close()


async def test_an_object_is_not_there_when_it_is_anothers(counter: Counter) -> None:
    """Another tenant's object and a missing one give the same error, word for word."""
    key = await counter.uploaded("bank")
    assert await counter.read(key, "bank") == photo_bytes()
    with pytest.raises(NotFound) as theirs:
        await counter.read(key, "shop")
    with pytest.raises(NotFound) as missing:
        await counter.read(f"uploads/shop/{secrets.token_hex(16)}")
    assert theirs.value.detail == missing.value.detail


async def test_an_object_is_gone_when_it_was_removed(counter: Counter) -> None:
    """A removed object is not found; removing it twice is not an error."""
    key = await counter.uploaded()
    await counter.store.remove(key)
    await counter.store.remove(key)
    with pytest.raises(NotFound):
        await counter.read(key)


async def _facts_then(counter: Counter, key: str, between: Callable[[], Any]) -> bytes:
    """Reads an object whose facts were looked at before something happened."""
    facts = await counter.store.facts(key)
    between()
    return await counter.store.read(key, facts, max_bytes=MAX_BYTES)


async def test_a_conflict_is_told_when_an_object_changes_before_it_is_read(counter: Counter) -> None:
    """An object that is replaced between check and read is a conflict, and one that is removed is not found."""
    key = await counter.uploaded()
    other = photo_bytes()[:-1] + b"!"
    with pytest.raises(ObjectChanged):
        await _facts_then(counter, key, lambda: counter.server.put(counter.bucket, {key: other}))
    with pytest.raises(NotFound):
        await _facts_then(counter, key, lambda: counter.server.remove(counter.bucket, key))


async def test_the_bytes_decide_when_an_object_is_read(counter: Counter) -> None:
    """HTML with an image's type is refused; a PNG declared as JPEG, or as S3's default type, is read."""
    page = b"<html><script>alert(1)</script></html>"
    answer = await counter.presigned(data=page)
    assert await counter.post(answer, page) == 204
    with pytest.raises(UnsupportedMedia):
        await counter.read(answer["object_key"])
    answer = await counter.uploads.presign("shop", WantedUpload("image/jpeg", len(photo_bytes())))
    assert await counter.post(answer, kind="image/jpeg") == 204
    assert await counter.read(answer["object_key"]) == photo_bytes()
    await counter.store.put(key := f"uploads/shop/{secrets.token_hex(16)}", photo_bytes(), "binary/octet-stream")
    assert await counter.read(key) == photo_bytes()


async def test_the_checksum_is_checked_when_an_object_is_read(counter: Counter) -> None:
    """A form can send other bytes of the announced length; the service does not accept them."""
    answer = await counter.presigned(sha256=hashlib.sha256(photo_bytes()).hexdigest())
    assert await counter.post(answer, photo_bytes()[:-1] + b"!") == 204
    with pytest.raises(ChecksumMismatch):
        await counter.read(answer["object_key"])


async def test_a_large_object_is_refused_when_it_is_beyond_the_limit(counter: Counter) -> None:
    """The announcement, the check and the read each enforce the size limit."""
    with pytest.raises(InvalidFields, match="100000"):
        await counter.presigned(data=bytes(MAX_BYTES + 1))
    key = f"uploads/shop/{secrets.token_hex(16)}"
    await counter.store.put(key, bytes(MAX_BYTES + 1), "image/png")
    with pytest.raises(TooLarge, match="100001 bytes"):
        await counter.read(key)
    facts = await counter.store.facts(key)
    with pytest.raises(TooLarge):
        await counter.store.read(key, facts, max_bytes=MAX_BYTES)


async def test_a_photo_waits_its_turn_when_too_many_bytes_are_in_flight(counter: Counter) -> None:
    """While one object is in progress there is no room for a second; afterwards there is."""
    key = await counter.uploaded()
    small = uploads_at(counter.store, bytes_in_flight=len(photo_bytes()))
    async with small.opened("shop", key):
        with pytest.raises(Overloaded):
            async with small.opened("shop", key):
                pass
    async with small.opened("shop", key) as data:
        assert data == photo_bytes()


async def test_the_service_is_not_ready_for_objects_when_the_store_is_gone() -> None:
    """An unreachable store gives 503."""
    store = ObjectStore(NOWHERE, timeout_s=1)
    for call in (store.ping(), store.facts("uploads/shop/x"), store.remove("uploads/shop/x")):
        with pytest.raises(NotReady):
            await call
    await store.close()


async def test_all_keys_are_listed_when_there_are_several_pages(counter: Counter) -> None:
    """All keys of a tenant are listed and no other's, because the prefix ends with a slash."""
    objects = [f"uploads/store/{k:032x}" for k in range(5)]
    for key in (*objects, f"uploads/store-2/{0:032x}"):
        await counter.store.put(key, b"x", "image/png")
    assert [key async for key in counter.store.keys("uploads/store/", page_size=2)] == objects


# --- idempotency ----------------------------------------------------------------------------------------------
async def test_the_same_answer_comes_when_a_request_is_repeated(counter: Counter) -> None:
    """One key and body give one answer, another body is refused, and tenants do not share keys."""
    png, jpeg = WantedUpload("image/png", 100), WantedUpload("image/jpeg", 100)
    first = await counter.uploads.presign("shop", png, idempotency_key="order-1")
    assert await counter.uploads.presign("shop", png, idempotency_key="order-1") == first
    with pytest.raises(IdempotencyKeyReused):
        await counter.uploads.presign("shop", jpeg, idempotency_key="order-1")
    others = [
        await counter.uploads.presign("bank", jpeg, idempotency_key="order-1"),
        await counter.uploads.presign("shop", png, idempotency_key="order-2"),
        await counter.uploads.presign("shop", png),
    ]
    assert len({answer["object_key"] for answer in (first, *others)}) == 4


async def test_a_repeated_request_waits_when_its_memory_is_away(counter: Counter) -> None:
    """Without the state store the answer is 503 rather than a second upload."""
    memory = MemoryStore()
    memory.down = True
    uploads = uploads_at(counter.store, memory=memory)
    with pytest.raises(NotReady):
        await uploads.presign("shop", WantedUpload("image/png", 100), idempotency_key="order-1")
    assert (await uploads.presign("shop", WantedUpload("image/png", 100)))["method"] == "POST"


# --- over HTTP ------------------------------------------------------------------------------------------------
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(
    s3: S3Server, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Application]:
    """The application with the bucket; every answer is checked against the OpenAPI document."""
    async with running(tmp_path_factory.mktemp("keys"), s3=s3.started.config(bucket), object_timeout_s=20) as made:
        yield made


async def _upload(application: Application, data: bytes, **wanted: Any) -> str:
    """The key of a photo uploaded as a client does."""
    asked = {"content_type": "image/png", "content_length": len(data), **wanted}
    answer = (await application.client.post("/v1/uploads/presign", json=asked)).json()
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        file = {"file": ("photo.png", data, "image/png")}
        assert (await client.post(answer["url"], data=answer["fields"], files=file)).status_code == 204
    return str(answer["object_key"])


@pytest.mark.asyncio(loop_scope="module")
async def test_an_uploaded_photo_is_answered_as_a_sent_one_when_asked_for(application: Application) -> None:
    """Presign, upload, advice: the answer equals that of the same photo in the body, except for its mode."""
    key = await _upload(application, photo_bytes())
    asked = {"object_key": key, "options": {"subject": "worn"}}
    found = (await application.client.post("/v1/advice", json=asked)).json()
    sent = (await application.client.post("/v1/advice", **form())).json()
    assert found["mode"] == "object"
    assert found["garments"] == sent["garments"] != []
    assert found["suggestions"] == sent["suggestions"]
    for path in ("segment", "extract", "harmony"):
        assert (await application.client.post(f"/v1/{path}", json=asked)).status_code == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_the_same_404_comes_when_an_object_is_anothers_or_missing(application: Application) -> None:
    """Another tenant's object and a missing object give the same error."""
    key = await _upload(application, photo_bytes())
    other = {"X-API-Key": application.keys["single"]}
    bodies = []
    for asked in (key, f"uploads/single/{'0' * 32}"):
        response = await application.stranger.post("/v1/advice", json={"object_key": asked}, headers=other)
        assert response.status_code == 404
        bodies.append({**response.json(), "request_id": ""})
    assert bodies[0] == bodies[1]


@pytest.mark.asyncio(loop_scope="module")
async def test_each_refusal_has_its_status_when_an_object_cannot_be_used(application: Application) -> None:
    """415 for a non-image, 422 for a damaged image and for bad fields, 403 without the scope."""
    page = await _upload(application, b"<html></html>")
    half = await _upload(application, photo_bytes()[:200])
    for key, status in ((page, 415), (half, 422), ("http://169.254.169.254/", 422), ("uploads/whole/x", 422)):
        assert (await application.client.post("/v1/advice", json={"object_key": key})).status_code == status
    for wish in (
        {"content_type": "image/gif", "content_length": 5},
        {"content_type": "image/png", "content_length": 0},
        {"content_type": "image/png", "content_length": 50 * 1024 * 1024 + 1},
        {"content_type": "image/png", "content_length": 5, "key": "mine"},
        {"content_type": "image/png", "content_length": 5, "method": "DELETE"},
        {"content_type": "image/png", "content_length": 5, "sha256": "x"},
    ):
        assert (await application.client.post("/v1/uploads/presign", json=wish)).status_code == 422
    wish = {"content_type": "image/png", "content_length": 5}
    other = {"X-API-Key": application.keys["single"]}
    assert (await application.stranger.post("/v1/uploads/presign", json=wish, headers=other)).status_code == 403
    assert (await application.stranger.post("/v1/uploads/presign", json=wish)).status_code == 401
    assert (await application.client.post("/v1/uploads/presign", **form())).status_code == 415
    bad_key = {"Idempotency-Key": "k" * 256}
    assert (await application.client.post("/v1/uploads/presign", json=wish, headers=bad_key)).status_code == 422
