"""Writes rows into the table of docs/results/reliability.md."""

import fcntl
import os

from serve.local.plan import REPOSITORY
from tests.reliability.kit import Row

DOCUMENT = REPOSITORY / "docs" / "results" / "reliability.md"
MARKS = ("<!-- measured by python -m tests.reliability.run -->", "<!-- end -->")
HEAD = ("| bar | transport | what | target | measured | | beside it ran |", "|---|---|---|---|---|---|---|")


def drawn(rows: list[Row], *, beside: str) -> str:
    """The rows as a Markdown table."""
    return _table({_key(line): line for line in (_line(row, beside) for row in rows)})


def keep(rows: list[Row], *, beside: str) -> None:
    """Puts rows into the document; each replaces the row of its bar and transport. Two runs may do so at once."""
    with DOCUMENT.open("r+") as document:
        fcntl.flock(document, fcntl.LOCK_EX)
        text = written(document.read(), rows, beside=beside)
        document.seek(0)
        document.write(text)
        document.truncate()


def written(text: str, rows: list[Row], *, beside: str) -> str:
    """The document's text with the rows in it."""
    before, rest = text.split(MARKS[0])
    old, after = rest.split(MARKS[1])
    lines = {_key(line): line for line in old.splitlines() if line.startswith("| ") and line[2].isdigit()}
    lines |= {_key(line): line for line in (_line(row, beside) for row in rows)}
    return f"{before}{MARKS[0]}\n{_table(lines)}\n{MARKS[1]}{after}"


def _table(lines: dict[tuple[int, str], str]) -> str:
    return "\n".join(
        [f"{os.cpu_count()} cores, the shipped network and budgets.", "", *HEAD, *(lines[k] for k in sorted(lines))]
    )


def _line(row: Row, beside: str) -> str:
    cells = (row.bar, row.transport, row.what, row.target, row.measured, "pass" if row.passed else "**short**", beside)
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _key(line: str) -> tuple[int, str]:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return int(cells[0]), cells[1]
