"""Packs the Python and the TypeScript client from the OpenAPI document: `python docs/clients/pack.py [OUT]`.

OUT (out/clients) then has a wheel for pip and a tarball for npm. The version is the document's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, TOOLS = ROOT / "docs" / "clients", ROOT / "tests" / "api_tools"
DOCUMENT = ROOT / "tests" / "golden" / "openapi.json"
NAMES = ("Advice", "Color", "Palette", "Refused", "StyleSync")
EXPORTS = "".join(f"from .facade import {name} as {name}\n" for name in NAMES)
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def main(arguments: list[str]) -> int:
    """Packs both clients. Raises CalledProcessError when a tool fails."""
    out = Path(arguments[0] if arguments else ROOT / "out" / "clients").resolve()
    document = json.loads(DOCUMENT.read_text())
    version = document["info"]["version"]
    for pack in (pack_python, pack_typescript):
        sys.stdout.write(f"{pack(out, document, version)}\n")
    return 0


def pack_python(out: Path, document: dict[str, Any], version: str) -> Path:
    """Generates and builds the Python package; returns its wheel."""
    folder = _emptied(out / "python")
    package = folder / "stylesync_client"
    config = ("--config", str(ROOT / "docs" / "python-client.yaml"))
    _run(
        _program("openapi-python-client"), "generate", "--path", str(DOCUMENT), *config,
        "--meta", "none", "--output-path", str(package), "--fail-on-warning",
        folder=folder,
    )  # fmt: skip
    shutil.copy(CLIENTS / "python" / "facade.py", package)
    shutil.copy(CLIENTS / "python" / "README.md", folder)
    (package / "options.py").write_text(options_module(document))
    (package / "py.typed").touch()
    start = package / "__init__.py"
    start.write_text(start.read_text() + EXPORTS)
    project = (CLIENTS / "python" / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(project.replace('version = "0"', f'version = "{version}"'))
    _run(_program("uv"), "build", "--wheel", "--quiet", "--out-dir", str(folder / "dist"), folder=folder)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def pack_typescript(out: Path, document: dict[str, Any], version: str) -> Path:
    """Generates, compiles and packs the TypeScript package; returns its tarball."""
    folder = _emptied(out / "typescript")
    programs = TOOLS / "node_modules" / ".bin"
    if not (programs / "openapi-typescript").exists():
        _run("npm", "ci", "--silent", "--ignore-scripts", folder=TOOLS)
    shutil.copytree(CLIENTS / "typescript", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("example.mts"))
    _run(str(programs / "openapi-typescript"), str(DOCUMENT), "-o", "src/schema.ts", folder=folder)
    _run(str(programs / "tsc"), "--project", ".", folder=folder)
    package = json.loads((folder / "package.json").read_text()) | {"version": version}
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    name = _run("npm", "pack", "--silent", "--ignore-scripts", folder=folder).strip().splitlines()[-1]
    return folder / name


def options_module(document: dict[str, Any]) -> str:
    """A module with the document's options as a TypedDict, so that `advise(intent="bold")` is checked by types."""
    schemas = document["components"]["schemas"]
    lines = [
        '"""The options of a request, generated from the OpenAPI document."""',
        "",
        "from __future__ import annotations",
        "",
    ]
    lines += ["from collections.abc import Sequence", "from typing import Literal, Required, TypedDict", ""]
    for name in ("ColorModel", "WardrobeItemModel", "OptionsModel"):
        lines += _typed_dict(name.replace("OptionsModel", "Options"), _merged(schemas[name], schemas), schemas)
    return "\n".join(lines) + "\n"


def _merged(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """One object with the properties of all alternatives; those that not all require are optional."""
    kinds = [_resolved(one, schemas) for one in schema.get("anyOf", schema.get("oneOf", [schema]))]
    properties: dict[str, Any] = {}
    for name, value in (pair for one in kinds for pair in one["properties"].items()):
        # An alternative says with null that a field belongs to another.
        if value.get("type") != "null":
            properties[name] = value
    required = set.intersection(*(set(one.get("required", [])) for one in kinds))
    return {"properties": properties, "required": required, "description": schema.get("description", "")}


def _typed_dict(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    lines = ["", f"class {name}(TypedDict, total=False):", f'    """{schema["description"].splitlines()[0]}"""', ""]
    for field, value in schema["properties"].items():
        kind = _annotation(value, schemas)
        lines.append(f"    {field}: {f'Required[{kind}]' if field in schema['required'] else kind}")
    return [*lines, ""]


def _annotation(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = schemas[name]
        return name if found.keys() & {"properties", "anyOf", "oneOf"} else _annotation(found, schemas)
    if "anyOf" in schema or "oneOf" in schema:
        return " | ".join(dict.fromkeys(_annotation(one, schemas) for one in schema.get("anyOf") or schema["oneOf"]))
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
    if schema.get("type") == "array":
        return f"Sequence[{_annotation(schema['items'], schemas)}]"
    return "None" if schema.get("type") == "null" else PLAIN[schema["type"]]


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


def _run(*command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # A tool's own words say what to do; a traceback would hide them.
        sys.stderr.write(re.sub(r"\n+", "\n", done.stdout + done.stderr))
        raise SystemExit(f"{Path(command[0]).name} failed with {done.returncode}.")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
