"""What ends a backfill, and what ends one photo of it; imports pipeline.errors only.

    BackfillError               the run ends; its text is for the engineer, `exit_code` for the shell
    ├── BadRequest         2    arguments or an input that cannot be used
    ├── OtherRun           3    the output holds, or was taken over by, another run
    ├── StorageFailed      4    disk full, no permission, store unreachable: the same command goes on
    └── Stopped          130    asked to stop: the same command goes on

    ObjectFailed                the object cannot be read: it becomes a dead letter, and the run goes on
    UriInvalid                  the row names no object: likewise
    Unexplained                 the photo broke something that should not break: likewise

All cross process borders, so they take exactly one positional argument.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import ColorMatchError

EXIT_DONE = 0
EXIT_UNEXPECTED = 1
EXIT_TOO_MANY_FAILURES = 5


class BackfillError(Exception):
    """The root; the one argument says what happened and what to do."""

    exit_code = EXIT_UNEXPECTED


class BadRequest(BackfillError):
    exit_code = 2


class OtherRun(BackfillError):
    exit_code = 3


class StorageFailed(BackfillError):
    exit_code = 4


class Stopped(BackfillError):
    exit_code = 130


def end_of(exit_code: int, text: str) -> BackfillError:
    """The BackfillError of an exit code: so it crosses from Ray's processes, whatever class Ray made of it."""
    kinds: dict[int, type[BackfillError]] = {kind.exit_code: kind for kind in BackfillError.__subclasses__()}
    return kinds.get(exit_code, BackfillError)(text)


class ObjectFailed(ColorMatchError):
    """The store holds the object but does not give it out, again and again."""

    code = "OBJECT_UNREADABLE"


class UriInvalid(ColorMatchError):
    """The row's URI is missing or of a kind that cannot be read."""

    code = "URI_INVALID"


class Unexplained(ColorMatchError):
    """An error that is ours: the job's log has it whole."""

    code = "INTERNAL"


T = TypeVar("T")
_log = logging.getLogger(__name__)


def guarded(work: Callable[[], T], what: str | None) -> T | ColorMatchError:
    """The result, or the photo's own error; what ends the whole run is raised."""
    try:
        return work()
    except ColorMatchError as error:
        return error
    except BackfillError:
        raise
    except Exception:
        return unexplained(what)


def unexplained(what: str | None) -> Unexplained:
    _log.exception("Unexpected, with %s", what)
    return Unexplained("An unexpected error; the job's log has it.")
