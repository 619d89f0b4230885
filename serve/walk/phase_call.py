"""Calls a phase with a circuit breaker, a time budget, one retry, and errors translated into ours."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import BadInput, ColorMatchError, Overloaded, PhaseFailed, PhaseLost, PhaseTimeout
from pipeline.types import PhaseName
from serve.waiting import drop, ended
from serve.walk.breaker import Breaker


class PendingCall(Protocol):
    """A call in progress, as a Serve handle returns it."""

    def __await__(self) -> Generator[Any, None, bytes]:
        """Waits for the phase's answer."""

    def cancel(self) -> None:
        """Asks the phase to stop."""


Translate = Callable[[Exception], ColorMatchError]
# Counts an outcome of a call: ok, timeout, failed, refused, overloaded or rejected. It also counts a retry, as retried.
CountOutcome = Callable[[str], None]
# The kinds of error that a phase may send to a client. Any other kind is a bug of the phase.
FROM_A_PHASE = (BadInput, Overloaded, PhaseTimeout, PhaseFailed)


class RetryBudget:
    """A token bucket for retries, so that they cannot double the load of a phase in trouble.

    share: retries allowed per call. most: the largest number of retries saved up. Taste: a fifth of the calls, and 10.
    """

    def __init__(self, *, share: float = 0.2, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = 1.0

    def earn(self) -> None:
        """Adds one call's share of a retry."""
        self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Whether a retry may be made. If so, it is taken from the budget."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that can be called.

    start: sends a payload. translate: turns a transport's error into one of ours. count_outcome: counts each call.
    """

    name: PhaseName
    start: Callable[[bytes], PendingCall]
    translate: Translate
    breaker: Breaker = field(default_factory=Breaker)
    retries: RetryBudget = field(default_factory=RetryBudget)
    count_outcome: CountOutcome = lambda _: None

    async def call(self, payload: bytes, *, budget_s: float) -> bytes:
        """Sends a payload and waits for the phase's answer, for at most the budget, s.

        Raises PhaseTimeout after the budget, PhaseFailed when the phase failed or its breaker is open, Overloaded when
        its queue is full, and the phase's own BadInput. The breaker does not count the last two as failures.
        """
        if budget_s <= 0:
            raise PhaseTimeout(f"{self.name} had no time left.")
        self.retries.earn()
        permit = self.breaker.acquire()
        if permit is None:
            self.count_outcome("refused")
            raise PhaseFailed(f"The circuit breaker of {self.name} is open.")
        try:
            answer = await self._call_with_retry(payload, budget_s)
        except (PhaseTimeout, PhaseFailed) as error:
            permit.fail()
            self.count_outcome("timeout" if isinstance(error, PhaseTimeout) else "failed")
            raise
        except BaseException as error:
            permit.give_back()
            self.count_outcome("overloaded" if isinstance(error, Overloaded) else "rejected")
            raise
        permit.succeed()
        self.count_outcome("ok")
        return answer

    async def _call_with_retry(self, payload: bytes, budget_s: float) -> bytes:
        """Makes the call, and makes it once more within the same budget when the replica was lost."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + budget_s
        try:
            return await self._call_once(payload, budget_s)
        except PhaseLost:
            left_s = until_s - loop.time()
            if left_s <= 0 or not self.retries.take():
                raise
        self.count_outcome("retried")
        return await self._call_once(payload, left_s)

    async def _call_once(self, payload: bytes, budget_s: float) -> bytes:
        """Makes the call. When it is late, cancels it and waits for its end.

        A plain timeout on a handle would leave the call running in the replica.
        """
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
