"""Configures the log: one JSON object per line, with tracebacks that show no values."""

import sys
from typing import Any, TextIO

from serve.imports import without

# structlog loads rich, for terminals, where it finds it. That takes 40 ms of a replica's start, and our log is JSON.
with without("rich"):
    import structlog
    from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
    from structlog.tracebacks import ExceptionDictTransformer

# Taste: enough of a traceback to find its cause.
FRAMES = 20


def logger(name: str) -> Any:
    """The logger of a module."""
    return structlog.get_logger(name)


def configure(level: str = "info") -> None:
    """Sets structlog up for this process; messages below the level are dropped.

    structlog's default is made for a developer's terminal and renders every local variable of every frame. Keys and
    photos would then be in the log, and one unexpected error would block the event loop for seconds.
    """
    tracebacks = ExceptionDictTransformer(show_locals=False, max_frames=FRAMES)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(_standard_output()),
        processors=[
            structlog.contextvars.merge_contextvars,
            add_log_level,
            TimeStamper(fmt="iso", utc=True),
            ExceptionRenderer(tracebacks),
            JSONRenderer(),
        ],
    )


def _standard_output() -> TextIO:
    """The real standard output: Serve's wrapper would put our line as text into a line of its own."""
    output: Any = getattr(sys.stdout, "_original_object", sys.stdout)
    return output  # type: ignore[no-any-return]
