"""The tests' upload service: a bucket of its own on the real S3 server, and clients that only have its terms."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from serve.uploads.idempotency import Idempotency
from serve.uploads.object_store import ObjectStore
from serve.uploads.uploads import Uploads
from serve.uploads.wanted import WantedUpload
from tests.s3_server import S3Server
from tests.serve.application import photo_bytes
from tests.serve.fakes import MemoryStore

MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Counter:
    """An upload service with a bucket of its own, and clients that only have its terms."""

    uploads: Uploads
    store: ObjectStore
    server: S3Server
    bucket: str
    client: httpx.AsyncClient
    there: frozenset[str]

    async def presigned(self, tenant: str = "shop", data: bytes | None = None, **wanted: Any) -> dict[str, Any]:
        """The terms of an upload of a PNG."""
        length = len(photo_bytes() if data is None else data)
        return await self.uploads.presign(tenant, WantedUpload("image/png", length, **wanted))

    async def post(self, answer: dict[str, Any], data: bytes | None = None, kind: str = "image/png") -> int:
        """The status of sending a form as a browser does."""
        file = ("photo.png", photo_bytes() if data is None else data, kind)
        return (await self.client.post(answer["url"], data=answer["fields"], files={"file": file})).status_code

    async def put(self, answer: dict[str, Any], data: bytes | None = None, **headers: str) -> int:
        """The status of sending the bytes as a body; a header given as "" is left out."""
        sent = {name: value for name, value in {**answer["headers"], **headers}.items() if value}
        body = photo_bytes() if data is None else data
        return (await self.client.put(answer["url"], content=body, headers=sent)).status_code

    async def uploaded(self, tenant: str = "shop") -> str:
        """The key of a photo that was uploaded as announced."""
        answer = await self.presigned(tenant)
        assert await self.post(answer) == 204
        return str(answer["object_key"])

    async def read(self, key: str, tenant: str = "shop") -> bytes:
        """The bytes that the service reads."""
        async with self.uploads.opened(tenant, key) as data:
            return data

    async def arrived(self) -> list[str]:
        """The keys stored in the bucket since the test began."""
        return [key async for key in self.store.keys("") if key not in self.there]


def uploads_at(store: ObjectStore, *, memory: MemoryStore | None = None, bytes_in_flight: int = 10**9) -> Uploads:
    idempotency = Idempotency(memory or MemoryStore(), secret=b"secret", ttl_s=600)
    return Uploads(store, idempotency, max_bytes=MAX_BYTES, bytes_in_flight=bytes_in_flight, expiry_s=600)


@asynccontextmanager
async def counter_at(s3: S3Server, bucket: str) -> AsyncIterator[Counter]:
    """A counter at a bucket."""
    store = ObjectStore(s3.started.config(bucket), timeout_s=20)
    there = frozenset([key async for key in store.keys("")])
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield Counter(uploads_at(store), store, s3, bucket, client, there)
    await store.close()


def made_bucket(s3: S3Server) -> str:
    """A fresh bucket."""
    s3.make_bucket(name := f"b{secrets.token_hex(8)}")
    return name
