"""Tests that the threat table of docs/results/security.md is complete and names real tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results" / "security.md"


def _rows() -> list[list[str]]:
    table = PAGE.read_text().split("\n## ")[1]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def _tests() -> set[str]:
    trees = (ast.parse(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_attack_has_a_defence_and_a_test() -> None:
    """Each row has an attack, a defence and at least one test, and no row is missing."""
    rows = _rows()
    assert len(rows) >= 30
    for row in rows:
        assert len(row) == 3
        assert row[0]
        assert row[1]
        assert re.findall(r"`(test_[a-z0-9_]+)`", row[2])


def test_every_test_that_the_table_names_exists() -> None:
    """Each name in the table is that of an existing test."""
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE.read_text()))
    assert named - _tests() == set()
