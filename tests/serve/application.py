"""Runs the whole application in this process: everything is real but the network, and there is no Ray."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from PIL import Image
from pydantic import SecretStr
from starlette.types import ASGIApp

from pipeline import codec
from pipeline.types import RgbImage
from serve import wire
from serve.api import create_app
from serve.assembly import assemble
from serve.keys.peppers import Peppers
from serve.keys.quota import SCOPES, Scope
from serve.keys.records import new_key, write_keys
from serve.local.processes import free_port
from serve.service import Service
from serve.settings import Environment, S3Environment, Settings
from tests.serve.fakes import SECRET, Walk, descriptions, painted, translate

BASE_URL = "http://localhost"
# The tenant, scopes and limits of each key.
KEYS: tuple[tuple[str, tuple[Scope, ...], dict[str, int]], ...] = (
    ("whole", SCOPES, {}),
    ("metrics", ("metrics",), {}),
    ("few", ("advice",), {"per_minute": 3}),
    ("single", ("advice",), {"concurrent": 1}),
)
# An object store that never answers; to sign for it needs none.
NOWHERE = S3Environment(
    bucket="uploads", endpoint_url="http://127.0.0.1:1", access_key_id="k", secret_access_key=SecretStr("s")
)


@dataclass(frozen=True, slots=True)
class Application:
    """A running application and its clients. `client` has a key of every scope, `stranger` has none."""

    service: Service
    walk: Walk
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient
    document: dict[str, Any]
    keys: dict[str, str]


@asynccontextmanager
async def running(
    folder: Path, *, s3: S3Environment | None = None, state_url: SecretStr | None = None, **settings: Any
) -> AsyncIterator[Application]:
    """Runs an application whose fake phases give real answers. Every answer is checked against the document."""
    keys = {}
    records = []
    for name, scopes, limits in KEYS:
        key, record = new_key(tenant=name, scopes=scopes, pepper=SECRET)
        keys[name] = key
        records.append(replace(record, **limits))  # type: ignore[arg-type]
    write_keys(folder / "keys.json", records)
    walk = Walk()
    service = assemble(
        Settings(**{"decode_workers": 1, **settings}),
        Environment(
            redis_url=None, state_redis_url=state_url, stylesync_keys_file=folder / "keys.json", s3=s3 or NOWHERE
        ),
        Peppers(SECRET),
        handles={one.phase: walk.handle(one.phase, _describe(one)) for one in descriptions()},
        translate=translate,
    )
    app = create_app(service)
    async with service.running():
        for description in descriptions():
            service.advisor.learn(description)
        transport = httpx.ASGITransport(app)
        hooks = {"response": [checked_against(app.openapi())]}
        async with (
            httpx.AsyncClient(transport=transport, base_url=BASE_URL, event_hooks=hooks) as stranger,
            httpx.AsyncClient(
                transport=transport, base_url=BASE_URL, event_hooks=hooks, headers={"X-API-Key": keys["whole"]}
            ) as client,
        ):
            yield Application(service, walk, client, stranger, app.openapi(), keys)


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """Serves the application over real HTTP on a port of this machine, and gives its URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


def app_of(application: Application) -> ASGIApp:
    """The ASGI application behind an application's clients."""
    app: ASGIApp = application.client._transport.app  # type: ignore[attr-defined]
    return app


def _describe(description: wire.Description) -> Callable[[], Any]:
    async def describe() -> bytes:
        return codec.encode(description)

    return describe


# --- answers against the document -----------------------------------------------------------------------------
def checked_against(document: dict[str, Any]) -> Callable[[httpx.Response], Any]:
    """Makes a hook that fails when an answer does not fit the OpenAPI document."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        assert len(response.headers.get_list("X-Request-ID")) == 1
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        operation = document["paths"].get(response.request.url.path, {}).get(response.request.method.lower())
        if response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/problem+json"
        if operation is None or response.status_code == 304:
            return
        promised = operation["responses"][str(response.status_code)]
        for name in promised["headers"]:
            _check_header(name, response, document["components"]["headers"][name])
        content = promised["content"][response.headers["Content-Type"].partition(";")[0]]
        if "json" in response.headers["Content-Type"]:
            validate(response.json(), content["schema"], document)

    return check


def _check_header(name: str, response: httpx.Response, promised: dict[str, Any]) -> None:
    assert name in response.headers or not promised["required"]
    if name in response.headers:
        validate(response.headers[name], promised["schema"], {"components": {}})


def validate(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Fails when a value does not fit a schema of the document, or has a field or a code that the document lacks.

    Clients see open schemas, so that answers may grow; what grows must be published first.
    """
    Draft202012Validator(_closed({**schema, "components": document["components"]})).validate(value)


def _closed(value: Any) -> Any:
    """The schemas without what may come later."""
    if isinstance(value, list):
        return [_closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(one) for name, one in value.items()}
    if isinstance(value.get("properties"), dict) and value.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    if isinstance(value.get("x-extensible-enum"), list):
        closed["enum"] = value["x-extensible-enum"]
    return closed


# --- photos ---------------------------------------------------------------------------------------------------
def encoded(pixels: RgbImage, kind: str = "PNG", **options: Any) -> bytes:
    """Encodes pixels as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@cache
def photo_bytes(kind: str = "PNG") -> bytes:
    """A navy shirt over camel trousers, 64×96 px."""
    return encoded(painted(), kind)


@cache
def mask_bytes() -> bytes:
    """A mask of the shirt, at the photo's size."""
    return encoded((painted()[..., 0] < 90).astype(np.uint8) * 255)


@cache
def animated_webp() -> bytes:
    """A WebP of two frames."""
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def form(image: bytes | None = None, *, mask: bytes | None = None, kind: str = "image/png", **options: Any) -> Any:
    """Makes httpx's arguments for a multipart request: a photo, an optional mask, and options."""
    files: dict[str, tuple[str, bytes, str]] = {"image": ("photo", photo_bytes() if image is None else image, kind)}
    if mask is not None:
        files["mask"] = ("mask.png", mask, "image/png")
    return {"files": files, "data": {"options": json.dumps({"subject": "worn", **options})}}
