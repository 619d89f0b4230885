"""Forms batches for one device, each at the moment the device is free for it."""

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
# Taste: the batches whose median time predicts the next batch's.
RECENT_BATCHES, RECENT_S = 8, 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much goes to the device at once.

    max_items, max_px: the largest batch; an item larger than max_px goes alone. in_flight: batches between the first
    stage and the last. stall_s: a batch that takes longer means that the device hangs.
    """

    max_items: int
    max_px: int
    in_flight: int = 1
    stall_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A finished batch: its items, their pixels, how long each item waited, and how long the batch took."""

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
    """Gives a device whatever waits as soon as there is room, the earliest deadline first.

    A batch that fails is halved and tried again, so that an item which breaks it fails alone, and a batch that is too
    large for the device's memory still succeeds.
    stages: the first takes the list of items, each following one the previous result, and the last returns the results
    in the items' order. Each stage has its own thread, so stages of successive batches overlap, and each stage sees the
    batches in order. is_fatal: whether an error means that the device is unusable. clock: Unix time, s. observe: called
    with every finished batch.
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
        # The limits may be replaced at any time; batches in flight keep theirs.
        self.limits = limits
        self.tally = Tally()
        self._stages = [(ThreadPoolExecutor(1, f"stage-{k}"), stage) for k, stage in enumerate(stages)]
        self._is_fatal = is_fatal
        self._clock = clock
        self._observe = observe
        self._waiting: dict[int, _Waiting[Item, Result]] = {}
        # When each batch in flight began.
        self._at_work: dict[asyncio.Task[None], float] = {}
        # When each recent batch finished, and how long it took.
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_BATCHES)
        self._lost = False

    @property
    def queued(self) -> int:
        """The number of items that wait for a batch."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """The number of batches between the first stage and the last."""
        return len(self._at_work)

    async def submit(self, item: Item, *, px: int, deadline_s: float) -> Result:
        """The item's result. An item whose caller leaves, or whose deadline comes first, is not started.

        deadline_s: Unix time. Raises PhaseTimeout at the deadline, or earlier when it cannot be met; PhaseFailed, or
        a stage's own ColorMatchError, when this item alone fails; PhaseLost when the device is lost.
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
        """Sends batches through the stages in their threads and waits for each. Raises what a stage raises."""
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
        """Removes the next batch from the queue, and every item that can no longer meet its deadline."""
        expected_s, px = self._expected_s(), 0
        batch: list[_Waiting[Item, Result]] = []
        for waiting in sorted(self._waiting.values(), key=lambda item: item.deadline_s):
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
        """Whether an item cannot meet its deadline even when it starts now; such an item gets its error here."""
        if waiting.deadline_s > self._clock() + expected_s:
            return False
        self.tally.expired += 1
        waiting.answer.set_exception(PhaseTimeout("The answer could not have come before the deadline."))
        return True

    def _expected_s(self) -> float:
        """The expected time of a batch: the median of recent ones, or 0 after a pause, so that one is tried again."""
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
            failure = self._failure_of(batch, error)
        else:
            return self._answer(answers, began_s)
        # This is outside of the except clause, because the error's frames hold the batch's memory on the device.
        if failure is not None:
            self.tally.failed += len(batch)
            return _fail(batch, failure)
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

    def _failure_of(self, batch: list[_Waiting[Item, Result]], error: Exception) -> ColorMatchError | None:
        """The error that all items of a failed batch get, or None when its halves should be tried."""
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
