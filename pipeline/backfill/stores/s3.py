"""Makes a prefix of an S3 bucket a Store.

botocore finds the credentials and lists objects, because it knows every place for credentials and every key that S3
allows.  obstore reads and writes objects, because it takes a tenth of botocore's CPU time per object.
"""

import io
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import obstore
from botocore import exceptions as botocore_errors
from botocore.config import Config
from botocore.session import get_session
from obstore import exceptions as obstore_errors
from obstore import store as obstore_store

from pipeline.backfill.errors import BadRequest, ObjectFailed, StorageFailed
from pipeline.backfill.stores.retries import Retries
from pipeline.backfill.stores.store import StoredObject
from pipeline.errors import Forbidden, NotFound, TooLarge

R = TypeVar("R")
# The constants below are taste.
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 30
# How long obstore keeps credentials before it asks botocore, which refreshes them itself.
CREDENTIALS_FOR = timedelta(minutes=5)
# Concurrent copies of a move.
COPIES = 16
# The buffer of an opened object, which is the size of its range requests.
RANGE_BYTES = 4 * 1024 * 1024
# Variables that name the file of a private authority's certificates: AWS's and OpenSSL's. The service's
# STYLESYNC_CA_FILE counts beside the public authorities, and botocore would take a file in their place.
AUTHORITIES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")
# obstore reports the HTTP status in its message only.
_STATUS = re.compile(r"status code: (\d{3})")
# Standard: the client errors of HTTP that invite a retry. All 5xx do too.
_TRANSIENT_STATUSES = (408, 425, 429)


class S3Store:
    """The objects below a prefix ("" or "a/b"). Credentials come from the environment, as for every AWS tool."""

    def __init__(self, bucket: str, prefix: str, *, endpoint_url: str | None, retries: Retries | None = None) -> None:
        self._bucket = bucket
        self._root = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url
        self._retries = retries or Retries(is_transient)

    @property
    def url(self) -> str:
        """The prefix's URL."""
        return f"s3://{self._bucket}/{self._root}".rstrip("/")

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """A whole object. Raises NotFound, Forbidden, TooLarge or ObjectFailed."""
        return self._for_object(key, lambda: self._get(key, max_bytes))

    def open(self, key: str) -> BinaryIO:
        """A reader that fetches ranges on demand. Raises NotFound."""
        size = self._for_object(key, lambda: obstore.head(self._objects, self._root + key)["size"])

        def fetch(start: int, end: int) -> bytes:
            return self._for_object(
                key, lambda: bytes(obstore.get_range(self._objects, self._root + key, start=start, end=end))
            )

        return io.BufferedReader(_Ranges(fetch, size), RANGE_BYTES)

    def write(self, key: str, data: bytes) -> None:
        """Writes an object by one PUT or one multipart upload. S3 makes it visible as a whole."""
        self._retried("write", key, lambda: obstore.put(self._objects, self._root + key, data))

    def walk(self, folder: str = "") -> Iterator[StoredObject]:
        """Every object below a folder, in S3's order and a page at a time, without folder markers."""
        prefix = self._root + (f"{folder.strip('/')}/" if folder else "")
        following: dict[str, Any] = {}
        while True:
            page = self._retried("list", folder, partial(self._page, prefix, **following))
            for listed in page.get("Contents", ()):
                if not listed["Key"].endswith("/"):
                    yield StoredObject(listed["Key"][len(self._root) :], listed["Size"])
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    def move(self, source: str, target: str) -> None:
        """Copies all objects within S3, then removes the sources. An interrupted move can be repeated."""
        keys = [found.key for found in self.walk(source)]
        moved = [f"{target.strip('/')}/{key[len(source.strip('/')) + 1 :]}" for key in keys]
        with ThreadPoolExecutor(COPIES) as pool:
            list(pool.map(self._copy, keys, moved))
        self._delete(keys)

    def remove(self, folder: str) -> None:
        """Removes every object below a folder."""
        self._delete([found.key for found in self.walk(folder)])

    # --- one request ------------------------------------------------------------------------------------------
    def _get(self, key: str, max_bytes: int | None) -> bytes:
        answer = obstore.get(self._objects, self._root + key)
        size = answer.meta["size"]
        if max_bytes is not None and size > max_bytes:
            raise TooLarge(f"The object has {size} bytes; at most {max_bytes} are allowed.")
        data = bytes(answer.bytes())
        if len(data) != size:
            raise ConnectionError("the object is incomplete")
        return data

    def _copy(self, key: str, target: str) -> None:
        self._retried("copy", key, lambda: obstore.copy(self._objects, self._root + key, self._root + target))

    def _delete(self, keys: list[str]) -> None:
        if keys:
            paths = [self._root + key for key in keys]
            self._retried("remove", keys[0], lambda: obstore.delete(self._objects, paths))

    def _page(self, prefix: str, **following: Any) -> dict[str, Any]:
        page: dict[str, Any] = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **following)
        return page

    # --- clients ----------------------------------------------------------------------------------------------
    @cached_property
    def _client(self) -> Any:
        style = {"addressing_style": "path"} if self._endpoint_url else None
        return get_session().create_client(
            "s3",
            verify=_authorities(),
            endpoint_url=self._endpoint_url,
            region_name=_region(),
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"total_max_attempts": 1},
                s3=style,
            ),
        )

    @cached_property
    def _objects(self) -> obstore_store.S3Store:
        credentials = get_session().get_credentials()
        if credentials is None:
            raise BadRequest(
                f"No credentials for {self.url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a role."
            )

        def current() -> Any:
            frozen = credentials.get_frozen_credentials()
            return {
                "access_key_id": frozen.access_key,
                "secret_access_key": frozen.secret_key,
                "token": frozen.token,
                "expires_at": datetime.now(UTC) + CREDENTIALS_FOR,
            }

        authorities = _authorities()
        return obstore_store.S3Store(
            self._bucket,
            config={"region": _region(), **({"endpoint": self._endpoint_url} if self._endpoint_url else {})},
            client_options={
                **({"root_certificate": Path(authorities).read_bytes()} if authorities else {}),
                "allow_http": True,
                "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
                "read_timeout": timedelta(seconds=READ_TIMEOUT_S),
                "timeout": timedelta(seconds=10 * READ_TIMEOUT_S),
            },
            retry_config={"max_retries": 0},
            credential_provider=current,
        )

    # --- errors -----------------------------------------------------------------------------------------------
    def _for_object(self, key: str, work: Callable[[], R]) -> R:
        """Makes a request for one object. If it fails while the store is up, the fault is the object's own."""
        try:
            return self._retries.call(work)
        except TooLarge:
            raise
        except FileNotFoundError as error:
            raise NotFound("There is no such object.") from error
        except Exception as error:
            if _status(error) in (401, 403):
                raise Forbidden("The store refuses access to this object.") from error
            # Some keys cannot be sent in a request at all.
            impossible = isinstance(error, obstore_errors.InvalidPathError | ValueError)
            if impossible or (is_transient(error) and self._is_up()):
                raise ObjectFailed("The store fails to return this object.") from error
            raise self._failed("read", key, error) from error

    def _retried(self, verb: str, key: str, work: Callable[[], R]) -> R:
        try:
            return self._retries.call(work)
        except Exception as error:
            raise self._failed(verb, key, error) from error

    def _is_up(self) -> bool:
        """Whether the store answers any request, if only by a refusal."""
        if self._retries.spent:
            return False
        try:
            self._retries.call(lambda: self._page(self._root, MaxKeys=1))
        except Exception as error:
            return not is_transient(error)
        return True

    def _failed(self, verb: str, key: str, error: Exception) -> StorageFailed | BadRequest:
        where = f"{self.url}/{key}".rstrip("/")
        if isinstance(error, BadRequest):
            return error
        if isinstance(error, botocore_errors.NoCredentialsError):
            return BadRequest(
                f"No credentials for {self.url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a role."
            )
        status = _status(error)
        if status == 404:
            return BadRequest(f"There is no bucket '{self._bucket}'.")
        if status in (401, 403):
            return StorageFailed(f"The store refuses to {verb} {where} (HTTP {status}): check credentials and policy.")
        if _is_untrusted(error):
            return BadRequest(
                f"Cannot {verb} {where}: its certificate is not trusted. Name a file with its authority's certificates"
                f" in {' or '.join(AUTHORITIES)}."
            )
        if is_transient(error):
            why = f"HTTP {status}" if status else "no answer"
            return StorageFailed(
                f"Cannot {verb} {where}: {why} after several attempts. Give the same command again when it answers."
            )
        return StorageFailed(f"Cannot {verb} {where}: HTTP {status or 'failed'}.")


class _Ranges(io.RawIOBase):
    """A seekable stream over a function that fetches the bytes from `start` to `end`."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        data = self._fetch(self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed later: timeouts, broken connections, 5xx, 408, 425 and 429."""
    status = _status(error)
    if status is not None:
        return status >= 500 or status in _TRANSIENT_STATUSES
    if isinstance(error, botocore_errors.NoCredentialsError | botocore_errors.ClientError) or _is_untrusted(error):
        return False
    passing = (
        obstore_errors.GenericError,
        obstore_errors.JoinError,
        botocore_errors.HTTPClientError,
        botocore_errors.ConnectionError,
        botocore_errors.IncompleteReadError,
        ConnectionError,
        TimeoutError,
    )
    return isinstance(error, passing)


def _is_untrusted(error: Exception) -> bool:
    """Whether the store's certificate was refused. obstore says so in its message only."""
    if isinstance(error, obstore_errors.BaseError):
        return "InvalidCertificate" in str(error)
    return isinstance(error, botocore_errors.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _status(error: Exception) -> int | None:
    """The HTTP status of a client's error; None when it has none."""
    if isinstance(error, botocore_errors.ClientError):
        status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status
    if isinstance(error, obstore_errors.BaseError) and (found := _STATUS.search(str(error))):
        return int(found[1])
    return None


def _region() -> str:
    region: str | None = get_session().get_config_variable("region")
    return region or "us-east-1"


def _authorities() -> str | None:
    """The file of a private authority's certificates. Raises BadRequest for a file that cannot be read."""
    path = next((os.environ[name] for name in AUTHORITIES if os.environ.get(name)), None)
    if path is not None:
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise BadRequest(f"The file of certificates {path} cannot be read: {error.strerror}.") from error
    return path
