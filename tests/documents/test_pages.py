"""Tests the documents as a whole: links lead somewhere, no page grows without notice, and figures are the results'."""

import json
import re
from pathlib import Path

import pytest

from serve.local.plan import REPOSITORY
from tests.bench.sizing import site
from tests.nodes.costs import COSTS

PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")], key=lambda path: path.relative_to(REPOSITORY)
)
# The most words of prose: what is left without code, tables and addresses.
MOST_WORDS = {
    "README.md": 450,
    "docs/api.md": 1500,
    "docs/backfill.md": 700,
    "docs/colour.md": 900,
    "docs/configuration.md": 600,
    "docs/deploy.md": 700,
    "docs/performance.md": 500,
    "docs/reliability.md": 700,
    "docs/runbook.md": 900,
    "docs/runbook-cluster.md": 1000,
    "docs/security.md": 800,
}


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file or folder of the repository, and an anchor a heading of its page."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("name", MOST_WORDS)
def test_a_page_stays_short(name: str) -> None:
    """A reader gets through the page in minutes. Measurements belong into docs/results."""
    assert _words((REPOSITORY / name).read_text()) <= MOST_WORDS[name]


def test_the_tutorial_and_the_glossary_stay_short() -> None:
    """The notebook's prose has at most 800 words; the glossary's table is its prose, and has at most 200."""
    notebook = json.loads((REPOSITORY / "docs" / "tutorial.ipynb").read_text())
    prose = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    assert sum(map(_words, prose)) <= 800
    table = re.sub(r"[|`-]+", " ", (REPOSITORY / "docs" / "glossary.md").read_text())
    assert len(table.split()) <= 200


def _words(text: str) -> int:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    return len(re.sub(r"\]\([^)]*\)", "]", "\n".join(lines)).split())


def _painted() -> dict[str, tuple[str, str]]:
    """The mean ΔE00 and the share of right counts of each tool, from the results of `make bench-colour`."""
    text = (REPOSITORY / "docs" / "results" / "colour.md").read_text()
    section = text.partition("<!-- bench-colour painted -->")[2].partition("<!-- /bench-colour painted -->")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in section.splitlines() if "%" in line]
    return {row[0]: (row[1], row[6].replace("%", " %")) for row in rows[1:]}


def test_the_figures_of_palettes_are_those_of_the_results() -> None:
    """README.md and the comparison name what was measured last: ours, and the best of the others that is not told."""
    painted = _painted()
    error, right = painted["StyleSync"]
    best = min(float(other) for name, (other, _) in painted.items() if name != "StyleSync")
    readme = " ".join((REPOSITORY / "README.md").read_text().split())
    assert f"the mean error is {error} ΔE00, against {best:.2f} for the best" in readme
    assert f"The number is right on {right} of them" in readme
    comparison = (REPOSITORY / "docs" / "comparison.md").read_text()
    assert f"| {error} | {right} |" in comparison
    for tool in ("ColorThief", "Pillow median cut", "k-means in Lab (scikit-learn)", "Celebi (materialyoucolor)"):
        (eight, eight_right), (five, five_right) = painted[f"{tool}, 8"], painted[f"{tool}, 5"]
        assert f"| {eight}, {five} | {eight_right}, {five_right} |" in comparison


def test_the_share_of_right_kinds_is_that_of_the_results() -> None:
    """README.md names what the report of the shipped parser says."""
    report = (REPOSITORY / "docs" / "results" / "parser.md").read_text()
    (share,) = re.findall(r"^\| garments of the right kind \| ([\d.]+)", report, re.MULTILINE)
    assert f"{float(share):.0%}".replace("%", " %") in (REPOSITORY / "README.md").read_text()


def test_the_nodes_to_plan_are_those_of_the_costs() -> None:
    """The table of deploy.md has rows of docs/results/sizing.md."""
    text = (REPOSITORY / "docs" / "deploy.md").read_text().partition("| new photos/s |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    assert len(rows) >= 4
    for per_s, *planned in rows:
        found = site(int(per_s), gpus=False)
        counts = [str(found.replicas[name]) for name in COSTS]
        assert planned == [str(found.cpu_nodes), *counts, f"{found.dollars_a_million(int(per_s)):.2f}"]
