"""Writes docs/results/mutation.md: how many mutants each area's tests notice, and why the others are left."""

import platform
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from serve.local.plan import REPOSITORY
from tests.mutation.areas import AREAS
from tests.mutation.trials import Outcome

DOCUMENT = REPOSITORY / "docs" / "results" / "mutation.md"
MARKS = ("<!-- measured by make mutate -->", "<!-- end -->")
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
# Contract: the least share of mutants that tests must notice.
LEAST_KILLED = 0.85


@dataclass(frozen=True, slots=True)
class Tried:
    """One mutant and its outcome. before, after: the line and what it became."""

    area: str
    path: str
    line: int
    before: str
    after: str
    operator: str
    outcome: Outcome


def equivalents() -> dict[tuple[str, str], str]:
    """Why a mutant, by file and changed line, changes nothing that a caller can see."""
    listed = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {(one["file"], one["line"]): one["why"] for one in listed}


def report(tried: Sequence[Tried], *, of: int) -> tuple[str, bool]:
    """The table and the survivors as Markdown, and whether enough were killed. of: the size of the whole sample."""
    why = equivalents()
    killed = sum(one.outcome != "survived" for one in tried)
    lines = [
        f"Python {platform.python_version()}, Cosmic Ray {version('cosmic-ray')}; {len(tried)} tried of a sample "
        f"of {of}.",
        "",
        "| area | mutants | killed | of them by time | survived | of them equivalent |",
        "|---|---|---|---|---|---|",
        *(_row(area.name, [one for one in tried if one.area == area.name], why) for area in AREAS),
        _row("all", tried, why),
    ]
    survivors = [one for one in tried if one.outcome == "survived"]
    if survivors:
        lines += ["", "| survivor | became | why it is left |", "|---|---|---|"]
        lines += [
            f"| `{one.path}:{one.line}` | `{_cell(one.after)}` | {why.get((one.path, one.after), '**open**')} |"
            for one in survivors
        ]
    return "\n".join(lines), killed >= LEAST_KILLED * len(tried)


def _row(name: str, tried: Sequence[Tried], why: dict[tuple[str, str], str]) -> str:
    survived = [one for one in tried if one.outcome == "survived"]
    late = sum(one.outcome == "timeout" for one in tried)
    killed = len(tried) - len(survived)
    share = f" ({killed / len(tried):.1%})" if tried else ""
    equivalent = sum((one.path, one.after) in why for one in survived)
    return f"| {name} | {len(tried)} | {killed}{share} | {late} | {len(survived)} | {equivalent} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


def write(tried: Sequence[Tried], *, of: int) -> None:
    """Puts the report into the document."""
    head, rest = DOCUMENT.read_text().split(MARKS[0])
    _, tail = rest.split(MARKS[1])
    DOCUMENT.write_text(f"{head}{MARKS[0]}\n{report(tried, of=of)[0]}\n{MARKS[1]}{tail}")
