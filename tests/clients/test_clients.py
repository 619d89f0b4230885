"""Tests both clients as their users have them: packed, installed, typed, and against a running service.

The phases are the tests' fakes; keys, limits, decoding and uploads to an S3 server are real.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import Overloaded
from serve.http.problems import problem_response
from serve.local.objects import BUCKET
from tests.clients.packed import CLIENTS, Packed
from tests.s3_server import S3Server
from tests.serve.application import app_of, listening, photo_bytes, running

LANGUAGES = ("python", "typescript")
# A small limit of forms sends the photo through the object store; what is asked comes from the environment.
PYTHON = """
import json, os
from stylesync_client import StyleSync

slept = []
with StyleSync(os.environ["KEY"], os.environ["BASE"], form_limit_bytes=100, sleep=slept.append) as client:
    seen = client.advise(photo=os.environ["PHOTO"])
    print(json.dumps([str(seen.answer.mode), seen.garments[0].hexes[0], slept]))
"""
TYPESCRIPT = """
import { openAsBlob } from "node:fs";
import { StyleSync } from "@stylesync/client";

const began = performance.now();
const client = new StyleSync(process.env.KEY!, { baseUrl: process.env.BASE, formLimitBytes: 100 });
const seen = await client.advise({ photo: await openAsBlob(process.env.PHOTO!, { type: "image/png" }) });
const slept = performance.now() - began > 900 ? [1] : [];
console.log(JSON.stringify([seen.answer.mode, seen.garments[0].colors[0].hex, slept]));
"""


@dataclass(slots=True)
class _Busy:
    """An application that answers the next requests as an overloaded one."""

    app: ASGIApp
    times: int = 0
    paths: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        if self.times:
            self.times -= 1
            await problem_response(Overloaded("16 photos are being worked on."), "r1")(scope, receive, send)
            return
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Server:
    """A running service, its door, and what a program needs to reach it."""

    door: _Busy
    variables: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A service with keys and uploads on."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "photo.png").write_bytes(photo_bytes())
    async with running(folder, s3=s3.started.config(BUCKET), object_timeout_s=30) as application:
        door = _Busy(app_of(application))
        async with listening(door) as url:
            key = application.keys["whole"]
            yield Server(door, {"BASE": url, "KEY": key, "PHOTO": str(folder / "photo.png")})


def _runner(packed: Packed, language: str) -> Callable[[Path, dict[str, str]], str]:
    return packed.run_python if language == "python" else packed.run_typescript


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_example_works_as_it_stands(language: str, packed: Packed, server: Server) -> None:
    """The example gives a photo's garments and a sentence, a match, a palette file, and a refusal with its code."""
    example = CLIENTS / language / ("example.py" if language == "python" else "example.mts")
    said = await asyncio.to_thread(_runner(packed, language), example, server.variables)
    lines = said.strip().splitlines()
    assert lines[0].startswith("top navy")
    assert lines[2].endswith(".")
    assert any(line.startswith("w17 ") for line in lines)
    assert "  --color-navy: #1f2a44;" in lines
    assert lines[-1].startswith("INVALID_OPTIONS /colors/0: 'blurple' is not a known colour")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_client_waits_and_uploads_when_it_must(
    language: str, packed: Packed, server: Server, tmp_path: Path
) -> None:
    """A busy service is asked again after Retry-After; a photo above the form's limit goes to the object store."""
    program = tmp_path / ("large.py" if language == "python" else "large.mts")
    program.write_text(PYTHON if language == "python" else TYPESCRIPT)
    server.door.times, server.door.paths[:] = 1, []
    said = await asyncio.to_thread(_runner(packed, language), program, server.variables)
    assert json.loads(said) == ["object", "#1f2a44", [1]]
    assert server.door.paths == ["/v1/uploads/presign", "/v1/uploads/presign", "/v1/advice"]


def test_the_types_tell_a_bad_option_in_python(packed: Packed, tmp_path: Path) -> None:
    """mypy in strict mode accepts the example, and refuses an intent and a field that do not exist."""
    code = (CLIENTS / "python" / "example.py").read_text()
    assert _mypy(packed.python, code) == []
    (bad,) = _mypy(packed.python, code.replace('"bold"', '"loud"'))
    assert "intent" in bad
    (bad,) = _mypy(packed.python, code.replace("garment.label", "garment.kind"))
    assert '"Palette" has no attribute "kind"' in bad


def test_the_types_tell_a_bad_option_in_typescript(packed: Packed) -> None:
    """The compiler in strict mode refuses an intent that does not exist, and a request without photo and colours."""
    start = 'import { StyleSync } from "@stylesync/client";\nconst client = new StyleSync("k");\n'
    for number, asked in enumerate(('{ colors: ["navy"], intent: "loud" }', '{ intent: "bold" }')):
        (packed.typescript / f"bad{number}.mts").write_text(f"{start}await client.advise({asked});\n")
        assert "error TS" in packed.compiled(f"bad{number}.mts")


def _mypy(folder: Path, code: str) -> list[str]:
    (folder / "use.py").write_text(code)
    options = (
        "--strict",
        "--follow-imports",
        "silent",
        "--no-error-summary",
        "--config-file",
        "",
        "--cache-dir",
        ".mypy",
    )
    command = (sys.executable, "-m", "mypy", *options, "use.py")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if " error: " in line]
