"""Tests the guides that are made from the OpenAPI document: they are up to date, and every request works.

After a change of the document, write them anew: python -m tests.serve.openapi.test_guides
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from serve.openapi.guides import llms_txt, requests_http
from tests.s3_server import S3Server
from tests.serve.application import Application, photo_bytes, running

ROOT = Path(__file__).parents[3]
GUIDES = {ROOT / "docs" / "llms.txt": llms_txt, ROOT / "docs" / "requests.http": requests_http}


def _document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "tests" / "golden" / "openapi.json").read_text())
    return found


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_a_guide_follows_the_document(path: Path) -> None:
    """The file is what the document gives today. The top of this file says how to write it anew."""
    assert path.read_text() == GUIDES[path](_document())


def test_the_page_for_assistants_is_short_and_whole() -> None:
    """It names every operation and option, in the form of llmstxt.org, in at most 1,200 words."""
    text, document = llms_txt(_document()), _document()
    assert re.match(r"# .+\n\n> .+\n", text)
    assert all(path in text for path in document["paths"])
    assert all(f"- `{name}` (" in text for name in document["components"]["schemas"]["OptionsModel"]["properties"])
    assert len(text.split()) < 1200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def application(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    """An application with keys and uploads."""
    async with running(tmp_path_factory.mktemp("guides"), s3=s3.started.config(), object_timeout_s=30) as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
async def test_every_request_of_the_file_works(application: Application) -> None:
    """Each request is answered with 200, but that of an object which nobody uploaded: 404."""
    requests = (ROOT / "docs" / "requests.http").read_text().split("\n### ")[1:]
    assert len(requests) > 20
    for request in requests:
        title, first, *rest = request.split("\n")
        method, _, target = first.partition(" ")
        head, _, body = "\n".join(rest).partition("\n\n")
        headers = dict(line.split(": ", 1) for line in head.strip().splitlines())
        headers |= {"X-API-Key": application.keys["whole"]} if "X-API-Key" in headers else {}
        payload = body.rstrip("\n").replace("\n", "\r\n").encode() if "form-data" in str(headers) else body.encode()
        payload = payload.replace(b"< samples/grace_hopper.jpg", photo_bytes())
        response = await application.stranger.request(
            method, target.removeprefix("{{base}}"), headers=headers, content=payload
        )
        assert response.status_code == (404 if "object_key" in body else 200), (title, response.text)


if __name__ == "__main__":
    for file, make in GUIDES.items():
        file.write_text(make(_document()))
