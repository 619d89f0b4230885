"""Subcommands of `stylesync` that are commands of their own: they keep their arguments, help and exit codes."""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from typer.core import TyperCommand

# The module of each command. It has `main(arguments, *, prog)` and `parser(prog)`.
MODULES = {
    "backfill": "pipeline.backfill.__main__",
    "keys": "serve.keys.__main__",
    "models": "models.registry",
    "erase": "serve.erase",
}


class Forwarded(TyperCommand):
    """A subcommand whose arguments another parser reads; it completes that parser's options."""

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The options, or the subcommands, that begin with what was typed."""
        from typer._click.shell_completion import CompletionItem

        found = _words(parser_of(str(self.name)), ctx.args)
        return [CompletionItem(word) for word in found if word.startswith(incomplete)]


def forward(name: str, arguments: Sequence[str]) -> int:
    """Runs a command with its arguments; returns its exit code."""
    run: Callable[..., int] = import_module(MODULES[name]).main
    return run(list(arguments), prog=f"stylesync {name}")


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command."""
    made: argparse.ArgumentParser = import_module(MODULES[name]).parser(f"stylesync {name}")
    return made


def _words(parser: argparse.ArgumentParser, given: Sequence[str]) -> list[str]:
    """The options of a parser, and its subcommands unless one was given; then that subcommand's options."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            chosen = next((word for word in given if word in action.choices), None)
            if chosen is not None:
                return _words(action.choices[chosen], [])
            return [*action.choices, *parser._option_string_actions]
    return [option for option in parser._option_string_actions if option.startswith("--")]
