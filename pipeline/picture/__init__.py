"""Draws an answer as a picture, and as HTML with the files of `web`, which the playground uses too."""

from pathlib import Path

# look.js and look.css: what the playground, the gallery and the backfill's report draw an answer with.
WEB = Path(__file__).parent / "web"
