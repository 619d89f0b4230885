"""How the service logs: one JSON object a line, with plain tracebacks; structlog only."""

import sys
from typing import Any, TextIO

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper, add_log_level
from structlog.tracebacks import ExceptionDictTransformer

FRAMES = 20


def configure(level: str = "info") -> None:
    """Sets structlog up for this process; what is below the level is dropped.

    Its default, made for a developer's terminal, renders every local variable of every frame: keys and photos would
    be in the log, and one unexpected error would hold the event loop for seconds.
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
    """Standard output itself: what a replica prints through Serve's wrapper becomes text in a line of Serve's own."""
    output: Any = getattr(sys.stdout, "_original_object", sys.stdout)
    return output  # type: ignore[no-any-return]
