"""Tests how the concurrency limit adapts and how its queue behaves, on a simulated machine."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from pipeline.errors import Overloaded
from serve.walk.admission import BURST, LEAST, STANDING_S, START, STRAINED, Admission

PLENTY = 1000


async def work_round(admission: Admission, *, photo_s: float, budget_s: float, offered: int = PLENTY) -> int:
    """Admits as many photos as the limit allows, on a device that serves one at a time. Gives their number."""
    async with AsyncExitStack() as photos:
        came = 0
        while came < offered:
            try:
                slot = await photos.enter_async_context(admission.slot(within_s=0))
            except Overloaded:
                break
            came += 1
            slot.record(came * photo_s, budget_s)
    return came


@pytest.mark.parametrize("photo_s", [0.01, 0.05, 0.15, 0.25])
async def test_photos_take_half_their_budget_when_a_machine_is_flooded(photo_s: float) -> None:
    """Whatever a photo costs, the last one of a round takes about half of its budget and never much more."""
    admission = Admission(PLENTY)
    rounds = [await work_round(admission, photo_s=photo_s, budget_s=1.2) for _ in range(400)][200:]
    assert max(rounds) * photo_s <= 1.2 * STRAINED + 2 * photo_s
    assert min(rounds) * photo_s >= 1.2 * STRAINED * 0.7 or min(rounds) == LEAST


async def test_the_limit_stops_at_the_configured_one_when_nothing_is_late() -> None:
    """max_photos_in_flight is the upper bound, and its changes apply at once."""
    admission = Admission(12)
    for _ in range(400):
        await work_round(admission, photo_s=0.001, budget_s=1.2)
    assert admission.limit == 12
    admission.most = 3
    assert admission.limit == await work_round(admission, photo_s=0.001, budget_s=1.2) == 3


async def test_the_limit_stays_when_photos_come_one_by_one() -> None:
    """Photos that come one by one do not raise the limit."""
    admission = Admission(PLENTY)
    for _ in range(400):
        await work_round(admission, photo_s=0.01, budget_s=1.2, offered=1)
    assert admission.limit == START


async def test_the_limit_falls_once_when_photos_are_late_together() -> None:
    """One stall lowers the limit once, however many photos it delays."""
    admission = Admission(PLENTY)
    await work_round(admission, photo_s=1.0, budget_s=1.0)
    assert admission.limit == int(START * 0.8)


async def test_the_limit_stays_at_two_when_everything_is_late() -> None:
    """The limit never falls below two, because without photos it could learn nothing."""
    admission = Admission(PLENTY)
    for _ in range(100):
        await work_round(admission, photo_s=9.0, budget_s=1.0)
    assert admission.limit == LEAST


async def test_photos_queue_when_no_slot_is_free() -> None:
    """A full queue refuses photos. A slot is free again after its photo, even after an error."""
    admission, order = Admission(1), list[int]()

    async def photo(number: int) -> None:
        async with admission.slot(within_s=60):
            order.append(number)

    async with admission.slot(within_s=0):
        waiting = [asyncio.create_task(photo(number)) for number in range(BURST)]
        await asyncio.sleep(0)
        for _ in range(2):
            with pytest.raises(Overloaded, match="1 photos are being worked on"):
                await photo(99)
        with pytest.raises(Overloaded):
            admission.check()
        assert order == []
    await asyncio.gather(*waiting)
    with pytest.raises(ZeroDivisionError):
        async with admission.slot(within_s=0):
            raise ZeroDivisionError
    await photo(BURST)
    assert order == [*range(BURST), BURST]


async def test_the_queue_is_short_when_it_is_old() -> None:
    """A burst may queue. Under lasting overload, the queue is short and refuses the rest at once."""
    now_s = 0.0
    admission = Admission(2, clock=lambda: now_s)
    async with admission.slot(within_s=0), admission.slot(within_s=0):
        burst = [asyncio.create_task(_refused(admission, within_s=0.1)) for _ in range(BURST - 1)]
        await asyncio.sleep(0)
        admission.check()
        now_s += STANDING_S + 0.1
        with pytest.raises(Overloaded):
            admission.check()
        await asyncio.gather(*burst)
        # The queue is empty, so the next one is new.
        admission.check()
        again = [asyncio.create_task(_refused(admission, within_s=0.01)) for _ in range(BURST)]
        await asyncio.sleep(0)
        assert len(admission._queue) == BURST
        await asyncio.gather(*again)


async def test_photos_wait_for_a_short_time_when_the_queue_is_old() -> None:
    """A photo that joins an old queue gives up before those that joined a new one."""
    now_s, left = 0.0, list[str]()
    admission = Admission(2, clock=lambda: now_s)

    async def photo(name: str) -> None:
        await _refused(admission, within_s=1.0)
        left.append(name)

    async with admission.slot(within_s=0), admission.slot(within_s=0):
        waiting = [asyncio.create_task(photo("burst"))]
        await asyncio.sleep(0)
        now_s += STANDING_S + 0.1
        waiting.append(asyncio.create_task(photo("late")))
        await asyncio.gather(*waiting)
    assert left == ["late", "burst"]


async def _refused(admission: Admission, *, within_s: float) -> None:
    with pytest.raises(Overloaded):
        async with admission.slot(within_s=within_s):
            raise AssertionError("no slot came free")


async def test_a_photo_leaves_the_queue_when_it_waited_long_enough() -> None:
    """The photo is then refused and does not block others."""
    admission = Admission(1)
    async with admission.slot(within_s=0):
        with pytest.raises(Overloaded):
            async with admission.slot(within_s=0.01):
                raise AssertionError("no slot came free")
    async with admission.slot(within_s=0):
        assert admission._taken == 1


@pytest.mark.parametrize("called", [False, True], ids=["waiting", "called in the same moment"])
async def test_no_slot_is_lost_when_a_caller_leaves(called: bool) -> None:
    """A caller that leaves the queue passes on the slot that it may have received in that moment."""
    admission = Admission(1)

    async def photo() -> None:
        async with admission.slot(within_s=60):
            pass

    async with admission.slot(within_s=0):
        leaving = asyncio.create_task(photo())
        await asyncio.sleep(0)
        if not called:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (admission._taken, len(admission._queue)) == (0, 0)
    await photo()
