"""Tests the documents as a whole: links lead somewhere, and no page grows without notice."""

import re
from pathlib import Path

import pytest

from serve.local.plan import REPOSITORY

PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")], key=lambda path: path.relative_to(REPOSITORY)
)
# The most words of prose: what is left without code, tables and addresses.
MOST_WORDS = {
    "README.md": 450,
    "docs/api.md": 1500,
    "docs/backfill.md": 700,
    "docs/colour.md": 1000,
    "docs/configuration.md": 600,
    "docs/deploy.md": 800,
    "docs/reliability.md": 800,
    "docs/runbook.md": 1000,
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


def _words(text: str) -> int:
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    return len(re.sub(r"\]\([^)]*\)", "]", "\n".join(lines)).split())
