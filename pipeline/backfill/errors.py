"""Errors that end a backfill, and errors that make one photo a dead letter.

    BackfillError               ends the run, with a text for the operator and an exit code for the shell
    ├── BadRequest         2    the arguments or the input cannot be used
    ├── OtherRun           3    the output belongs to another run, or a newer run took it over
    ├── StorageFailed      4    disk full, no permission, store unreachable: the same command resumes
    └── Stopped          130    a signal asked the run to stop: the same command resumes

    ObjectFailed                the object cannot be read: it becomes a dead letter, and the run goes on
    UriInvalid                  the row's URI is missing or unusable: likewise
    Unexplained                 the photo caused an unexpected error: likewise

All of them cross process borders, so they take exactly one positional argument.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import ColorMatchError

EXIT_DONE = 0
EXIT_UNEXPECTED = 1
EXIT_TOO_MANY_FAILURES = 5


class BackfillError(Exception):
    """The root. Its argument says what happened and what to do."""

    exit_code = EXIT_UNEXPECTED


class BadRequest(BackfillError):
    exit_code = 2


class OtherRun(BackfillError):
    exit_code = 3


class StorageFailed(BackfillError):
    exit_code = 4


class Stopped(BackfillError):
    exit_code = 130


def error_of(exit_code: int, text: str) -> BackfillError:
    """The BackfillError with this exit code. It restores an error that Ray has wrapped in a class of its own."""
    kinds: dict[int, type[BackfillError]] = {kind.exit_code: kind for kind in BackfillError.__subclasses__()}
    return kinds.get(exit_code, BackfillError)(text)


class ObjectFailed(ColorMatchError):
    """The store has the object, but every attempt to read it fails."""

    code = "OBJECT_UNREADABLE"


class UriInvalid(ColorMatchError):
    """The row's URI is missing, or has a scheme that cannot be read."""

    code = "URI_INVALID"


class Unexplained(ColorMatchError):
    """An unexpected error of our own. The job's log has its traceback."""

    code = "INTERNAL"


T = TypeVar("T")
_log = logging.getLogger(__name__)


def guarded(work: Callable[[], T], subject: str | None) -> T | ColorMatchError:
    """The result of `work`, or the error that makes the photo a dead letter. Raises errors that end the run."""
    try:
        return work()
    except ColorMatchError as error:
        return error
    except BackfillError:
        raise
    except Exception:
        return unexplained(subject)


def unexplained(subject: str | None) -> Unexplained:
    """Logs the current exception, and gives the error of the photo. subject: what was processed, for the log."""
    _log.exception("Unexpected error while processing %s", subject)
    return Unexplained("An unexpected error; the job's log has it.")
