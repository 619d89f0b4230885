"""Adaptive concurrency limit: admits as many photos at a time as finish within half of their phases' budgets.

A fixed limit is wrong on any machine but one: too many photos overrun a budget and are degraded, too few leave the
machine idle.  The limit is found as TCP finds its window (additive increase, multiplicative decrease; Chiu and Jain
1989).  Each photo records the largest share of a budget that one of its steps took.  A share above STRAINED lowers the
limit by a fifth, once for all the photos that were in progress together.  A photo that found the limit nearly used up
and stayed below STRAINED raises it, by one when all of them do.  Each ingress replica learns its own limit.

Photos that find every slot taken wait in a queue.  A queue that has just formed is a burst and will clear: it may be
long, and its photos wait long.  A queue older than STANDING_S is overload, and waiting would only make every answer
late: it is then as long as there are slots, enough that no slot stays empty between two photos, and its photos wait
for a short time (adaptive controlled delay; Maurer 2015, "Fail at Scale", after Nichols and Jacobson's CoDel, 2012).

The constants below are fitted: python -m tests.reliability.run overload, and --bar 6.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from pipeline.errors import Overloaded

# The limit before anything is known.
START = 8
# The least limit: one photo is decoded while another is segmented.
LEAST = 2
# The share of a budget above which a step says that the limit is too high; the other half is for what varies.
STRAINED = 0.5
# The factor that lowers the limit.
LOWERED = 0.8
# A photo raises the limit only when at least this share of it was in use.
USED = 0.75
# The length of a queue that has just formed, where there are fewer slots.
BURST = 8
# A queue older than this is overload, not a burst.
STANDING_S = 2.0
# The queue timeout under overload, as a share of the normal one: 0.27 of 1.5 s is 0.4 s.
OVERLOAD_PATIENCE = 0.27


@dataclass(slots=True)
class Slot:
    """One photo's right to be in progress. budget_share: the largest share of its budget that a step took so far."""

    epoch: int
    crowded: bool
    budget_share: float = 0.0

    def record(self, time_ms: float, budget_ms: float) -> None:
        """Notes a step's time and budget."""
        self.budget_share = max(self.budget_share, time_ms / budget_ms)


class Admission:
    """Slots for photos, first come, first served. most: the highest limit; may be changed at any time."""

    def __init__(
        self,
        most: int,
        *,
        on_refusal: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self._clock = clock
        self._on_refusal = on_refusal
        self._limit = float(START)
        self._taken = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._queue_since_s = 0.0
        # Counts how often the limit was lowered.
        self._epoch = 0

    @property
    def limit(self) -> int:
        """How many photos may be in progress now."""
        return max(1, min(self.most, int(self._limit)))

    @property
    def taken(self) -> int:
        """How many photos are in progress."""
        return self._taken

    def check(self) -> None:
        """Raises Overloaded when every slot is taken and the queue is full."""
        if self._taken >= self.limit and len(self._queue) >= self._queue_limit():
            raise self._refusal()

    @asynccontextmanager
    async def slot(self, *, within_s: float) -> AsyncIterator[Slot]:
        """A slot for as long as the block lasts. Raises Overloaded when none comes free within within_s at most."""
        await self._acquire(within_s)
        slot = Slot(self._epoch, self._taken >= USED * self.limit)
        try:
            yield slot
        finally:
            self._learn(slot)
            self._release()

    async def _acquire(self, within_s: float) -> None:
        if self._taken < self.limit:
            self._taken += 1
            return
        self.check()
        if not self._queue:
            self._queue_since_s = self._clock()
        timeout_s = within_s * OVERLOAD_PATIENCE if self._is_standing() else within_s
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # The slot was granted in the same moment.
                self._release()
            with suppress(ValueError):
                # `_release` may have taken it out of the queue already.
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal() from error
            raise

    def _queue_limit(self) -> int:
        return self.limit if self._is_standing() else max(BURST, self.limit)

    def _is_standing(self) -> bool:
        """Whether the queue, where there is one, is overload."""
        return bool(self._queue) and self._clock() - self._queue_since_s > STANDING_S

    def _release(self) -> None:
        """Frees a slot, and grants slots to the first in the queue."""
        self._taken -= 1
        while self._queue and self._taken < self.limit:
            turn = self._queue.popleft()
            if not turn.cancelled():
                self._taken += 1
                turn.set_result(None)

    def _refusal(self) -> Overloaded:
        self._on_refusal()
        return Overloaded(f"{self._taken} photos are being worked on, the most at a time now; try again shortly.")

    def _learn(self, slot: Slot) -> None:
        if slot.budget_share > STRAINED:
            if slot.epoch == self._epoch:
                self._limit = max(LEAST, min(self._limit, self.most) * LOWERED)
                self._epoch += 1
        elif slot.crowded and slot.budget_share:
            self._limit = min(max(self.most, LEAST), self._limit + 1 / self._limit)
