"""Waits for work with a timeout, on an event loop that a flood of requests may block."""

import asyncio
from typing import Any

# Taste: extra event-loop iterations granted after a timeout, so that data that is already in a socket buffer is read.
# They suffice to send, to receive an answer, and to read a decoded photo in pieces.
GRACE_ROUNDS = 20
# Taste: a timeout is waited out in this many parts, so that a blocked loop costs a part and not the whole.
PARTS = 10


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


async def answered(work: "asyncio.Future[Any]", timeout_s: float) -> bool:
    """Whether a store's answer came within timeout_s of an event loop that ran.

    While the loop is blocked it reads no answer, so such a pause counts as one part of the timeout, however long it is.
    """
    for _ in range(PARTS - 1):
        if work.done():
            break
        await asyncio.wait({work}, timeout=timeout_s / PARTS)
    return await ended(work, timeout_s / PARTS)


async def drop(work: "asyncio.Future[Any]") -> None:
    """Cancels the work and waits until it has ended; its result is ignored."""
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    elif not work.cancelled():
        # Otherwise asyncio would log that the exception was never retrieved.
        work.exception()
