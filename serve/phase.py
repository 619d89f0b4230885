"""One guarded phase call: breaker, budget, cancellation, and our own errors; knows neither Ray nor FastAPI."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import ColorMatchError, PhaseFailed, PhaseTimeout
from pipeline.types import PhaseName
from serve.breaker import Breaker


class PendingCall(Protocol):
    """A call under way, as a Serve handle returns it."""

    def __await__(self) -> Generator[Any, None, bytes]:
        """Waits for the phase's answer."""

    def cancel(self) -> None:
        """Asks the phase to stop."""


Translate = Callable[[Exception], ColorMatchError]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that can be called. start: sends a payload. translate: a transport's error as one of ours."""

    name: PhaseName
    start: Callable[[bytes], PendingCall]
    translate: Translate
    breaker: Breaker = field(default_factory=Breaker)

    async def call(self, payload: bytes, *, budget_s: float) -> bytes:
        """The phase's answer within the budget, s.

        Raises PhaseTimeout after the budget, PhaseFailed when the phase broke or its breaker is open, Overloaded when
        its queue is full, and the phase's own BadInput; the last two never count against the phase.
        """
        if budget_s <= 0:
            raise PhaseTimeout(f"{self.name} had no time left.")
        permit = self.breaker.acquire()
        if permit is None:
            raise PhaseFailed(f"{self.name} rests after failures.")
        try:
            answer = await self._within(payload, budget_s)
        except (PhaseTimeout, PhaseFailed):
            permit.fail()
            raise
        except BaseException:
            permit.give_back()
            raise
        permit.succeed()
        return answer

    async def _within(self, payload: bytes, budget_s: float) -> bytes:
        """A late call is cancelled and drained: a plain timeout on a handle would leave it running in the replica."""
        try:
            pending = self.start(payload)
        except Exception as error:
            raise self._ours(error) from error
        task = asyncio.ensure_future(_result(pending))
        try:
            done, _ = await asyncio.wait({task}, timeout=budget_s)
        except asyncio.CancelledError:
            await _drop(pending, task)
            raise
        if not done:
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
            raise self._ours(error) from error
        raise error

    def _ours(self, error: Exception) -> ColorMatchError:
        """The error as one of ours; a transport's own subclass of ours may say more than a client should know."""
        if isinstance(error, ColorMatchError) and type(error).__module__ == ColorMatchError.__module__:
            return error
        return self.translate(error)


async def _result(pending: PendingCall) -> bytes:
    return await pending


async def _drop(pending: PendingCall, task: asyncio.Task[bytes]) -> None:
    pending.cancel()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
