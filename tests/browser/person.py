"""What the tests of a person's doings share: photos, and what a person types and sees."""

from typing import Any

from serve.http.pages import PLAYGROUND
from tests.browser.checks import recorded

KNIT = PLAYGROUND / "sample-knit.webp"
DRESS = PLAYGROUND / "sample-dress.webp"
KEY = "ssk_test"


def must_answer(page: Any, name: str) -> None:
    """Waits until the best suggestion is that of a recorded answer."""
    page.wait_for_selector(f"#best h3:text('{recorded(name)['suggestions'][0]['summary']}')")


def type_colors(page: Any, words: str) -> None:
    """Types colours and asks."""
    page.fill("#colors", words)
    page.keyboard.press("Enter")
