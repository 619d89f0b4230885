"""A client of one S3 bucket: presigned uploads and bounded reads, with botocore's signatures over httpx.

It only ever asks one endpoint and one bucket: it follows no redirect and uses no proxy of the environment.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import get_session
from opentelemetry.trace import SpanKind

from pipeline.errors import NotFound, NotReady, ObjectChanged, TooLarge
from serve.imports import without
from serve.observe import tracing
from serve.settings import S3Environment
from serve.stores.trust import trusting

# httpx loads its command line where it finds rich, which takes 40 ms of a replica's start.
with without("rich"):
    import httpx

# Taste: a store that does not accept a connection by then is down.
CONNECT_TIMEOUT_S = 1.0
# Taste: concurrent calls of a replica.
CONNECTIONS = 16
# Taste: how much is read at once.
CHUNK_BYTES = 256 * 1024
LIFECYCLE = (
    "<LifecycleConfiguration><Rule><ID>uploads</ID><Status>Enabled</Status><Filter><Prefix>uploads/</Prefix></Filter>"
    "<Expiration><Days>{days}</Days></Expiration></Rule></LifecycleConfiguration>"
)
SHA256_META = "x-amz-meta-sha256"
NO_SUCH_OBJECT = "There is no such object."
UNREACHABLE = "The object store cannot be asked just now; try again shortly."


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object's metadata in the store; sha256: hex, when the upload announced it."""

    etag: str
    length_bytes: int
    content_type: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """The terms of one upload: its key, media type and exact length; sha256: hex, stored with the object."""

    key: str
    content_type: str
    length_bytes: int
    sha256: str | None
    expires_at: datetime


class ObjectStore:
    """One bucket. Every method raises NotReady when the store cannot be asked."""

    def __init__(self, config: S3Environment, *, timeout_s: float, ca_file: Path | None = None) -> None:
        """config: must name a bucket. timeout_s: the timeout of a whole call. ca_file: certificates of a private CA."""
        self._config = config
        self._timeout_s = timeout_s
        self._credentials: Any = _credentials(config)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
            verify=trusting(ca_file),
        )

    @property
    def origin(self) -> str:
        """The origin, scheme and host, of the addresses that clients upload to."""
        parts = urlsplit(self._bucket_url(self._config.public_url))
        return f"{parts.scheme}://{parts.netloc}"

    # --- presigned uploads ------------------------------------------------------------------------------------
    async def post_policy(self, terms: UploadTerms) -> tuple[str, dict[str, str]]:
        """The URL and the form fields of a presigned POST, which allows this upload only."""
        fields = {"key": terms.key, "Content-Type": terms.content_type}
        if terms.sha256 is not None:
            fields[SHA256_META] = terms.sha256
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append({"bucket": self._config.bucket})
        conditions.append(["content-length-range", terms.length_bytes, terms.length_bytes])
        request = AWSRequest(method="POST", url=self._bucket_url(self._config.public_url))
        request.context["s3-presign-post-fields"] = fields
        expiration = terms.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request.context["s3-presign-post-policy"] = {"expiration": expiration, "conditions": conditions}
        S3SigV4PostAuth(await self._frozen(), "s3", self._config.region).add_auth(request)
        return request.url, fields

    async def put_url(self, terms: UploadTerms) -> tuple[str, dict[str, str]]:
        """The URL of a presigned PUT, and the headers that it signs, among them the length and the type."""
        headers = {"Content-Type": terms.content_type, "Content-Length": str(terms.length_bytes)}
        if terms.sha256 is not None:
            digest = base64.b64encode(bytes.fromhex(terms.sha256)).decode()
            headers |= {SHA256_META: terms.sha256, "x-amz-checksum-sha256": digest}
        request = AWSRequest(method="PUT", url=self._url(terms.key, self._config.public_url), headers=headers)
        expires_s = round((terms.expires_at - datetime.now(UTC)).total_seconds())
        S3SigV4QueryAuth(await self._frozen(), "s3", self._config.region, expires=expires_s).add_auth(request)
        return request.url, headers

    # --- calls of the service ---------------------------------------------------------------------------------
    async def facts(self, key: str) -> ObjectFacts:
        """An object's metadata. Raises NotFound."""
        async with self._response("HEAD", key) as response:
            headers = response.headers
            return ObjectFacts(
                etag=headers.get("etag", ""),
                length_bytes=int(headers.get("content-length", "0")),
                content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
                sha256=headers.get(SHA256_META),
            )

    async def read(self, key: str, facts: ObjectFacts, *, max_bytes: int) -> bytes:
        """The bytes of the object that `facts` describe.

        Raises ObjectChanged when it was replaced, NotFound when it is gone, TooLarge beyond max_bytes.
        """
        async with self._response("GET", key, {"If-Match": facts.etag}) as response:
            data = bytearray()
            async for chunk in response.aiter_raw(CHUNK_BYTES):
                data += chunk
                if len(data) > max_bytes:
                    raise TooLarge(f"The object has more than the {max_bytes} bytes allowed.")
        if len(data) != facts.length_bytes or response.headers.get("etag") != facts.etag:
            raise ObjectChanged("The object changed while it was being read.")
        return bytes(data)

    async def remove(self, key: str) -> None:
        """Removes an object; a missing one is not an error."""
        async with self._response("DELETE", key):
            return

    async def keys(self, prefix: str, *, page_size: int = 1000) -> AsyncIterator[str]:
        """The keys with a prefix, in order."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(page_size)}
        while True:
            async with self._response("GET", "", query=query) as response:
                page = ElementTree.fromstring(await response.aread())  # noqa: S314 - only the configured endpoint
            space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            for found in page.iter(f"{space}Contents"):
                yield found.findtext(f"{space}Key", "")
            token = page.findtext(f"{space}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Writes an object."""
        async with self._response("PUT", key, {"Content-Type": content_type}, data=data):
            return

    async def make_bucket(self, *, expire_days: int) -> None:
        """Makes the bucket unless it exists, and has the store remove objects after expire_days."""
        try:
            async with self._response("PUT", ""):
                pass
        # S3 answers 409 when the bucket exists already.
        except ObjectChanged:
            pass
        rule = LIFECYCLE.format(days=expire_days).encode()
        md5 = base64.b64encode(hashlib.md5(rule, usedforsecurity=False).digest()).decode()
        async with self._response("PUT", "", {"Content-MD5": md5}, {"lifecycle": ""}, data=rule):
            return

    async def ping(self) -> None:
        """Returns when the store answers and has the bucket."""
        async with self._response("HEAD", ""):
            return

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    # --- the wire ---------------------------------------------------------------------------------------------
    @asynccontextmanager
    async def _response(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        *,
        data: bytes = b"",
    ) -> AsyncIterator[httpx.Response]:
        """A successful response, whose body is still to be read."""
        url = self._url(key, self._config.url)
        if query:
            url += "?" + "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
        request = AWSRequest(method=method, url=url, headers=dict(headers or {}), data=data)
        S3SigV4Auth(await self._frozen(), "s3", self._config.region).add_auth(request)
        try:
            with tracing.span(f"s3 {method.lower()}", SpanKind.CLIENT):
                async with asyncio.timeout(self._timeout_s):
                    signed = dict(request.headers.items())
                    async with self._client.stream(method, url, headers=signed, content=data) as response:
                        _check(response)
                        yield response
        except (httpx.HTTPError, TimeoutError) as error:
            raise NotReady(UNREACHABLE) from error

    def _url(self, key: str, endpoint: str) -> str:
        return self._bucket_url(endpoint) + ("/" + quote(key, safe="/-_.~") if key else "")

    def _bucket_url(self, endpoint: str) -> str:
        parts, bucket = urlsplit(endpoint), self._config.bucket
        if self._config.addressing == "path":
            return f"{endpoint.rstrip('/')}/{bucket}"
        return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path.rstrip('/')}"

    async def _frozen(self) -> Any:
        """The current credentials. It uses a thread, because a role's credentials are renewed over the network."""
        if isinstance(self._credentials, Credentials) and self._credentials.method == "explicit":
            return self._credentials.get_frozen_credentials()
        return await asyncio.to_thread(self._credentials.get_frozen_credentials)


def _check(response: httpx.Response) -> None:
    """Raises the error that a failed status means."""
    match response.status_code:
        case 200 | 204:
            return
        # S3 answers 403 for a missing object when the caller may not list the bucket.
        case 403 | 404:
            raise NotFound(NO_SUCH_OBJECT)
        case 409 | 412:
            raise ObjectChanged("The object changed while it was being read.")
        case _:
            raise NotReady(UNREACHABLE)


def _credentials(config: S3Environment) -> Any:
    if config.access_key_id and config.secret_access_key:
        return Credentials(config.access_key_id, config.secret_access_key.get_secret_value(), method="explicit")
    credentials = get_session().get_credentials()
    if credentials is None:
        raise ValueError("S3_BUCKET is set, but no credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY.")
    return credentials
