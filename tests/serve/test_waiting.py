"""Tests waiting with a timeout on a blocked event loop."""

import asyncio
import os
import time

import pytest

from serve.waiting import answered, ended

TIMEOUT_S = 0.02


async def test_work_has_ended_when_it_ends_in_time() -> None:
    """Work that ends within the timeout has ended."""
    assert await ended(asyncio.ensure_future(asyncio.sleep(0)), 5.0)


@pytest.mark.parametrize("timeout_s", [TIMEOUT_S, 0.0, -1.0])
async def test_work_goes_on_when_it_does_not_end_in_time(timeout_s: float) -> None:
    """A timeout does not cancel the work, and an idle loop keeps to the timeout."""
    work, began_s = asyncio.ensure_future(asyncio.sleep(3600)), time.perf_counter()
    assert not await ended(work, timeout_s)
    assert time.perf_counter() - began_s < TIMEOUT_S + 1.0
    assert not work.cancelled()
    work.cancel()


async def test_a_ready_answer_is_read_when_the_loop_was_blocked() -> None:
    """An answer that arrived in time is read, although the blocked loop runs the timer first."""
    loop, (readable, writable) = asyncio.get_running_loop(), os.pipe()
    ready: asyncio.Future[bytes] = loop.create_future()

    def come_ready() -> None:
        loop.remove_reader(readable)
        ready.set_result(os.read(readable, 5))

    loop.add_reader(readable, come_ready)

    async def read() -> bytes:
        answer = await ready
        # A parser, a connection and a pool take one iteration each.
        for _ in range(3):
            await asyncio.sleep(0)
        return answer

    work = asyncio.ensure_future(read())
    loop.call_soon(os.write, writable, b"value")
    loop.call_soon(time.sleep, 3 * TIMEOUT_S)
    assert await ended(work, TIMEOUT_S)
    assert work.result() == b"value"
    os.close(readable)
    os.close(writable)


async def test_an_answer_is_waited_for_when_the_loop_was_blocked_meanwhile() -> None:
    """A pause of the loop beyond the timeout takes only a part of it, so the store still has most of its time."""
    loop, timeout_s = asyncio.get_running_loop(), 0.2
    answer: asyncio.Future[None] = loop.create_future()
    loop.call_soon(time.sleep, 3 * timeout_s)
    loop.call_later(3.5 * timeout_s, answer.set_result, None)
    assert await answered(answer, timeout_s)


async def test_a_silent_store_is_given_up_when_its_time_is_over() -> None:
    """An idle loop keeps to the timeout."""
    loop = asyncio.get_running_loop()
    silent: asyncio.Future[None] = loop.create_future()
    began_s = time.perf_counter()
    assert not await answered(silent, TIMEOUT_S)
    assert TIMEOUT_S <= time.perf_counter() - began_s < TIMEOUT_S + 1.0
