"""Calls a phase with a circuit breaker, a time budget, one retry, and errors translated into ours."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
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
# Counts an outcome of a call: ok, timeout, failed, absent, refused, overloaded or rejected. It also counts a retry, as
# retried.
CountOutcome = Callable[[str], None]
# The kinds of error that a phase may send to a client. Any other kind is a bug of the phase.
FROM_A_PHASE = (BadInput, Overloaded, PhaseTimeout, PhaseFailed)
# Taste: how often a waiting call looks whether its phase has lost its last replica.
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Replicas:
    """What the transport knows of a phase's replicas, without asking anybody.

    running: how many can take a call; None: not known. have: whether one of them has taken this call.
    """

    running: Callable[[], int | None] = lambda: None
    have: Callable[[PendingCall], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class PhaseHandle:
    """A phase's handle. start: sends a payload. describe: asks a replica for its Description, in wire form."""

    start: Callable[[bytes], PendingCall]
    describe: Callable[[], Awaitable[bytes]]
    replicas: Replicas = field(default_factory=Replicas)


@dataclass(frozen=True, slots=True)
class CanaryHandles:
    """What the second network's replicas do: they segment, and extract the colours of a comparison."""

    segment: PhaseHandle
    extract: PhaseHandle


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
    replicas: Replicas = field(default_factory=Replicas)

    @property
    def absent(self) -> bool:
        """Whether the phase is known to have no replica. A call could only wait for one to start.

        This state needs no probe: it ends as soon as the transport knows a replica.
        """
        return self.replicas.running() == 0

    async def call(self, payload: bytes, *, budget_s: float) -> bytes:
        """Sends a payload and waits for the phase's answer, for at most the budget, s.

        Raises PhaseTimeout after the budget, PhaseFailed when the phase failed or its breaker is open, PhaseLost when
        its last replica is gone, Overloaded when its queue is full, and the phase's own BadInput. The breaker does not
        count the last three as failures.
        """
        if budget_s <= 0:
            raise PhaseTimeout(f"{self.name} had no time left.")
        if self.absent:
            self.count_outcome("absent")
            raise self._without_replica()
        self.retries.earn()
        permit = self.breaker.acquire()
        if permit is None:
            self.count_outcome("refused")
            raise PhaseFailed(f"The circuit breaker of {self.name} is open.")
        try:
            answer = await self._call_with_retry(payload, budget_s)
        except (PhaseTimeout, PhaseFailed) as error:
            if isinstance(error, PhaseLost) and self.absent:
                # The breaker would stay open for a while after the next replica has come.
                permit.give_back()
                self.count_outcome("absent")
                raise
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
            if left_s <= 0 or self.absent or not self.retries.take():
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
            in_time = await self._ended(pending, task, budget_s)
        except (asyncio.CancelledError, PhaseLost):
            await _drop(pending, task)
            raise
        if not in_time:
            await _drop(pending, task)
            raise PhaseTimeout(f"{self.name} took longer than {budget_s * 1000:.0f} ms.")
        return self._outcome(task)

    async def _ended(self, pending: PendingCall, task: asyncio.Task[bytes], budget_s: float) -> bool:
        """Whether the call ended within the budget.

        Raises PhaseLost once no replica runs and none has the call. A replica that is stopping may still answer.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + budget_s
        while (left_s := until_s - loop.time()) > LOOK_EVERY_S:
            await asyncio.wait({task}, timeout=LOOK_EVERY_S)
            if task.done():
                return True
            if self.absent and not self.replicas.have(pending):
                raise self._without_replica()
        return await ended(task, left_s)

    def _without_replica(self) -> PhaseLost:
        return PhaseLost(f"{self.name} has no running replica.")

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
