"""How many photos a replica takes on at a time: as many as it answers well within their phases' budgets; no framework.

A fixed number is wrong on any machine but one: too many overrun a budget and are degraded, too few leave the machine
idle.  So it is found as TCP finds its window (additive increase, multiplicative decrease; Chiu and Jain 1989): each
photo tells its strain, the largest share of a budget that a step of it took.  A strain beyond STRAINED lowers the
number by a fifth, once for all the photos that were under way together; a photo that found the number nearly used up
and was not strained raises it, by one when all of them do.  A replica learns its own part where several share a phase.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.errors import Overloaded

START, LEAST = 8, 2  # photos at a time: before anything is known; so that one is decoded while one is segmented
STRAINED = 0.5  # of a budget; the other half is for what varies
LOWERED = 0.8
USED = 0.75  # of the number, from which on a photo tells something about a larger one


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
    """Seats for photos. most: never more than so many; may be changed at any time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._seats = float(START)
        self._taken = 0
        self._epoch = 0  # counts how often the number was lowered

    @property
    def seats(self) -> int:
        """How many photos may be under way now."""
        return max(1, min(self.most, int(self._seats)))

    def check(self) -> None:
        """Raises Overloaded when no seat is free."""
        if self._taken >= self.seats:
            raise Overloaded(f"{self._taken} photos are being worked on, the most at a time now; try again shortly.")

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """A seat while the photo is under way. Raises Overloaded when none is free."""
        self.check()
        self._taken += 1
        seat = Seat(self._epoch, self._taken >= USED * self.seats)
        try:
            yield seat
        finally:
            self._taken -= 1
            self._learn(seat)

    def _learn(self, seat: Seat) -> None:
        if seat.strain > STRAINED:
            if seat.epoch == self._epoch:
                self._seats = max(LEAST, min(self._seats, self.most) * LOWERED)
                self._epoch += 1
        elif seat.crowded and seat.strain:
            self._seats = min(max(self.most, LEAST), self._seats + 1 / self._seats)
