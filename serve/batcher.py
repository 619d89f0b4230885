"""Batches for one device, formed the moment it is free for one; asyncio and threads, neither Ray nor torch."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Generic, TypeVar

from pipeline.errors import ColorMatchError, PhaseFailed, PhaseLost, PhaseTimeout
from serve.observe import tracing

Item = TypeVar("Item")
Result = TypeVar("Result")
RECENT_BATCHES, RECENT_S = 8, 2.0  # what the time of the next batch is judged by

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much goes to the device at once.

    max_items, max_px: of one batch; an item that is larger than max_px goes alone. in_flight: batches between the
    first stage and the last. stall_s: a batch at work for longer means that the device hangs.
    """

    max_items: int
    max_px: int
    in_flight: int = 1
    stall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BatchReport:
    """One batch that came back: its items, their pixels, how long each had waited for it, and how long it took."""

    items: int
    px: int
    waited_s: tuple[float, ...]
    took_s: float


@dataclass(slots=True)
class Tally:
    """What a batcher has done so far. expired: items whose deadline came first."""

    batches: int = 0
    expired: int = 0
    cancelled: int = 0
    failed: int = 0


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    px: int
    deadline_s: float
    since_s: float
    answer: "asyncio.Future[Result]"
    traceparent: str = field(default_factory=tracing.traceparent)


class Batcher(Generic[Item, Result]):
    """Gives a device its work: whatever waits, the moment there is room, the earliest deadline first.

    stages: the first takes the list of items, each next one what the one before gave, the last gives the results in
    the items' order. Every stage has one thread of its own, so that stages of successive batches overlap while each
    sees the batches in order. A batch that fails is halved and tried again, so that an item which breaks it fails
    alone and a batch too large for the device's memory still gets through. is_fatal: whether an error means that the
    device will do no more work. clock: Unix time, s. observe: is told of every batch.
    """

    def __init__(
        self,
        stages: Sequence[Callable[[Any], Any]],
        limits: BatchLimits,
        *,
        is_fatal: Callable[[Exception], bool] = lambda _error: False,
        clock: Callable[[], float] = time.time,
        observe: Callable[[BatchReport], None] = lambda _report: None,
    ) -> None:
        self.limits = limits  # may be replaced at any time; batches at work are left alone
        self.tally = Tally()
        self._stages = [(ThreadPoolExecutor(1, f"stage-{k}"), stage) for k, stage in enumerate(stages)]
        self._is_fatal = is_fatal
        self._clock = clock
        self._observe = observe
        self._waiting: dict[int, _Waiting[Item, Result]] = {}
        self._at_work: dict[asyncio.Task[None], float] = {}  # and since when
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_BATCHES)  # when a batch came back; it took, s
        self._lost = False

    @property
    def queued(self) -> int:
        """Items that wait for a batch."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Batches on their way through the stages."""
        return len(self._at_work)

    async def submit(self, item: Item, *, px: int, deadline_s: float) -> Result:
        """The item's result. An item whose caller leaves, or whose deadline comes first, is never begun.

        deadline_s: Unix time. Raises PhaseTimeout at the deadline, or before when it cannot be met; PhaseFailed, or
        the stages' own ColorMatchError, when this item alone cannot be served; PhaseLost when the device is lost.
        """
        if self._lost:
            raise _lost()
        now_s = self._clock()
        if deadline_s <= now_s:
            self.tally.expired += 1
            raise PhaseTimeout("The deadline had passed before the work began.")
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(item, px, deadline_s, now_s, answer)
        self._waiting[id(waiting)] = waiting
        self._fill()
        try:
            async with asyncio.timeout(deadline_s - now_s):
                return await answer
        except TimeoutError:
            self.tally.expired += 1
            raise PhaseTimeout("The deadline passed before the answer came.") from None
        except asyncio.CancelledError:
            self.tally.cancelled += 1
            raise
        finally:
            self._waiting.pop(id(waiting), None)

    def warm_up(self, batches: Iterable[Sequence[Item]]) -> None:
        """Sends batches through the stages, in their threads, and waits for each; raises what a stage raises."""
        for batch in batches:
            found: Any = batch
            for thread, stage in self._stages:
                found = thread.submit(stage, found).result()

    def check(self) -> None:
        """Raises PhaseLost when the device is lost or hangs."""
        if self._lost:
            raise _lost()
        if any(self._clock() - since_s > self.limits.stall_s for since_s in self._at_work.values()):
            raise PhaseLost("A batch does not come back from the device.")

    # --- forming ----------------------------------------------------------------------------------------------
    def _fill(self) -> None:
        while self._waiting and len(self._at_work) < self.limits.in_flight:
            batch = self._form()
            if batch:
                task = asyncio.get_running_loop().create_task(self._work(batch))
                self._at_work[task] = self._clock()

    def _form(self) -> list[_Waiting[Item, Result]]:
        """Takes the next batch out of those that wait, and those that it is too late for."""
        expected_s, px = self._expected_s(), 0
        batch: list[_Waiting[Item, Result]] = []
        for waiting in sorted(self._waiting.values(), key=lambda one: one.deadline_s):
            if waiting.answer.done() or self._too_late(waiting, expected_s):
                del self._waiting[id(waiting)]
                continue
            px += waiting.px
            if batch and (len(batch) >= self.limits.max_items or px > self.limits.max_px):
                break
            del self._waiting[id(waiting)]
            batch.append(waiting)
        return batch

    def _too_late(self, waiting: _Waiting[Item, Result], expected_s: float) -> bool:
        """Whether the item cannot be answered by its deadline if work on it begins now; it then has its error."""
        if waiting.deadline_s > self._clock() + expected_s:
            return False
        self.tally.expired += 1
        waiting.answer.set_exception(PhaseTimeout("The answer could not have come before the deadline."))
        return True

    def _expected_s(self) -> float:
        """What a batch takes: the median of the recent ones; 0 after a while without any, so that one is tried."""
        now_s = self._clock()
        return median([took_s for at_s, took_s in self._recent if now_s - at_s < RECENT_S] or [0.0])

    # --- working ----------------------------------------------------------------------------------------------
    async def _work(self, batch: list[_Waiting[Item, Result]]) -> None:
        await self._attempt(batch)
        task = asyncio.current_task()
        if task is not None:
            del self._at_work[task]
        self._fill()

    async def _attempt(self, batch: list[_Waiting[Item, Result]]) -> None:
        if self._lost:
            return _fail(batch, _lost())
        began_s = self._clock()
        try:
            linked = [waiting.traceparent for waiting in batch if waiting.traceparent]
            with tracing.continued("".join(linked[:1]), "batch", linked=linked, size=len(batch)):
                results = await self._through([waiting.item for waiting in batch])
            answers = list(zip(batch, results, strict=True))
        except Exception as error:
            trouble = self._judged(batch, error)
        else:
            return self._answer(answers, began_s)
        # Outside of the except: the error's frames would hold on to the batch's memory on the device.
        if trouble is not None:
            self.tally.failed += len(batch)
            return _fail(batch, trouble)
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            wanted = [waiting for waiting in half if not waiting.answer.done()]
            if wanted:
                await self._attempt(wanted)

    async def _through(self, items: list[Item]) -> Sequence[Result]:
        loop = asyncio.get_running_loop()
        found: Any = items
        for thread, stage in self._stages:
            found = await loop.run_in_executor(thread, stage, found)
        results: Sequence[Result] = found
        return results

    def _answer(self, answers: list[tuple[_Waiting[Item, Result], Result]], began_s: float) -> None:
        took_s = self._clock() - began_s
        self._recent.append((self._clock(), took_s))
        self.tally.batches += 1
        for waiting, result in answers:
            if not waiting.answer.done():
                waiting.answer.set_result(result)
        waited_s = tuple(began_s - waiting.since_s for waiting, _ in answers)
        self._observe(BatchReport(len(answers), sum(waiting.px for waiting, _ in answers), waited_s, took_s))

    def _judged(self, batch: list[_Waiting[Item, Result]], error: Exception) -> ColorMatchError | None:
        """What a batch's failure means for all of its items; None: halves of it may fare better."""
        if self._is_fatal(error):
            _log.error("The device is lost", exc_info=error)
            self._lose()
            return _lost()
        if len(batch) > 1:
            _log.warning("A batch of %d failed (%s); its halves are tried", len(batch), type(error).__name__)
            return None
        if isinstance(error, ColorMatchError):
            return error
        _log.error("An item failed alone", exc_info=error)
        return PhaseFailed("The photo could not be segmented.")

    def _lose(self) -> None:
        self._lost = True
        _fail(self._waiting.values(), _lost())
        self._waiting.clear()


def _lost() -> PhaseLost:
    return PhaseLost("The device of this replica is lost.")


def _fail(batch: Iterable[_Waiting[Any, Any]], error: ColorMatchError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(type(error)(error.detail))
