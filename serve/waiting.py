"""Waiting for work with a timeout, on an event loop that a flood of requests may hold up; asyncio only."""

import asyncio
from typing import Any

ROUNDS = 20  # of the loop, enough to send, to be answered and to read a decoded photo piece by piece


async def ended(work: "asyncio.Future[Any]", timeout_s: float) -> bool:
    """Whether the work ended within timeout_s, or within a few rounds of the event loop after it.

    While a loop is held up, an answer may lie ready and nobody reads it: when the loop comes round, its timers are due
    before what the answer's arrival wakes. In an idle loop the rounds take no time; in a busy one they save the work.
    """
    if timeout_s > 0:
        await asyncio.wait({work}, timeout=timeout_s)
    for _ in range(ROUNDS):
        if work.done():
            break
        await asyncio.sleep(0)
    return work.done()


async def drop(work: "asyncio.Future[Any]") -> None:
    """Cancels the work and waits until it is gone; what became of it does not matter any more."""
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    elif not work.cancelled():
        work.exception()  # or asyncio would complain that nobody asked
