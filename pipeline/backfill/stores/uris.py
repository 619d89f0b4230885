"""Finds the store of a URI, and converts between paths and URIs."""

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pipeline.backfill.errors import BadRequest
from pipeline.backfill.stores.s3 import S3Store
from pipeline.backfill.stores.store import LocalStore, Readable, Store
from pipeline.backfill.stores.web import WebStore

S3_SCHEME, FILE_SCHEME, HTTPS_SCHEME, HTTP_SCHEME = "s3://", "file://", "https://", "http://"


class Stores:
    """Finds the store of a URI, with one client for each bucket.

    endpoint_url: of an S3 server other than Amazon's. hosts: patterns of hosts whose https:// addresses are read.
    """

    def __init__(self, endpoint_url: str | None = None, hosts: tuple[str, ...] = ()) -> None:
        self._endpoint_url = endpoint_url
        self._web = WebStore(hosts)
        self._buckets: dict[str, S3Store] = {}

    def folder(self, uri: str) -> Store:
        """The store whose root is this folder or prefix. Raises BadRequest for another scheme."""
        if uri.startswith(S3_SCHEME):
            bucket, _, prefix = uri.removeprefix(S3_SCHEME).partition("/")
            return S3Store(_named(bucket, uri), prefix.strip("/"), endpoint_url=self._endpoint_url)
        return LocalStore(local_path(uri))

    def file(self, uri: str) -> tuple[Readable, str]:
        """The store and the key of one object. Raises BadRequest for another scheme, or a host that is not allowed."""
        if uri.startswith((HTTPS_SCHEME, HTTP_SCHEME)):
            return self._web, self._web.key_of(uri)
        if not uri.startswith(S3_SCHEME):
            path = local_path(uri)
            return LocalStore(path.parent), path.name
        bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
        if bucket not in self._buckets:
            self._buckets[bucket] = S3Store(_named(bucket, uri), "", endpoint_url=self._endpoint_url)
        return self._buckets[bucket], key


def absolute(uri: str) -> str:
    """The canonical URI of a folder, prefix or file. Raises BadRequest for another scheme."""
    return uri.rstrip("/") if uri.startswith(S3_SCHEME) else local_uri(local_path(uri))


def local_path(uri: str) -> Path:
    """The absolute path of a plain path or file:// URI. Raises BadRequest for any other scheme."""
    if uri.startswith(FILE_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix(FILE_SCHEME))))
    if "://" in uri:
        raise BadRequest(f"'{uri[:80]}' is neither a path nor an s3:// or file:// URI.")
    # abspath also removes "..", and does not touch the file system.
    return Path(os.path.abspath(uri))  # noqa: PTH100


def local_uri(path: Path) -> str:
    """A path as text, or as a file:// URI when its bytes are not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return FILE_SCHEME + quote_from_bytes(os.fsencode(path))
    return str(path)


def _named(bucket: str, uri: str) -> str:
    if not bucket:
        raise BadRequest(f"'{uri[:80]}' has no bucket. Write s3://bucket/prefix.")
    return bucket
