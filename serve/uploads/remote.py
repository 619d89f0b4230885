"""Fetches photos by URL from the hosts that a setting allows, without reaching any address that is not public.

A name is resolved once, all its addresses are checked, and the connection goes to a checked address: a second lookup
could give another. Redirects are followed by hand, each with the same checks.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from pipeline.errors import FieldError, InvalidFields, TooLarge

# Taste.
MAX_REDIRECTS = 3
HTTPS_PORT = 443
AT = "/image/url"
OTHER_WAYS = "Send the photo as multipart/form-data, as image.base64, or by the object_key of an upload."
# Standard: RFC 6052 and RFC 3056: IPv6 addresses that carry an IPv4 address in these places.
_NAT64, _6TO4 = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class RemotePhotos:
    """Fetches photos. hosts: patterns such as `images.example.com` and `*.example.com`, with a port if not 443.

    resolve, may_ask and tls are for tests: who resolves names, which addresses are asked, and whom TLS trusts.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        *,
        max_bytes: int,
        timeout_s: float,
        resolve: Resolve | None = None,
        may_ask: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = tuple(hosts)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve or _addresses
        self._may_ask = may_ask or is_public
        self._tls = tls

    async def fetch(self, url: str) -> bytes:
        """The photo at a URL. Raises InvalidFields for a URL that is not allowed or does not give a photo, TooLarge."""
        try:
            async with asyncio.timeout(self._timeout_s):
                for _ in range(MAX_REDIRECTS + 1):
                    found = await self._get(url)
                    if isinstance(found, bytes):
                        return found
                    url = urljoin(url, found)
        except TimeoutError as error:
            raise _refused(f"The host did not send the photo within {self._timeout_s:g} s.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise _refused("The host did not answer, or its certificate is not trusted.") from error
        raise _refused(f"The host redirects more than {MAX_REDIRECTS} times.")

    async def _get(self, url: str) -> bytes | str:
        """The body of a successful answer, or where it redirects to."""
        parts = self._checked(url)
        backend = _Pinned(await self._checked_addresses(parts))
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        headers = [("Host", parts.netloc), ("Accept", "image/*"), ("Accept-Encoding", "identity")]
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
            pool.stream(
                "GET",
                httpcore.URL(scheme="https", host=str(parts.hostname), port=parts.port, target=target),
                headers=headers,
            ) as response,
        ):
            given = {name.lower(): value for name, value in response.headers}
            if response.status in (301, 302, 303, 307, 308) and b"location" in given:
                return given[b"location"].decode("latin-1")
            if response.status != 200:
                raise _refused(f"The host answered with HTTP {response.status}, not with a photo.")
            return await self._body(response, given)

    async def _body(self, response: httpcore.Response, headers: dict[bytes, bytes]) -> bytes:
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > self._max_bytes:
            raise TooLarge(f"The photo has {int(declared[:20])} bytes; at most {self._max_bytes} are allowed.")
        data = bytearray()
        async for chunk in response.aiter_stream():
            data += chunk
            if len(data) > self._max_bytes:
                raise TooLarge(f"The photo has more than the {self._max_bytes} bytes allowed.")
        return bytes(data)

    def _checked(self, url: str) -> SplitResult:
        """The parts of a URL. Raises InvalidFields unless it is https, names an allowed host and no user."""
        try:
            parts = urlsplit(url)
            port, host = parts.port or HTTPS_PORT, (parts.hostname or "").lower()
        except ValueError as error:
            raise _refused(f"'{url[:80]}' is not a URL.") from error
        if parts.scheme != "https" or not host or not url.isascii() or not url.isprintable() or " " in url:
            raise _refused(f"'{url[:80]}' is not an https URL.")
        if "@" in parts.netloc:
            raise _refused("The URL names a user; such URLs are not fetched.")
        named = host if port == HTTPS_PORT else f"{host}:{port}"
        if not any(fnmatchcase(named, pattern) for pattern in self._hosts):
            allowed = ", ".join(self._hosts) or "none (the setting image_url_hosts is empty)"
            raise _refused(f"Photos are not fetched from '{named[:80]}'; allowed hosts: {allowed}. {OTHER_WAYS}")
        return parts

    async def _checked_addresses(self, parts: SplitResult) -> Sequence[str]:
        """The addresses of the host. Raises InvalidFields when one of them is not public."""
        addresses = await self._resolve(str(parts.hostname), parts.port or HTTPS_PORT)
        if not addresses or not all(self._may_ask(address) for address in addresses):
            raise _refused("The host has no public address.")
        return addresses


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to given addresses, whatever name is asked for; TLS still checks the name."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_tcp(self._addresses[0], port, *args, **options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def is_public(text: str) -> bool:
    """Whether an address is reachable from the whole internet, and carries no other address that is not."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _6TO4:
            inner = address.sixtofour
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


async def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _refused("The host's name is not known.") from error
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))


def _refused(message: str) -> InvalidFields:
    return InvalidFields((FieldError(AT, message),))
