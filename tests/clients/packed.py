"""Packs both clients once and unpacks them as their users install them."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from serve.local.plan import REPOSITORY

CLIENTS = REPOSITORY / "docs" / "clients"
COMPILER = REPOSITORY / "tests" / "api_tools" / "node_modules" / ".bin" / "tsc"
COMPILE = (
    "--strict",
    "--target",
    "es2022",
    "--module",
    "nodenext",
    "--lib",
    "es2022,dom,dom.iterable",
    "--types",
    "node",
)


@dataclass(frozen=True, slots=True)
class Packed:
    """The installed clients: a folder for PYTHONPATH, and one whose `node_modules` has the package."""

    python: Path
    typescript: Path

    def run_python(self, program: Path, variables: Mapping[str, str]) -> str:
        """What a Python program prints that imports the client."""
        path = {"PYTHONPATH": str(self.python)}
        return _run(sys.executable, str(program), folder=self.python, variables={**variables, **path})

    def run_typescript(self, program: Path, variables: Mapping[str, str]) -> str:
        """What a TypeScript program prints that imports the client; the compiler must accept it in strict mode."""
        shutil.copy(program, self.typescript)
        assert self.compiled(program.name) == ""
        script = program.name.replace(".mts", ".mjs")
        return _run("node", script, folder=self.typescript, variables=variables)

    def compiled(self, name: str) -> str:
        """What the compiler says of a program in the folder."""
        command = (str(COMPILER), *COMPILE, name)
        return subprocess.run(command, cwd=self.typescript, capture_output=True, text=True, check=False).stdout


def pack(folder: Path) -> Packed:
    """Runs `docs/clients/pack.py` and unpacks what it made. Skips the test where node or npm is not installed."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed here")
    out = _run(sys.executable, str(CLIENTS / "pack.py"), str(folder / "out"), folder=REPOSITORY, variables={})
    wheel, tarball = (Path(line) for line in out.split())
    packed = Packed(folder / "python", folder / "typescript")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packed.python)
    modules = packed.typescript / "node_modules"
    # Python before 3.11.4 has no safe way, and Python from 3.12 on warns of the other one.
    (modules / "@stylesync").mkdir(parents=True)
    _run("tar", "-xzf", str(tarball), "-C", str(modules / "@stylesync"), folder=folder, variables={})
    (modules / "@stylesync" / "package").rename(modules / "@stylesync" / "client")
    (packed.typescript / "package.json").write_text('{"type": "module"}')
    types = modules / "@types" / "node"
    types.mkdir(parents=True)
    # What the example needs of Node's types, which are a package of their own.
    (types / "index.d.ts").write_text(
        'declare module "node:fs" {\n'
        "  export function openAsBlob(path: string, options?: { type?: string }): Promise<Blob>;\n}\n"
        "declare const process: { env: Record<string, string | undefined> };\n"
    )
    return packed


def _run(*command: str, folder: Path, variables: Mapping[str, str]) -> str:
    environment = {**os.environ, "NO_PROXY": "*", **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
