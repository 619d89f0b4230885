"""Serves the playground at /, the API reference at /docs, and their files."""

import hashlib
from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Request, Response

from pipeline.errors import NotFound

PLAYGROUND = Path(__file__).parents[1] / "playground"
SWAGGER = Path(fastapi_offline.__file__).parent / "static"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI writes style attributes; its scripts are files of this server.
DOCS_CSP = PAGE_CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
FILES = {path.name: path for folder in (SWAGGER, PLAYGROUND) for path in sorted(folder.iterdir())}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_playground(request: Request) -> Response:
    """The playground. Its addresses are relative, so that it works behind any prefix that ends with a slash."""
    return _file(request, "index.html", PAGE_CSP)


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


@router.get("/assets/{name}")
async def get_asset(request: Request, name: str) -> Response:
    """A script, style or picture of the pages."""
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
    headers = {"Content-Security-Policy": csp, "Cache-Control": "no-cache"}
    return cacheable(request, _content(path), MEDIA_TYPES[path.suffix], headers=headers)


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
