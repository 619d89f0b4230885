"""Runs a notebook without Jupyter: `python -m tests.documents.notebook docs/tutorial.ipynb` writes its outputs again.

The code cells run one after another in one namespace. The value of a cell's last expression is its output, as in
Jupyter: as a PNG where the value has one, else as text.
"""

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from models.cards import DEFAULT_MODEL
from pipeline.versions import EXTRACTION_VERSION, HARMONY_VERSION

Cell = dict[str, Any]
# What the outputs of a notebook come from; its metadata keeps it.
VERSIONS = {"network": DEFAULT_MODEL, "palette": EXTRACTION_VERSION, "harmony": HARMONY_VERSION}


def run(notebook: dict[str, Any]) -> list[list[Cell]]:
    """The outputs of each code cell. Raises whatever a cell raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [_run_cell("".join(cell["source"]), names) for cell in code_cells(notebook)]


def code_cells(notebook: dict[str, Any]) -> list[Cell]:
    """The notebook's code cells, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _run_cell(source: str, names: dict[str, Any]) -> list[Cell]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    if last is not None:
        del tree.body[-1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None  # noqa: S307
    outputs: list[Cell] = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)}
        )
    if value is not None:
        outputs.append(
            {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": _shown(value)}
        )
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"text/plain": [repr(value).partition(" at 0x")[0]]}
    if hasattr(value, "_repr_png_"):
        data["image/png"] = base64.b64encode(value._repr_png_()).decode()
    return data


def main(arguments: list[str]) -> int:
    """Runs each notebook and writes its outputs into it."""
    for path in map(Path, arguments):
        notebook = json.loads(path.read_text())
        for number, (cell, outputs) in enumerate(zip(code_cells(notebook), run(notebook), strict=True), start=1):
            cell |= {"outputs": outputs, "execution_count": number}
            for output in outputs:
                if "execution_count" in output:
                    output["execution_count"] = number
        notebook["metadata"]["stylesync"] = VERSIONS
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
