"""Tests the batcher with a fake device: when batches form, their sizes, dropped items and failures."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pipeline.errors import BadInput, InvalidOptions, PhaseFailed, PhaseLost, PhaseTimeout
from serve.replica.batcher import RECENT_S, Batcher, BatchLimits, BatchReport

# How long a test waits for what must happen; nothing here takes that long.
WAIT_S = 30.0
LATER_S = 3600.0


class Clock:
    """A clock that a test moves. It starts at the present time, because deadlines also run on the loop's clock."""

    def __init__(self) -> None:
        self.now_s = time.time()

    def __call__(self) -> float:
        return self.now_s


class Device:
    """A stage that doubles numbers, can fail, and can be held in the middle of its work."""

    def __init__(self, *, breaks: Callable[[list[int]], Exception | None] = lambda _items: None) -> None:
        self.batches: list[list[int]] = []
        self.held = threading.Event()
        self.held.set()
        self._breaks = breaks

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.held.wait(WAIT_S)
        error = self._breaks(items)
        if error is not None:
            raise error
        return [2 * item for item in items]


class Rig:
    """A batcher with one stage, and calls of it."""

    def __init__(self, device: Callable[[list[int]], Any], clock: Clock, **limits: Any) -> None:
        self.reports: list[BatchReport] = []
        self.batcher: Batcher[int, int] = Batcher(
            [device],
            BatchLimits(**{"max_items": 4, "max_px": 1000, **limits}),
            is_fatal=lambda error: isinstance(error, SystemError),
            clock=clock,
            observe=self.reports.append,
        )
        self._clock = clock

    def call(self, item: int, *, px: int = 1, left_s: float = LATER_S) -> "asyncio.Task[int]":
        """Submits an item."""
        deadline_s = self._clock.now_s + left_s
        return asyncio.ensure_future(self.batcher.submit(item, px=px, deadline_s=deadline_s))

    async def calls(self, *items: int, **how: Any) -> "list[asyncio.Task[int]]":
        """Submits items, and returns once they wait or are in flight."""
        tasks = [self.call(item, **how) for item in items]
        await asyncio.sleep(0)
        return tasks


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def device() -> Iterator[Device]:
    """A device that is released at the end of the test."""
    device = Device()
    yield device
    device.held.set()


async def outcomes(tasks: "Sequence[asyncio.Task[int]]") -> list[Any]:
    """The result of each call, or its error's class."""
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_S)
    return [type(one) if isinstance(one, BaseException) else one for one in found]


async def until(condition: Callable[[], object]) -> None:
    """Waits until a condition, which another thread fulfils, is true."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.001)


# --- forming --------------------------------------------------------------------------------------------------
async def test_an_item_starts_at_once_when_the_device_is_free(device: Device, clock: Clock) -> None:
    """There is no waiting window. A lone item is a batch, and items that arrive meanwhile form the next one."""
    device.held.clear()
    rig = Rig(device, clock)
    first = await rig.calls(1)
    await until(lambda: device.batches)
    rest = await rig.calls(2, 3, 4)
    assert (rig.batcher.queued, rig.batcher.in_flight) == (3, 1)
    device.held.set()
    assert await outcomes(first + rest) == [2, 4, 6, 8]
    assert device.batches == [[1], [2, 3, 4]]
    assert (rig.batcher.queued, rig.batcher.in_flight) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "px", "sizes"),
    [({"max_items": 3}, 1, [1, 3, 3, 1]), ({"max_px": 25}, 10, [1, 2, 2, 2, 1]), ({"max_px": 5}, 10, [1] * 8)],
)
async def test_a_batch_ends_when_a_limit_is_reached(
    device: Device, clock: Clock, limits: dict[str, int], px: int, sizes: list[int]
) -> None:
    """Batches respect the limits of items and pixels; an item above the limit of pixels goes alone."""
    device.held.clear()
    rig = Rig(device, clock, **{"max_items": 8, **limits})
    tasks = await rig.calls(*range(8), px=px)
    device.held.set()
    assert await outcomes(tasks) == [2 * k for k in range(8)]
    assert [len(batch) for batch in device.batches] == sizes


async def test_the_most_urgent_goes_first_when_several_wait(device: Device, clock: Clock) -> None:
    """Waiting items are taken by deadline, not by arrival."""
    device.held.clear()
    rig = Rig(device, clock, max_items=1)
    first = await rig.calls(0)
    tasks = [rig.call(item, left_s=1000 + left_s) for item, left_s in ((1, 300), (2, 100), (3, 200))]
    await asyncio.sleep(0)
    device.held.set()
    await outcomes(first + tasks)
    assert device.batches == [[0], [2], [3], [1]]


async def test_limits_apply_to_the_next_batch_when_they_change(device: Device, clock: Clock) -> None:
    """New limits apply at once, also to waiting items."""
    device.held.clear()
    rig = Rig(device, clock, max_items=1)
    tasks = await rig.calls(1, 2, 3)
    rig.batcher.limits = BatchLimits(max_items=2, max_px=1000)
    device.held.set()
    await outcomes(tasks)
    assert device.batches == [[1], [2, 3]]


async def test_stages_overlap_when_two_batches_are_in_flight() -> None:
    """While the second stage has one batch, the first has the next; every stage sees the batches in order."""
    log: list[tuple[str, list[int]]] = []
    second_works, first_works_again = threading.Event(), threading.Event()

    def copy(items: list[int]) -> list[int]:
        log.append(("copy", items))
        if items == [2]:
            assert second_works.wait(WAIT_S)
            first_works_again.set()
        return items

    def forward(items: list[int]) -> list[int]:
        log.append(("forward", items))
        if items == [1]:
            second_works.set()
            # This only returns if the stages overlap.
            assert first_works_again.wait(WAIT_S)
        return items

    batcher: Batcher[int, int] = Batcher([copy, forward], BatchLimits(max_items=1, max_px=9, in_flight=2))
    calls = [asyncio.ensure_future(batcher.submit(k, px=1, deadline_s=time.time() + LATER_S)) for k in (1, 2, 3)]
    assert await outcomes(calls) == [1, 2, 3]
    assert [items for stage, items in log if stage == "copy"] == [[1], [2], [3]]
    assert [items for stage, items in log if stage == "forward"] == [[1], [2], [3]]


# --- dropping -------------------------------------------------------------------------------------------------
async def test_an_item_is_never_started_when_its_deadline_has_passed(device: Device, clock: Clock) -> None:
    """An expired item is refused on arrival and in the queue; its neighbours are served."""
    device.held.clear()
    rig = Rig(device, clock)
    late = await rig.calls(9, left_s=0)
    first = await rig.calls(1)
    waiting = await rig.calls(2, left_s=LATER_S + 50) + await rig.calls(3, left_s=3 * LATER_S)
    clock.now_s += LATER_S + 100
    device.held.set()
    assert await outcomes(late + first + waiting) == [PhaseTimeout, 2, PhaseTimeout, 6]
    assert device.batches == [[1], [3]]
    assert rig.batcher.tally.expired == 2


async def test_a_caller_is_released_at_its_deadline_when_the_device_hangs(device: Device) -> None:
    """A call ends at its deadline, in a batch as well as in the queue."""
    device.held.clear()
    batcher: Batcher[int, int] = Batcher([device], BatchLimits(max_items=1, max_px=9))
    calls = [asyncio.ensure_future(batcher.submit(k, px=1, deadline_s=time.time() + 0.05)) for k in (1, 2)]
    assert await outcomes(calls) == [PhaseTimeout, PhaseTimeout]
    await until(lambda: device.batches)
    assert device.batches == [[1]]
    assert batcher.queued == 0


async def test_an_item_is_never_started_when_its_caller_left(device: Device, clock: Clock) -> None:
    """A cancelled item leaves the queue at once; in a batch it is dropped and its neighbours get their answers."""
    device.held.clear()
    rig = Rig(device, clock)
    first = await rig.calls(0)
    tasks = await rig.calls(1, 2, 3)
    tasks[1].cancel()
    await asyncio.wait({tasks[1]})
    assert rig.batcher.queued == 2
    device.held.set()
    await outcomes(first + tasks)
    assert device.batches == [[0], [1, 3]]
    device.held.clear()
    at_work = await rig.calls(4) + await rig.calls(5)
    await until(lambda: len(device.batches) == 3)
    at_work[0].cancel()
    device.held.set()
    assert await outcomes(at_work) == [asyncio.CancelledError, 10]
    assert rig.batcher.tally.cancelled == 2


async def test_an_item_is_refused_when_it_could_not_be_ready_in_time(clock: Clock) -> None:
    """Work that would be late is not started. After a pause, the device is tried again."""

    def slow(items: list[int]) -> list[int]:
        clock.now_s += 10
        return items

    rig = Rig(slow, clock)
    assert await outcomes([rig.call(1)]) == [1]
    assert await outcomes([rig.call(2, left_s=9), rig.call(3, left_s=11)]) == [PhaseTimeout, 3]
    clock.now_s += RECENT_S
    assert await outcomes([rig.call(4, left_s=9)]) == [4]


# --- failing --------------------------------------------------------------------------------------------------
async def test_one_item_fails_alone_when_it_breaks_a_batch_of_eight(clock: Clock) -> None:
    """The item that breaks a batch gets its own error; its seven neighbours are served."""
    device = Device(breaks=lambda items: ValueError("poison") if 5 in items else None)
    device.held.clear()
    rig = Rig(device, clock, max_items=8)
    first = await rig.calls(100)
    tasks = await rig.calls(*range(8))
    device.held.set()
    assert await outcomes(first + tasks) == [200, 0, 2, 4, 6, 8, PhaseFailed, 12, 14]
    assert device.batches[1:] == [[*range(8)], [0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4], [5], [6, 7]]
    assert rig.batcher.tally.failed == 1
    rig.batcher.check()


async def test_an_items_own_error_arrives_when_a_stage_raises_it(clock: Clock) -> None:
    """A ColorMatchError keeps its class and detail; the text of any other error stays hidden."""
    device = Device(breaks=lambda items: InvalidOptions("too odd") if 1 in items else KeyError("/secret"))
    found = await asyncio.gather(*await Rig(device, clock).calls(1), return_exceptions=True)
    assert isinstance(found[0], BadInput)
    assert found[0].detail == "too odd"
    found = await asyncio.gather(*await Rig(device, clock).calls(2), return_exceptions=True)
    assert isinstance(found[0], PhaseFailed)
    assert "secret" not in found[0].detail


async def test_a_batch_is_halved_when_it_does_not_fit_into_memory(clock: Clock) -> None:
    """All eight items get their answers from smaller batches, and the device stays usable."""
    device = Device(breaks=lambda items: MemoryError() if len(items) > 2 else None)
    device.held.clear()
    rig = Rig(device, clock, max_items=8)
    tasks = await rig.calls(0) + await rig.calls(*range(1, 9))
    device.held.set()
    assert await outcomes(tasks) == [2 * k for k in range(9)]
    assert [len(batch) for batch in device.batches] == [1, 8, 4, 2, 2, 4, 2, 2]
    rig.batcher.check()


async def test_a_halved_batch_omits_items_whose_callers_left(clock: Clock) -> None:
    """A retry omits items whose callers have left."""
    left = threading.Event()

    def breaks(items: list[int]) -> Exception | None:
        return MemoryError() if len(items) > 2 and left.wait(WAIT_S) else None

    device = Device(breaks=breaks)
    device.held.clear()
    rig = Rig(device, clock)
    tasks = await rig.calls(0) + await rig.calls(1, 2, 3, 4)
    device.held.set()
    await until(lambda: len(device.batches) == 2)
    tasks[2].cancel()
    await asyncio.sleep(0)
    left.set()
    assert await outcomes(tasks) == [0, 2, asyncio.CancelledError, 6, 8]
    assert device.batches == [[0], [1, 2, 3, 4], [1], [3, 4]]


async def test_a_stage_fails_when_it_gives_the_wrong_number_of_results(clock: Clock) -> None:
    """A stage that gives fewer results than items cannot give one item another's."""
    rig = Rig(lambda _items: [7], clock)
    assert await outcomes([rig.call(1)]) == [7]
    broken = Rig(lambda _items: [7, 7], clock)
    assert await outcomes(await broken.calls(1)) == [PhaseFailed]


async def test_the_device_is_lost_when_an_error_is_fatal(clock: Clock) -> None:
    """Every present, waiting and later call gets PhaseLost, and so does the health check."""
    device = Device(breaks=lambda items: SystemError("illegal address") if 1 in items else None)
    device.held.clear()
    rig = Rig(device, clock, max_items=2)
    tasks = await rig.calls(1, 2, 3)
    rig.batcher.check()
    device.held.set()
    assert await outcomes(tasks) == [PhaseLost] * 3
    assert await outcomes(await rig.calls(4)) == [PhaseLost]
    assert device.batches == [[1]]
    with pytest.raises(PhaseLost, match="device of this replica is lost"):
        rig.batcher.check()


async def test_the_health_check_fails_when_a_batch_does_not_come_back(device: Device, clock: Clock) -> None:
    """A hanging device is unhealthy after the limit, and healthy again when the batch finishes."""
    device.held.clear()
    rig = Rig(device, clock, stall_s=30.0)
    tasks = await rig.calls(1)
    clock.now_s += 30
    rig.batcher.check()
    clock.now_s += 1
    with pytest.raises(PhaseLost, match="does not come back"):
        rig.batcher.check()
    device.held.set()
    await outcomes(tasks)
    rig.batcher.check()


# --- seeing ---------------------------------------------------------------------------------------------------
async def test_a_report_has_sizes_and_waits_when_a_batch_ends(device: Device, clock: Clock) -> None:
    """The report has the items, the pixels, each item's wait and the batch's time."""
    device.held.clear()
    rig = Rig(device, clock)
    first = await rig.calls(1, px=5)
    second = await rig.calls(2, px=7)
    clock.now_s += 2
    second += await rig.calls(3, px=8)
    clock.now_s += 1
    device.held.set()
    await outcomes(first + second)
    assert [(report.items, report.px) for report in rig.reports] == [(1, 5), (2, 15)]
    assert rig.reports[0].took_s == pytest.approx(3)
    assert rig.reports[1].waited_s == pytest.approx((3, 1))


def test_every_stage_is_warm_after_a_warm_up() -> None:
    """A warm-up goes through all stages in their own threads, and a stage's error is the caller's."""
    threads: list[str] = []

    def stage(items: list[int]) -> list[int]:
        threads.append(threading.current_thread().name)
        if not items:
            raise MemoryError
        return items

    batcher: Batcher[int, int] = Batcher([stage, stage], BatchLimits(max_items=4, max_px=9))
    batcher.warm_up([[1], [1, 2]])
    assert threads == ["stage-0_0", "stage-1_0"] * 2
    with pytest.raises(MemoryError):
        batcher.warm_up([[]])
