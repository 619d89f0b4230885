"""Tests that the examples of docs/api.md work: each is read from the page and run against a server with keys.

The phases are the tests' fakes. Keys, limits, uploads to an S3 server and decoding are real.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import Overloaded
from serve.http.problems import problem_response
from serve.local.objects import BUCKET
from serve.local.plan import REPOSITORY
from serve.openapi import examples
from tests.s3_server import S3Server
from tests.serve.application import Application, app_of, listening, running, validate

PAGE = (REPOSITORY / "docs" / "api.md").read_text()
TOOLS = REPOSITORY / "tests" / "api_tools"
MODES = {
    "Get advice for colours": "colors",
    "Send a photo (up to 10 MiB)": "image",
    "Send a large photo (up to 50 MiB)": "object",
    "Handle errors": "colors",
}
TYPED = "Use every operation with types"
# Recipes in one language, and what they print or leave in `answer`.
RECIPES = {
    ("Match a wardrobe", "python"): r"^shirt \w+ .+\.$",
    ("Build filters for a shop", "python"): r"^\{'astronaut.jpg': \{",
    ("Find similar palettes", "python"): r'^\{"near": [\d.]+, "far": [\d.]+\}$',
    ("Save a palette", "sh"): r"^  --color-camel: #c19a6b;$",
    ("Get the masks", "python"): r"^\(437, 512\) \[",
}
GLOBALS = "declare const BASE: string;\ndeclare const KEY: string;\ndeclare const photo: Blob;\n"
PRELUDE = """
import { openAsBlob } from "node:fs";
globalThis.BASE = process.env.BASE;
globalThis.KEY = process.env.KEY;
globalThis.photo = await openAsBlob("docs/samples/grace_hopper.jpg", { type: "image/jpeg" });
"""


def _examples() -> dict[tuple[str, str], str]:
    """The page's blocks by section and language."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        title = section.partition("\n")[0]
        for language, block in re.findall(r"```(sh|python|ts)\n(.*?)```", section, re.DOTALL):
            assert (title, language) not in found
            found[title, language] = block
    return found


EXAMPLES = _examples()


class _Busy:
    """An application that answers the next request for advice as an overloaded one, when a test says so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.once = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.once and scope["path"] == "/v1/advice":
            self.once = False
            await problem_response(Overloaded("16 photos are being worked on."), "r1")(scope, receive, send)
            return
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Server:
    """A server against which the examples run."""

    url: str
    application: Application
    door: _Busy

    async def run(self, *command: str, folder: Path) -> str:
        """What a program says that finds the server in its environment."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env={
                **os.environ,
                "BASE": self.url,
                "KEY": self.application.keys["whole"],
                "NO_PROXY": "*",
                "PYTHONPATH": str(folder),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode() + said.decode()
        return said.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with keys and uploads on."""
    folder = tmp_path_factory.mktemp("keys")
    async with running(folder, s3=s3.started.config(BUCKET), object_timeout_s=30) as application:
        door = _Busy(app_of(application))
        async with listening(door) as url:
            yield Server(url, application, door)


# --- how each language runs -----------------------------------------------------------------------------------
def _shell(block: str, folder: Path) -> list[str]:
    _needed("curl")
    _needed("jq")
    return ["bash", "-euo", "pipefail", "-c", block]


def _python(block: str, folder: Path) -> list[str]:
    head = "import os\n\nBASE, KEY = os.environ['BASE'], os.environ['KEY']\n"
    file = folder / "example.py"
    file.write_text(f"{head}{block}\nimport json\n\nprint(json.dumps(answer))\n")
    return [sys.executable, str(file)]


def _typescript(block: str, folder: Path) -> list[str]:
    (folder / "prelude.mjs").write_text(PRELUDE)
    (folder / "example.mjs").write_text(_compiled()[block])
    return ["node", "--import", str(folder / "prelude.mjs"), str(folder / "example.mjs")]


@cache
def _compiled() -> dict[str, str]:
    """Compiles every TypeScript block in strict mode, without an error."""
    blocks = [block for (_, language), block in EXAMPLES.items() if language == "ts"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "globals.d.ts").write_text(GLOBALS)
        for number, block in enumerate(blocks):
            code = f"{block}\nconsole.log(JSON.stringify(answer));\nexport {{}};\n"
            (folder / f"example{number}.mts").write_text(code)
        options = ("--strict", "--target", "es2022", "--module", "es2022", "--lib", "es2022,dom,dom.iterable")
        files = [str(file) for file in sorted(folder.iterdir())]
        checked = subprocess.run([_compiler(), *options, *files], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout
        return {block: (folder / f"example{number}.mjs").read_text() for number, block in enumerate(blocks)}


def _needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed here")
    return found


def _compiler() -> str:
    """Installs TypeScript's compiler with the versions and hashes of package-lock.json."""
    _needed("node")
    compiler = TOOLS / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        subprocess.run([_needed("npm"), "ci", "--silent", "--ignore-scripts"], cwd=TOOLS, check=True)
    return str(compiler)


RUNNERS: dict[str, Callable[[str, Path], list[str]]] = {"sh": _shell, "python": _python, "ts": _typescript}


# --- the examples ---------------------------------------------------------------------------------------------
def test_every_way_in_is_shown_in_three_languages() -> None:
    """No way in lacks a language, and these tests leave out no block."""
    ways = {(title, language) for title in MODES for language in RUNNERS}
    assert EXAMPLES.keys() == ways | {(TYPED, "python"), *RECIPES}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", RUNNERS)
@pytest.mark.parametrize("title", MODES)
async def test_an_example_gives_advice_when_it_is_run(
    title: str, language: str, server: Server, tmp_path: Path
) -> None:
    """Each example works as the page shows it. The one about a busy service meets a busy one first."""
    command = await asyncio.to_thread(RUNNERS[language], EXAMPLES[title, language], tmp_path)
    server.door.once = title == "Handle errors"
    said = await server.run(*command, folder=tmp_path)
    assert not server.door.once
    answer = json.loads(said.strip().splitlines()[-1])
    validate(answer, {"$ref": "#/components/schemas/AdviceAnswer"}, server.application.document)
    assert answer["mode"] == MODES[title]
    assert answer["suggestions"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("title", "language"), RECIPES)
async def test_a_recipe_does_what_it_says_when_it_is_run(
    title: str, language: str, server: Server, tmp_path: Path
) -> None:
    """Each recipe runs as the page shows it; similar palettes are nearer than others."""
    command = await asyncio.to_thread(RUNNERS[language], EXAMPLES[title, language], tmp_path)
    said = await server.run(*command, folder=tmp_path)
    assert re.search(RECIPES[title, language], said, re.MULTILINE), said
    if title == "Find similar palettes":
        found = json.loads(said)
        assert found["near"] < found["far"]


# --- the typed client -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def client_folder(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the client is that was made as the page says; the document comes out of the application."""
    folder = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    document.write_text(json.dumps(server.application.document))
    tool = str(Path(sys.executable).with_name("openapi-python-client"))
    made = subprocess.run(
        (
            *(tool, "generate", "--path", str(document), "--config", "docs/python-client.yaml"),
            *("--meta", "none", "--output-path", str(folder / "stylesync_client"), "--fail-on-warning"),
        ),
        cwd=REPOSITORY,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.mark.asyncio(loop_scope="module")
async def test_the_typed_client_works_as_the_page_says(client_folder: Path, server: Server) -> None:
    """The client gives advice for colours and for a photo, a palette and a problem document as typed values."""
    block = f"{EXAMPLES[TYPED, 'python']}\nanswer = None"
    said = await server.run(*_python(block, client_folder), folder=client_folder)
    advice, garment, names, problem, _ = said.splitlines()
    assert re.fullmatch(r"0\.\d+ w17", advice)
    assert re.fullmatch(r"\w+ #[0-9a-f]{6}", garment)
    assert names == "['navy', 'camel']"
    assert problem.startswith("INVALID_OPTIONS /colors/0")


def test_the_typed_client_survives_growth(client_folder: Path) -> None:
    """An unknown field anywhere and an unknown code break no client that exists; closed codes would."""
    answer = json.loads(json.dumps(examples.ADVICE))

    def grown(value: Any) -> Any:
        if isinstance(value, list):
            return [grown(one) for one in value]
        if not isinstance(value, dict):
            return value
        more = {"quite_new": {"a": [1]}} if "cache" not in value and "advice" not in value else {}
        found = {name: grown(one) for name, one in value.items()} | more
        return found | {"code": "QUITE_NEW"} if "code" in value else found

    code = (
        "import json, sys\nfrom stylesync_client.models import AdviceAnswer, Problem\n"
        "answer = AdviceAnswer.from_dict(json.load(sys.stdin))\n"
        "print(answer.warnings[0].code, answer.suggestions[0].reasons[0].code, answer.garments[0].category,\n"
        "      answer.additional_properties['quite_new'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(grown(answer)), cwd=client_folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout.split(maxsplit=3)[:3] == ["QUITE_NEW", "QUITE_NEW", "top"], ran.stderr


def test_the_typed_client_passes_strict_type_checking(client_folder: Path) -> None:
    """mypy in strict mode accepts the client's use, and finds a field that does not exist."""
    use = f"BASE: str\nKEY: str\n{EXAMPLES[TYPED, 'python']}"
    assert _type_errors(client_folder, use) == []
    assert _type_errors(client_folder, use.replace(".category", ".kind")) == ['"Garment" has no attribute "kind"']


def _type_errors(folder: Path, code: str) -> list[str]:
    (folder / "use.py").write_text(code)
    options = (
        "--strict",
        "--follow-imports",
        "silent",
        "--no-error-summary",
        "--config-file",
        "",
        "--cache-dir",
        str(folder / "mypy"),
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "use.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    return re.findall(r"error: (.*?)  \[", checked.stdout)
