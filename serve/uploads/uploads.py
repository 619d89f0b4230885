"""Presigns uploads that go past this service, and checks the uploaded objects when it reads them."""

import hashlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pipeline.errors import (
    ChecksumMismatch,
    FieldError,
    InvalidFields,
    NotFound,
    Overloaded,
    TooLarge,
)
from pipeline.image.formats import sniff
from serve.uploads.idempotency import Idempotency
from serve.uploads.object_store import NO_SUCH_OBJECT, ObjectFacts, ObjectStore, UploadTerms
from serve.uploads.wanted import OBJECT_KEY, WantedUpload


class Uploads:
    """The uploads of all tenants."""

    def __init__(
        self, store: ObjectStore, idempotency: Idempotency, *, max_bytes: int, bytes_in_flight: int, expiry_s: int
    ) -> None:
        """max_bytes: the largest object. bytes_in_flight: the most bytes of all objects in progress."""
        self.store = store
        self._idempotency = idempotency
        self._max_bytes = max_bytes
        self._bytes_left = bytes_in_flight
        self._expiry_s = expiry_s

    async def presign(self, tenant: str, wanted: WantedUpload, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """The terms for uploading one image under a new key of the tenant; one answer per idempotency key.

        Raises InvalidFields, IdempotencyKeyReused, NotReady.
        """
        if wanted.content_length > self._max_bytes:
            message = f"Input should be less than or equal to {self._max_bytes}. Given: {wanted.content_length}."
            raise InvalidFields((FieldError("/content_length", message),))
        if idempotency_key is None:
            return await self._signed(tenant, wanted)
        work = partial(self._signed, tenant, wanted)
        return await self._idempotency.once(tenant, idempotency_key, asdict(wanted), work)

    async def _signed(self, tenant: str, wanted: WantedUpload) -> dict[str, Any]:
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=self._expiry_s)
        terms = UploadTerms(
            key=f"{prefix_of(tenant)}{secrets.token_hex(16)}",
            content_type=wanted.content_type,
            length_bytes=wanted.content_length,
            sha256=wanted.sha256,
            expires_at=expires_at,
        )
        if wanted.method == "PUT":
            url, headers = await self.store.put_url(terms)
            how: dict[str, Any] = {"method": "PUT", "url": url, "headers": headers}
        else:
            url, fields = await self.store.post_policy(terms)
            how = {"method": "POST", "url": url, "fields": fields}
        expiry = expires_at.isoformat().replace("+00:00", "Z")
        return {**how, "object_key": terms.key, "expires_at": expiry, "max_bytes": wanted.content_length}

    @property
    def origin(self) -> str:
        """The origin that presigned URLs lead to, such as `https://s3.example`."""
        return self.store.origin

    @asynccontextmanager
    async def opened(self, tenant: str, object_key: str) -> AsyncIterator[bytes]:
        """Opens an object of the tenant, which counts as in progress until the block ends.

        Raises InvalidFields for a malformed key, NotFound (also for another tenant's object), TooLarge,
        UnsupportedMedia, ChecksumMismatch, ObjectChanged, Overloaded, NotReady.
        """
        check_owner(tenant, object_key)
        facts = await self.store.facts(object_key)
        self._check(facts)
        if facts.length_bytes > self._bytes_left:
            raise Overloaded("Too many large objects are in progress; try again shortly.")
        self._bytes_left -= facts.length_bytes
        try:
            data = await self.store.read(object_key, facts, max_bytes=facts.length_bytes)
            _check_bytes(data, facts)
            yield data
        finally:
            self._bytes_left += facts.length_bytes

    async def close(self) -> None:
        """Closes the connections."""
        await self.store.close()
        await self._idempotency.close()

    def _check(self, facts: ObjectFacts) -> None:
        if facts.length_bytes > self._max_bytes:
            raise TooLarge(f"The object has {facts.length_bytes} bytes; at most {self._max_bytes} are allowed.")


def prefix_of(tenant: str) -> str:
    """The prefix of all objects of a tenant, and of no other's."""
    return f"uploads/{tenant}/"


def tenant_of(object_key: str) -> str | None:
    """The tenant that an object key belongs to; None for what is not an object key."""
    return object_key.split("/")[1] if re.fullmatch(OBJECT_KEY, object_key) else None


def check_owner(tenant: str, object_key: str) -> None:
    """Raises InvalidFields for what is not an object key, NotFound for another tenant's."""
    owner = tenant_of(object_key)
    if owner is None:
        message = "This is not the key of an upload; take it from the answer of /v1/uploads/presign."
        raise InvalidFields((FieldError("/object_key", message),))
    if owner != tenant:
        raise NotFound(NO_SUCH_OBJECT)


def _check_bytes(data: bytes, facts: ObjectFacts) -> None:
    if facts.sha256 is not None and not hmac.compare_digest(hashlib.sha256(data).hexdigest(), facts.sha256):
        raise ChecksumMismatch("The object's SHA-256 is not the one that was announced for the upload.")
    # The bytes decide what it is, not its label.
    sniff(data)
