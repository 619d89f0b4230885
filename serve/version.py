"""The project's version, from pyproject.toml or the installed package."""

import tomllib
from importlib import metadata
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def _read() -> str:
    if PYPROJECT.is_file():
        return str(tomllib.loads(PYPROJECT.read_text())["project"]["version"])
    return metadata.version("stylesync-colormatch")


VERSION = _read()
