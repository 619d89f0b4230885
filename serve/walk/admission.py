"""How many photos a replica takes on at a time: as many as it answers well within their phases' budgets; no framework.

A fixed number is wrong on any machine but one: too many overrun a budget and are degraded, too few leave the machine
idle.  So it is found as TCP finds its window (additive increase, multiplicative decrease; Chiu and Jain 1989): each
photo tells its strain, the largest share of a budget that a step of it took.  A strain beyond STRAINED lowers the
number by a fifth, once for all the photos that were under way together; a photo that found the number nearly used up
and was not strained raises it, by one when all of them do.  A replica learns its own part where several share a phase.

Photos that come while all seats are taken wait in a line. One that has just formed is a burst, or a machine that is
busy for a moment, and time will clear it: it may be long, and its photos patient. One that has stood for a while is
too much load: waiting would only make all answers late, so it is as long as the seats are many, enough that no seat
stays empty from one photo's end to the next one's arrival (Facebook's adaptive controlled delay; Maurer 2015, "Fail
at Scale", after Nichols and Jacobson's CoDel 2012).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from pipeline.errors import Overloaded

START, LEAST = 8, 2  # photos at a time: before anything is known; so that one is decoded while one is segmented
STRAINED = 0.5  # of a budget; the other half is for what varies
LOWERED = 0.8
USED = 0.75  # of the number, from which on a photo tells something about a larger one
BURST = 8  # photos in a line that has just formed, where the seats are fewer
STANDS_S = 2.0  # the age of a line from which on it is no burst
IMPATIENCE = 0.27  # of the time that a photo may wait, once the line stands


@dataclass(slots=True)
class Seat:
    """One photo's place. strain: the largest share of its budget that a step has taken so far."""

    epoch: int
    crowded: bool
    strain: float = 0.0

    def took(self, time_s: float, budget_s: float) -> None:
        """Notes a step."""
        self.strain = max(self.strain, time_s / budget_s)


class Admission:
    """Seats for photos, first come, first served. most: never more than so many; may be changed at any time."""

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
        self._seats = float(START)
        self._taken = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._line_since_s = 0.0
        self._epoch = 0  # counts how often the number was lowered

    @property
    def seats(self) -> int:
        """How many photos may be under way now."""
        return max(1, min(self.most, int(self._seats)))

    def check(self) -> None:
        """Raises Overloaded when every seat is taken and the line is full."""
        if self._taken >= self.seats and len(self._line) >= self._room():
            raise self._refusal()

    @asynccontextmanager
    async def seat(self, *, within_s: float) -> AsyncIterator[Seat]:
        """A seat while the photo is under way. Raises Overloaded when none comes free in time; within_s: at most."""
        await self._sit_down(within_s)
        seat = Seat(self._epoch, self._taken >= USED * self.seats)
        try:
            yield seat
        finally:
            self._learn(seat)
            self._stand_up()

    async def _sit_down(self, within_s: float) -> None:
        if self._taken < self.seats:
            self._taken += 1
            return
        self.check()
        if not self._line:
            self._line_since_s = self._clock()
        patience_s = within_s * IMPATIENCE if self._stands() else within_s
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(patience_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # called in the same moment
                self._stand_up()
            with suppress(ValueError):  # it may have been passed over already
                self._line.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal() from error
            raise

    def _room(self) -> int:
        """How long the line may be."""
        return self.seats if self._stands() else max(BURST, self.seats)

    def _stands(self) -> bool:
        """Whether the line, where there is one, is no burst any more."""
        return bool(self._line) and self._clock() - self._line_since_s > STANDS_S

    def _stand_up(self) -> None:
        """A seat is free; those in the line who fit are called."""
        self._taken -= 1
        while self._line and self._taken < self.seats:
            turn = self._line.popleft()
            if not turn.cancelled():
                self._taken += 1
                turn.set_result(None)

    @property
    def taken(self) -> int:
        """How many photos are under way."""
        return self._taken

    def _refusal(self) -> Overloaded:
        self._on_refusal()
        return Overloaded(f"{self._taken} photos are being worked on, the most at a time now; try again shortly.")

    def _learn(self, seat: Seat) -> None:
        if seat.strain > STRAINED:
            if seat.epoch == self._epoch:
                self._seats = max(LEAST, min(self._seats, self.most) * LOWERED)
                self._epoch += 1
        elif seat.crowded and seat.strain:
            self._seats = min(max(self.most, LEAST), self._seats + 1 / self._seats)
