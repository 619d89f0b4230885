"""Tests fetching photos by URL: allowed hosts, public addresses, one lookup, redirects, limits of size and time."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.errors import InvalidFields, TooLarge
from serve.uploads.remote import RemotePhotos, is_public
from tests.serve.application import photo_bytes

HOST = "images.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of HOST, with its key, as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName("evil.example")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


Answer = Callable[[str], Awaitable[bytes]]


@asynccontextmanager
async def _photos(
    certificate: Path, answer: Answer, *, hosts: Sequence[str] = (HOST,), **how: Any
) -> AsyncIterator[tuple[RemotePhotos, list[str], int]]:
    """A fetcher whose names lead to a server on this machine, the names that it looked up, and the server's port."""
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    lookups: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            writer.write(await answer(head))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def resolve(host: str, port: int) -> Sequence[str]:
        lookups.append(host)
        return ["127.0.0.1"]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    settings: dict[str, Any] = {"max_bytes": 100_000, "timeout_s": 5.0, "may_ask": lambda _: True, **how}
    client_tls = ssl.create_default_context(cafile=str(certificate))
    patterns = [f"{host}:{port}" for host in hosts]
    try:
        yield RemotePhotos(patterns, resolve=resolve, tls=client_tls, **settings), lookups, port
    finally:
        server.close()


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


async def test_a_photo_is_fetched_when_its_host_is_allowed(certificate: Path) -> None:
    """The bytes come back; the name is looked up once, and the server sees it and no key of ours."""
    seen: list[str] = []

    async def answer(head: str) -> bytes:
        seen.append(head)
        return _ok(photo_bytes())

    async with _photos(certificate, answer) as (photos, lookups, port):
        assert await photos.fetch(f"https://{HOST}:{port}/a/b.png?size=2") == photo_bytes()
    assert lookups == [HOST]
    assert seen[0].startswith("GET /a/b.png?size=2 HTTP/1.1\r\n")
    assert f"Host: {HOST}:{port}\r\n" in seen[0]
    assert not [word for word in ("cookie", "authorization", "x-api-key", "referer") if word in seen[0].lower()]


@pytest.mark.parametrize("url", [
    "http://images.example.com/a", "https://evil.example/a", "https://images.example.com.evil.example/a",
    "https://user:pass@images.example.com/a", "https://evil.example@images.example.com/", "ftp://images.example.com/a",
    "file:///etc/passwd", "https://127.0.0.1/", "https://[::1]/", "https://images.example.com:8443/a", "https:///a",
    "https://images.example.com\\@evil.example/a", "https://images.example.com/a b", "//images.example.com/a", "",
    "https://images.example.com:99999/", "https://ımages.example.com/",
])  # fmt: skip
async def test_nothing_is_asked_when_a_url_is_not_allowed(url: str) -> None:
    """Another scheme, host, port or user, and what is no URL, is refused before any lookup."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        raise AssertionError("looked up")

    photos = RemotePhotos(["images.example.com"], max_bytes=1000, timeout_s=1, resolve=resolve)
    with pytest.raises(InvalidFields):
        await photos.fetch(url)


async def test_the_setting_is_named_when_no_host_is_allowed() -> None:
    """By default no photo is fetched, and the error says so and tells the other ways in."""
    photos = RemotePhotos([], max_bytes=1000, timeout_s=1)
    with pytest.raises(InvalidFields, match=r"image_url_hosts is empty.*multipart/form-data.*object_key"):
        await photos.fetch("https://images.example.com/a.jpg")


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"], []])
async def test_a_host_is_refused_when_one_of_its_addresses_is_private(addresses: list[str]) -> None:
    """An allowed name that leads to a private address is not asked."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    photos = RemotePhotos([HOST], max_bytes=1000, timeout_s=1, resolve=resolve)
    with pytest.raises(InvalidFields, match="no public address"):
        await photos.fetch(f"https://{HOST}/a")


@pytest.mark.parametrize(("text", "public"), [
    ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
    ("172.16.0.1", False), ("192.168.0.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
    ("0.0.0.0", False),  # noqa: S104
    ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False),
    ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False),
    ("2002:7f00:1::", False), ("ff02::1", False), ("198.18.0.1", False), ("240.0.0.1", False),
])  # fmt: skip
def test_addresses_are_public_or_not(text: str, public: bool) -> None:
    """Loopback, private, link-local, shared, multicast and reserved addresses are not, in whatever disguise."""
    assert is_public(text) is public
    assert str(ipaddress.ip_address(text.partition("%")[0]))


@pytest.mark.parametrize("target", ["https://evil.example/a", "http://images.example.com/a", "https://127.0.0.1/"])
async def test_a_redirect_off_the_list_is_refused(certificate: Path, target: str) -> None:
    """A redirect is checked as the first URL is."""

    async def answer(head: str) -> bytes:
        return b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target.encode()

    async with _photos(certificate, answer) as (photos, lookups, port):
        with pytest.raises(InvalidFields):
            await photos.fetch(f"https://{HOST}:{port}/a")
    assert lookups == [HOST]


async def test_redirects_are_followed_on_the_list_and_end(certificate: Path) -> None:
    """A relative redirect is followed; endless ones are not."""

    async def once(head: str) -> bytes:
        moved = b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
        return _ok(b"photo") if head.startswith("GET /b ") else moved

    async def forever(head: str) -> bytes:
        return b"HTTP/1.1 301 Moved\r\nLocation: /c\r\nContent-Length: 0\r\n\r\n"

    async with _photos(certificate, once) as (photos, _, port):
        assert await photos.fetch(f"https://{HOST}:{port}/a") == b"photo"
    async with _photos(certificate, forever) as (photos, _, port):
        with pytest.raises(InvalidFields, match="redirects more than 3 times"):
            await photos.fetch(f"https://{HOST}:{port}/a")


async def test_a_photo_is_refused_when_it_is_too_large(certificate: Path) -> None:
    """A declared length above the limit, and a longer body without one, are refused."""

    async def declared(head: str) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"

    async def endless(head: str) -> bytes:
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(200_000)

    for answer in (declared, endless):
        async with _photos(certificate, answer) as (photos, _, port):
            with pytest.raises(TooLarge, match="100000"):
                await photos.fetch(f"https://{HOST}:{port}/a")


async def test_a_host_is_given_up_when_it_is_slow_or_fails(certificate: Path) -> None:
    """Time, status, and certificates are the client's to mend: each is an error at /image/url."""

    async def slow(head: str) -> bytes:
        await asyncio.sleep(30)
        return b""

    async def missing(head: str) -> bytes:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    async def rubbish(head: str) -> bytes:
        return b"rubbish\r\n\r\n"

    for answer, sentence in ((slow, "within 0.2 s"), (missing, "HTTP 404"), (rubbish, "did not answer")):
        async with _photos(certificate, answer, timeout_s=0.2 if answer is slow else 5.0) as (photos, _, port):
            with pytest.raises(InvalidFields, match=sentence) as refused:
                await photos.fetch(f"https://{HOST}:{port}/a")
            assert refused.value.fields[0].pointer == "/image/url"
    async with _photos(certificate, missing, hosts=("other.example",)) as (photos, _, port):
        with pytest.raises(InvalidFields, match="certificate is not trusted"):
            await photos.fetch(f"https://other.example:{port}/a")
