"""Serves the playground at /, the API reference at /docs, the errors' pages, and the files of all of them."""

import gzip
import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response

from pipeline.errors import NotFound
from pipeline.picture import WEB
from serve.http.error_pages import error_page, index_page
from serve.http.negotiation import accepts_gzip

PLAYGROUND = Path(__file__).parents[1] / "playground"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
# The other files are compressed already.
COMPRESSIBLE = (".html", ".js", ".css", ".svg")
# Taste: each file is compressed once per process.
GZIP_LEVEL = 9
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# RapiDoc writes style attributes; its scripts are files of this server.
DOCS_CSP = PAGE_CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
FILES = {path.name: path for folder in (PLAYGROUND, WEB) for path in sorted(folder.iterdir()) if path.is_file()}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_playground(request: Request) -> Response:
    """The playground. Its addresses are relative, so that it works behind any prefix that ends with a slash."""
    uploads = getattr(getattr(request.app.state, "service", None), "uploads", None)
    # The page sends large photos straight to the object store.
    csp = PAGE_CSP.replace("connect-src 'self'", f"connect-src 'self' {uploads.origin}") if uploads else PAGE_CSP
    return _file(request, "index.html", csp)


def with_slash(request: Request) -> Response | None:
    """The redirect from a prefix without a slash, `/canary`, to its playground; None for any other address."""
    path = str(request.scope["path"])
    if request.method != "GET" or not path.strip("/") or path != request.scope.get("root_path"):
        return None
    # It is relative, since a proxy in front may have cut another prefix off.
    return Response(status_code=307, headers={"Location": f"{path.rpartition('/')[2]}/"})


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """The API reference."""
    return _file(request, "docs.html", DOCS_CSP)


@router.get("/docs/errors")
async def get_errors(request: Request) -> Response:
    """The list of all errors."""
    return _sent(request, index_page().encode(), ".html", PAGE_CSP)


@router.get("/docs/errors/{name}")
async def get_error(request: Request, name: str) -> Response:
    """The page that explains an error: the `type` of its problem document."""
    page = error_page(name)
    if page is None:
        raise NotFound("There is no error of this name; /docs/errors lists them.")
    return _sent(request, page.encode(), ".html", PAGE_CSP)


@router.get("/assets/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """A script, style, font or picture of the pages."""
    if name not in FILES or FILES[name].suffix not in MEDIA_TYPES:
        raise NotFound("There is nothing at this address.")
    return _file(request, name, PAGE_CSP)


def cacheable(request: Request, content: bytes, media_type: str, *, headers: dict[str, str] | None = None) -> Response:
    """An answer with the content and a strong ETag, or 304 when the client has this content."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    sent = {"ETag": etag, "Cache-Control": "private, max-age=86400", **(headers or {})}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=sent)
    return Response(content, headers={**sent, "Content-Type": media_type})


def _file(request: Request, name: str, csp: str) -> Response:
    path = FILES[name]
    return _sent(request, _content(path), path.suffix, csp)


def _sent(request: Request, content: bytes, suffix: str, csp: str) -> Response:
    """A page or a file of one, compressed when the client takes it so. Each encoding has an ETag of its own."""
    headers = {"Content-Security-Policy": csp, "Cache-Control": "no-cache"}
    if suffix in COMPRESSIBLE:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("accept-encoding")):
            headers["Content-Encoding"] = "gzip"
            content = _compressed(content)
    return cacheable(request, content, MEDIA_TYPES[suffix], headers=headers)


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, GZIP_LEVEL, mtime=0)
