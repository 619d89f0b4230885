"""Reads the blocks of README.md."""

import re

from serve.local.plan import REPOSITORY

TEXT = (REPOSITORY / "README.md").read_text()


def blocks(chapter: str, language: str) -> list[str]:
    """The blocks of a language in a chapter."""
    (text,) = re.findall(rf"^## {chapter}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(chapter: str) -> list[str]:
    """The command lines of a chapter, without comments."""
    lines = [line for block in blocks(chapter, "sh") for line in block.splitlines()]
    return [command for line in lines if (command := line.partition("  #")[0].strip())]
