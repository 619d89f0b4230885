"""Reads photos by https:// addresses of the hosts that the operator allows."""

import io
from fnmatch import fnmatchcase
from functools import cached_property
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import httpx

from pipeline.backfill.errors import BadRequest, ObjectFailed
from pipeline.backfill.stores.retries import Retries
from pipeline.errors import Forbidden, NotFound, TooLarge

# Taste.
MAX_REDIRECTS = 3
TIMEOUT_S = 30.0
# Standard: the client errors of HTTP that invite a retry. All 5xx do too.
_TRANSIENT_STATUSES = (408, 425, 429)


class _Failed(Exception):
    """The host answered with a status that invites a retry."""


class WebStore:
    """Photos on web servers. hosts: patterns such as `images.example.com` and `*.example.com`."""

    def __init__(self, hosts: tuple[str, ...], *, retries: Retries | None = None) -> None:
        self._hosts = hosts
        self._retries = retries or Retries(lambda error: isinstance(error, _Failed | httpx.TransportError))

    def key_of(self, uri: str) -> str:
        """The address itself. Raises BadRequest unless it is https and its host is allowed."""
        try:
            parts = urlsplit(uri)
            host = (parts.hostname or "").lower()
        except ValueError as error:
            raise BadRequest(f"'{uri[:80]}' is not a URL.") from error
        if parts.scheme != "https":
            raise BadRequest(f"'{uri[:80]}' is not https; addresses of the web are read over https alone.")
        if not any(fnmatchcase(host, pattern) for pattern in self._hosts):
            raise BadRequest(f"https addresses of '{host[:80]}' are not read. Allow the host: --allow-host {host[:80]}")
        return uri

    def read(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """A whole photo. Raises NotFound, Forbidden, TooLarge or ObjectFailed."""
        try:
            return self._retries.call(lambda: self._get(key, max_bytes))
        except (_Failed, httpx.HTTPError, httpx.InvalidURL) as error:
            raise ObjectFailed("The web server does not return this photo.") from error

    def open(self, key: str) -> BinaryIO:
        """A reader of the whole object. Raises NotFound."""
        return io.BytesIO(self.read(key))

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)

    def _get(self, url: str, max_bytes: int | None) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
                if response.has_redirect_location:
                    url = self._redirected(urljoin(url, response.headers["location"]))
                    continue
                return _body(response, max_bytes)
        raise ObjectFailed(f"The web server redirects more than {MAX_REDIRECTS} times.")

    def _redirected(self, url: str) -> str:
        try:
            return self.key_of(url)
        except BadRequest as error:
            raise ObjectFailed("The web server redirects to a host that --allow-host does not name.") from error


def _body(response: httpx.Response, max_bytes: int | None) -> bytes:
    status = response.status_code
    if status in (404, 410):
        raise NotFound("There is no such object.")
    if status in (401, 403):
        raise Forbidden("The web server refuses access to this photo.")
    if status >= 500 or status in _TRANSIENT_STATUSES:
        raise _Failed
    if status != 200:
        raise ObjectFailed(f"The web server answers with HTTP {status}.")
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if max_bytes is not None and len(data) > max_bytes:
            raise TooLarge(f"The object has more than the {max_bytes} bytes allowed.")
    return bytes(data)
