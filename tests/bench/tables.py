"""Generated sections of docs/colour.md, between comments that name the command; the standard library only."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "colour.md"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`. Raises ValueError when the page lacks them."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    whole = page.read_text()
    if opening not in whole or closing not in whole:
        raise ValueError(f"{page.name} has no section '{name}'")
    before, rest = whole.split(opening)
    after = rest.split(closing)[1]
    page.write_text(f"{before}{opening}\n{text}\n{closing}{after}")
