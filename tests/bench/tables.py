"""Writes generated sections of documents, between comments that name the command."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "results" / "colour.md"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replaces the text between `<!-- name -->` and `<!-- /name -->`. Raises ValueError when the page lacks them."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    whole = page.read_text()
    if opening not in whole or closing not in whole:
        raise ValueError(f"{page.name} has no section '{name}'")
    before, rest = whole.split(opening)
    after = rest.split(closing)[1]
    page.write_text(f"{before}{opening}\n{text}\n{closing}{after}")
