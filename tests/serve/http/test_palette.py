"""Tests GET /v1/palette over HTTP: its formats, its caching and its refusals."""

import hashlib
import io
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from tests.serve.application import Application, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
TWO = "1f2a44,c19a6b"
FORMATS = {
    "json": ("application/json", b'{\n  "colors"'),
    "svg": ("image/svg+xml", b"<svg"),
    "png": ("image/png", b"\x89PNG"),
    "css": ("text/css; charset=utf-8", b":root {"),
    "gpl": ("text/plain; charset=utf-8", b"GIMP Palette"),
    "ase": ("application/octet-stream", b"ASEF\x00\x01\x00\x00\x00\x00\x00\x02"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """One application for all tests of this module."""
    async with running(tmp_path_factory.mktemp("keys")) as found:
        yield found


@pytest.fixture
def client(application: Application) -> httpx.AsyncClient:
    """A client with a key."""
    return application.client


async def _palette(
    client: httpx.AsyncClient, *, headers: dict[str, str] | None = None, **params: str
) -> httpx.Response:
    return await client.get("/v1/palette", params=params, headers=headers)


@pytest.mark.parametrize("format", FORMATS)
async def test_a_palette_is_a_file_when_its_format_is_known(client: httpx.AsyncClient, format: str) -> None:
    """Each format has its media type, its first bytes and a file name."""
    response = await _palette(client, colors=TWO, format=format)
    media_type, start = FORMATS[format]
    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert response.content.startswith(start)
    assert response.headers["Content-Disposition"] == f'inline; filename="palette.{format}"'


async def test_a_palette_is_json_when_no_format_is_asked_for(client: httpx.AsyncClient) -> None:
    """JSON has the hex, fashion name and RGB of each colour, in the order of the request."""
    assert (await _palette(client, colors=TWO)).json() == {
        "colors": [
            {"hex": "#1f2a44", "name": "navy", "rgb": [31, 42, 68]},
            {"hex": "#c19a6b", "name": "camel", "rgb": [193, 154, 107]},
        ]
    }


@pytest.mark.parametrize("colors", ["navy", "#000080", "000080", " Navy ", "NAVY,#fff,teal", ",".join(["fff"] * 12)])
async def test_palette_colours_may_be_any_css_colours(client: httpx.AsyncClient, colors: str) -> None:
    """A palette has 1 to 12 colours, as hex with or without # or as names."""
    found = (await _palette(client, colors=colors)).json()["colors"]
    assert len(found) == colors.count(",") + 1


async def test_a_picture_has_a_field_for_each_colour_when_it_is_a_png(client: httpx.AsyncClient) -> None:
    """The PNG shows each colour in order."""
    response = await _palette(client, colors=TWO, format="png")
    image = Image.open(io.BytesIO(response.content)).convert("RGB")
    assert image.getpixel((2, 2)) == (31, 42, 68)
    assert image.getpixel((image.width - 2, 2)) == (193, 154, 107)


# --- what a client may keep -----------------------------------------------------------------------------------
@pytest.mark.parametrize("format", FORMATS)
async def test_a_palette_has_a_strong_tag_when_answered(client: httpx.AsyncClient, format: str) -> None:
    """Equal requests have equal bytes and equal tags, and a client may cache them."""
    first, second = [await _palette(client, colors=TWO, format=format) for _ in range(2)]
    assert first.content == second.content
    assert first.headers["ETag"] == second.headers["ETag"] == f'"{hashlib.sha256(first.content).hexdigest()[:32]}"'
    assert first.headers["Cache-Control"] == "private, max-age=86400"


async def test_tags_differ_when_colours_or_format_do(client: httpx.AsyncClient) -> None:
    """No two palettes share a tag."""
    asked = [("1f2a44", "json"), (TWO, "json"), ("c19a6b,1f2a44", "json"), (TWO, "css")]
    tags = {(await _palette(client, colors=colors, format=format)).headers["ETag"] for colors, format in asked}
    assert len(tags) == len(asked)


@pytest.mark.parametrize("wrap", ["{}", "W/{}", '"x", {}', "*"])
async def test_a_palette_is_not_sent_again_when_the_client_has_it(client: httpx.AsyncClient, wrap: str) -> None:
    """If-None-Match with the tag, also weak or in a list, or with `*`, gets a 304 with the tag and no body."""
    tag = (await _palette(client, colors=TWO)).headers["ETag"]
    response = await _palette(client, colors=TWO, headers={"If-None-Match": wrap.format(tag)})
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)
    assert response.headers["Cache-Control"] == "private, max-age=86400"


@pytest.mark.parametrize("tag", ['"x"', "", "nonsense"])
async def test_a_palette_is_sent_again_when_the_client_has_another(client: httpx.AsyncClient, tag: str) -> None:
    """Another tag does not match, so the palette is sent."""
    assert (await _palette(client, colors=TWO, headers={"If-None-Match": tag})).status_code == 200


# --- what is refused ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("", ["/colors"]),
        ("colors=", ["/colors"]),
        ("colors=%23zzz", ["/colors"]),
        ("colors=navy,,teal", ["/colors"]),
        ("colors=" + ",".join(["fff"] * 13), ["/colors"]),
        ("colors=" + "f" * 401, ["/colors"]),
        ("colors=navy&format=bmp", ["/format"]),
        ("colors=navy&format=", ["/format"]),
        ("colors=navy&size=3", ["/size"]),
        ("colors=navy&colors=teal", ["/colors"]),
        ("colors=navy&Format=svg", ["/Format"]),
        ("colors=%ED%A0%80", ["/colors"]),
        ("colors=%00", ["/colors"]),
        ("colors=<script>", ["/colors"]),
    ],
)
async def test_a_query_is_refused_when_a_parameter_is_bad(
    client: httpx.AsyncClient, query: str, pointers: list[str]
) -> None:
    """Missing, malformed, unknown and repeated parameters are a 422 with a pointer to the parameter."""
    response = await client.get(f"/v1/palette?{query}")
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == pointers
    assert len(response.content) < 1500


@pytest.mark.parametrize(
    ("format", "accept", "status"),
    [
        ("svg", "image/svg+xml", 200),
        ("svg", "image/*", 200),
        ("png", "text/html", 406),
        ("json", "image/*", 406),
        ("css", "text/css", 200),
        ("gpl", "application/json", 406),
    ],
)
async def test_a_palette_is_refused_when_the_client_does_not_accept_it(
    client: httpx.AsyncClient, format: str, accept: str, status: int
) -> None:
    """The Accept header must allow the requested format."""
    assert (await _palette(client, colors=TWO, format=format, headers={"Accept": accept})).status_code == status


async def test_an_svg_palette_can_run_nothing(client: httpx.AsyncClient) -> None:
    """An SVG's policy forbids everything, and the SVG contains no script."""
    response = await _palette(client, colors=TWO, format="svg")
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert b"<script" not in response.content
    assert json.dumps("navy").strip('"').encode() in response.content
