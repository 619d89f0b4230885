"""Waits for work with a timeout, on an event loop that a flood of requests may block."""

import asyncio
from typing import Any

# Taste: extra event-loop iterations granted after a timeout, so that data that is already in a socket buffer is read.
# They suffice to send, to receive an answer, and to read a decoded photo in pieces.
GRACE_ROUNDS = 20


async def ended(work: "asyncio.Future[Any]", timeout_s: float) -> bool:
    """Whether the work ended within timeout_s, or within a few iterations of the event loop after it.

    A blocked loop may leave an answer unread: when it runs again, the timeout fires before the task that the answer
    wakes. In an idle loop the extra iterations take no time; in a busy one they save the work.
    """
    if timeout_s > 0:
        await asyncio.wait({work}, timeout=timeout_s)
    for _ in range(GRACE_ROUNDS):
        if work.done():
            break
        await asyncio.sleep(0)
    return work.done()


async def drop(work: "asyncio.Future[Any]") -> None:
    """Cancels the work and waits until it has ended; its result is ignored."""
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    elif not work.cancelled():
        # Otherwise asyncio would log that the exception was never retrieved.
        work.exception()
