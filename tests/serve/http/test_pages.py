"""Tests the pages: their files exist, and their content security policy allows only what they need."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from urllib.parse import urljoin

import httpx
import pytest
import pytest_asyncio

from serve.http.error_pages import EXPLAINED
from serve.http.headers import API_CSP
from serve.http.pages import FILES
from serve.http.problems import PROBLEMS, problem_response
from tests.serve.application import running

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGES = ["/", "/docs", "/docs/errors", "/docs/errors/too-large"]
LOCAL = re.compile(r'(?:src|href)="([^"#]+)"')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with running(tmp_path_factory.mktemp("keys")) as application:
        yield application.stranger


@pytest.mark.parametrize("page", PAGES)
async def test_every_file_that_a_page_names_is_served(client: httpx.AsyncClient, page: str) -> None:
    """Each script, style, picture and link of a page is one of ours and is answered with its type."""
    named = LOCAL.findall((await client.get(page)).text)
    assert named
    for path in named:
        assert not path.startswith(("/", "http"))
        response = await client.get(urljoin(f"http://localhost{page}", path))
        assert response.status_code == 200, path
        assert response.headers["Content-Type"].partition(";")[0] in {
            ".js": "text/javascript",
            ".css": "text/css",
            ".svg": "image/svg+xml",
            ".json": "application/json",
            ".woff2": "font/woff2",
        }.get(path[path.rfind(".") :], "text/html")


@pytest.mark.parametrize("prefix", ["/canary", "/a/b"])
async def test_pages_belong_to_the_application_when_it_has_a_prefix(client: httpx.AsyncClient, prefix: str) -> None:
    """Behind a prefix every page, file and call of a page is below that prefix, and so is the document's server."""
    app = client._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app, root_path=prefix)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as behind:
        bare = await behind.get(prefix)
        assert (bare.status_code, bare.headers["Location"]) == (307, f"{prefix.rpartition('/')[2]}/")
        for page in (f"{prefix}{page}" for page in PAGES):
            found = await behind.get(page)
            for path in LOCAL.findall(found.text):
                url = urljoin(f"http://localhost{page}", path)
                assert url.startswith(f"http://localhost{prefix}/")
                assert (await behind.get(url)).status_code == 200
        document = await behind.get(f"{prefix}/openapi.json")
        servers = [urljoin(f"http://localhost{prefix}/openapi.json", one["url"]) for one in document.json()["servers"]]
        assert {server.rstrip("/") for server in servers} == {f"http://localhost{prefix}"}


@pytest.mark.parametrize("prefix", ["", "/canary", "/a/b"])
async def test_the_type_of_every_problem_opens_behind_a_prefix(client: httpx.AsyncClient, prefix: str) -> None:
    """The `type` of an error, whichever part of the service gives it, is the address of a page that explains it."""
    transport = httpx.ASGITransport(client._transport.app, root_path=prefix)  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as behind:
        found = [
            await behind.get(f"{prefix}/nothing"),
            await behind.delete(f"{prefix}/v1/advice"),
            await behind.post(f"{prefix}/v1/advice", json={"colors": ["camel"]}),
            await behind.get(f"{prefix}/v1/healthz", headers={"Host": "a b"}),
            await behind.options(
                f"{prefix}/v1/advice",
                headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"},
            ),
        ]
        assert [one.status_code for one in found] == [404, 405, 401, 400, 403]
        for one in found:
            page = await behind.get(one.json()["type"])
            assert page.status_code == 200
            assert one.json()["code"] in page.text


async def test_no_script_names_an_absolute_address() -> None:
    """What a page asks is relative to the page."""
    for path in FILES.values():
        if path.suffix in (".js", ".html", ".css") and path.name != "rapidoc-min.js":
            assert not re.search(r"""(?:fetch(?:ed)?\(|url: ?|url\(|src=|href=|import\()["'`]?/""", path.read_text()), (
                path
            )


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_runs_only_our_files_when_its_policy_is_read(client: httpx.AsyncClient, page: str) -> None:
    """The policy allows only what it names. The page has no inline script, and no other site may frame it."""
    response = await client.get(page)
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    # The playground uploads large photos to the object store, here that of the fakes.
    store = " http://127.0.0.1:1" if page == "/" else ""
    assert (policy["script-src"], policy["connect-src"]) == ("'self'", f"'self'{store}")
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|javascript:", response.text)
    assert "unsafe" not in policy["script-src"]


async def test_the_playground_needs_no_inline_style_when_read() -> None:
    """The playground's policy forbids style attributes, and its pages have none."""
    for name in ("index.html", "app.js", "answer.js", "look.js", "album.js"):
        assert not re.search(r"<style|\sstyle[=:]", FILES[name].read_text())


@pytest.mark.parametrize("path", [*PAGES, "/assets/app.js"])
async def test_a_page_is_revalidated_and_not_sent_when_unchanged(client: httpx.AsyncClient, path: str) -> None:
    """A page is revalidated each time, and its 304 keeps the policy."""
    first = await client.get(path)
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"] != API_CSP


@pytest.mark.parametrize(
    "name", ["..%2fapi.py", "%2e%2e/api.py", "api.py", "playground", "index.html%00", ".", "a" * 5000]
)
async def test_no_other_file_is_served_when_a_path_is_made_up(client: httpx.AsyncClient, name: str) -> None:
    """Assets are looked up by name among known files, so no path leads out of the folder."""
    assert (await client.get(f"/assets/{name}")).status_code == 404


@pytest.mark.parametrize("path", [*PAGES, "/assets/app.js", "/assets/rapidoc-min.js"])
async def test_text_is_compressed_when_the_client_takes_gzip(client: httpx.AsyncClient, path: str) -> None:
    """A client that takes gzip gets less, with an ETag of its own; another client gets the bytes as they are."""
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert (packed.headers["Content-Encoding"], packed.content) == ("gzip", plain.content)
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert int(packed.headers["Content-Length"]) < 0.7 * int(plain.headers["Content-Length"])


async def test_the_type_of_every_problem_is_a_page_when_it_is_opened(client: httpx.AsyncClient) -> None:
    """Every error code has a page at its `type`, with its code, what happened and what to do, and the list has all."""
    index = (await client.get("/docs/errors")).text
    for kind in PROBLEMS:
        problem = json.loads(bytes(problem_response(kind(), "r1").body))
        page = await client.get(problem["type"])
        assert page.status_code == 200, kind
        assert f"<code>{kind.code}</code>" in page.text
        assert all(part.partition("`")[0][:40] in unescape(page.text) for part in EXPLAINED[kind.code])
        assert f">{kind.code}<" in index
    assert set(EXPLAINED) == {kind.code for kind in PROBLEMS}
    assert (await client.get("/docs/errors/nothing")).status_code == 404
