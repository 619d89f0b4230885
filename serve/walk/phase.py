"""One guarded phase call: breaker, budget, one retry, cancellation, our own errors; knows neither Ray nor FastAPI."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import BadInput, ColorMatchError, Overloaded, PhaseFailed, PhaseLost, PhaseTimeout
from pipeline.types import PhaseName
from serve.waiting import drop, ended
from serve.walk.breaker import Breaker


class PendingCall(Protocol):
    """A call under way, as a Serve handle returns it."""

    def __await__(self) -> Generator[Any, None, bytes]:
        """Waits for the phase's answer."""

    def cancel(self) -> None:
        """Asks the phase to stop."""


Translate = Callable[[Exception], ColorMatchError]


Tell = Callable[[str], None]  # of a call's outcome: ok, timeout, failed, refused, overloaded, rejected; and retried
# The kinds of our errors that a phase may mean; any other is a phase's bug and no answer to a client.
FROM_A_PHASE = (BadInput, Overloaded, PhaseTimeout, PhaseFailed)


class RetryBudget:
    """Retries for at most a fifth of the calls, so that they cannot double the load of a phase in trouble."""

    def __init__(self, *, share: float = 0.2, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = 1.0

    def earn(self) -> None:
        """A call was made."""
        self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Whether a retry may be made; it is then counted."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that can be called. start: sends a payload. translate: a transport's error as one of ours.

    tell: is told of each call's outcome.
    """

    name: PhaseName
    start: Callable[[bytes], PendingCall]
    translate: Translate
    breaker: Breaker = field(default_factory=Breaker)
    retries: RetryBudget = field(default_factory=RetryBudget)
    tell: Tell = lambda _: None

    async def call(self, payload: bytes, *, budget_s: float) -> bytes:
        """The phase's answer within the budget, s.

        Raises PhaseTimeout after the budget, PhaseFailed when the phase broke or its breaker is open, Overloaded when
        its queue is full, and the phase's own BadInput; the last two never count against the phase.
        """
        if budget_s <= 0:
            raise PhaseTimeout(f"{self.name} had no time left.")
        self.retries.earn()
        permit = self.breaker.acquire()
        if permit is None:
            self.tell("refused")
            raise PhaseFailed(f"{self.name} rests after failures.")
        try:
            answer = await self._tried(payload, budget_s)
        except (PhaseTimeout, PhaseFailed) as error:
            permit.fail()
            self.tell("timeout" if isinstance(error, PhaseTimeout) else "failed")
            raise
        except BaseException as error:
            permit.give_back()
            self.tell("overloaded" if isinstance(error, Overloaded) else "rejected")
            raise
        permit.succeed()
        self.tell("ok")
        return answer

    async def _tried(self, payload: bytes, budget_s: float) -> bytes:
        """One more try, within the same budget, when the replica was lost."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + budget_s
        try:
            return await self._within(payload, budget_s)
        except PhaseLost:
            left_s = until_s - loop.time()
            if left_s <= 0 or not self.retries.take():
                raise
        self.tell("retried")
        return await self._within(payload, left_s)

    async def _within(self, payload: bytes, budget_s: float) -> bytes:
        """A late call is cancelled and drained: a plain timeout on a handle would leave it running in the replica."""
        try:
            pending = self.start(payload)
        except Exception as error:
            raise self.translate(error) from error
        task = asyncio.ensure_future(_result(pending))
        try:
            in_time = await ended(task, budget_s)
        except asyncio.CancelledError:
            await _drop(pending, task)
            raise
        if not in_time:
            await _drop(pending, task)
            raise PhaseTimeout(f"{self.name} took longer than {budget_s * 1000:.0f} ms.")
        return self._outcome(task)

    def _outcome(self, task: asyncio.Task[bytes]) -> bytes:
        if task.cancelled():
            raise PhaseFailed(f"{self.name} was cancelled.")
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, Exception):
            raise self.translate(error) from error
        raise error


async def _result(pending: PendingCall) -> bytes:
    return await pending


async def _drop(pending: PendingCall, task: asyncio.Task[bytes]) -> None:
    pending.cancel()
    await drop(task)
