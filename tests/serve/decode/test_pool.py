"""Tests the decode pool with real processes: what files and signals do to workers and to other callers."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import pytest_asyncio

from pipeline.errors import (
    ColorMatchError,
    ImageAnimated,
    ImageAspect,
    ImageBomb,
    ImageTooComplex,
    ImageTooSmall,
    ImageTruncated,
    ImageUndecodable,
    MaskEmpty,
    MaskInvalid,
    Overloaded,
    PhaseFailed,
    TooLarge,
    UnsupportedMedia,
)
from pipeline.image.decode import decode_image
from pipeline.image.limits import ImageLimits
from serve.decode.pool import DecodePool, too_late
from tests.pipeline.pictures import png
from tests.serve.application import animated_webp, encoded, mask_bytes, photo_bytes
from tests.serve.fakes import painted, until

# A budget that a loaded machine does not overrun.
PATIENCE_S = 30.0
MIB = 1024**2
VAST = ImageLimits(max_pixels_other=500_000_000)
MakePool = Callable[..., Awaitable[DecodePool]]


@pytest_asyncio.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """Starts pools, and closes them at the end of the test."""
    made: list[DecodePool] = []

    async def make(workers: int, **arguments: Any) -> DecodePool:
        pool = DecodePool(workers=workers, **arguments)
        await pool.start()
        pool._more_wanted.set()
        made.append(pool)
        await _whole(pool, workers)
        return pool

    yield make
    for pool in made:
        await pool.close()


@pytest_asyncio.fixture
async def pool(make_pool: MakePool) -> DecodePool:
    """A pool of two workers."""
    return await make_pool(2)


@pytest_asyncio.fixture
async def single(make_pool: MakePool) -> DecodePool:
    """A pool of one worker."""
    return await make_pool(1)


def _pids(pool: DecodePool) -> list[int]:
    return [worker.pid for worker in pool._live]


async def _busy(pool: DecodePool, workers: int = 1) -> None:
    """Waits until this many workers have a request."""
    await until(lambda: len(pool._exchanges) == workers)


async def _whole(pool: DecodePool, workers: int) -> None:
    """Waits until the pool has this many workers, all idle."""
    await until(lambda: len(pool._idle) == len(pool._live) == workers)


def _stop(pool: DecodePool) -> None:
    for pid in _pids(pool):
        os.kill(pid, signal.SIGSTOP)


def _end(pid: int, by: signal.Signals) -> None:
    os.kill(pid, by)
    # A stopped process handles a signal only after SIGCONT, unless it is SIGKILL.
    os.kill(pid, signal.SIGCONT)


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# --- files ----------------------------------------------------------------------------------------------------
async def test_a_worker_gives_what_the_pure_function_gives(single: DecodePool) -> None:
    """Pixels, sizes, mask and the network's image equal those of the pure function."""
    found = await single.decode(photo_bytes(), mask=mask_bytes(), network_px=(24, 32), budget_s=PATIENCE_S)
    expected = decode_image(photo_bytes(), network_px=(24, 32))
    assert np.array_equal(found.pixels, expected.pixels)
    assert found.network is not None
    assert expected.network is not None
    assert np.array_equal(found.network, expected.network)
    assert (found.width, found.height) == (64, 96)
    assert found.mask is not None
    assert found.mask.dtype == np.bool_
    assert np.array_equal(found.mask, painted()[..., 0] < 90)


BAD_FILES: dict[str, tuple[Callable[[], bytes], type[ColorMatchError]]] = {
    "nothing": (lambda: b"", UnsupportedMedia),
    "text": (lambda: b"Not a photo.", UnsupportedMedia),
    "truncated": (lambda: photo_bytes()[:-60], ImageTruncated),
    "damaged": (lambda: photo_bytes()[:60] + bytes(200) + photo_bytes()[60:], ImageUndecodable),
    "animated": (animated_webp, ImageAnimated),
    "small": (lambda: encoded(painted()[:3, :3]), ImageTooSmall),
    "thin": (lambda: encoded(np.zeros((8, 408, 3), np.uint8)), ImageAspect),
    "bomb": (lambda: png((60_000, 60_000), 8, 2, bytes(64)), ImageBomb),
    "too many pixels": (lambda: encoded(np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8)), TooLarge),
}  # fmt: skip


async def test_each_bad_file_has_its_error_when_workers_read_it(make_pool: MakePool) -> None:
    """Each fault of a file has its own error, and the same worker serves on after each."""
    pool = await make_pool(1, limits=ImageLimits(max_pixels_other=10_000))
    (pid,) = _pids(pool)
    for name, (file, kind) in BAD_FILES.items():
        with pytest.raises(ColorMatchError) as caught:
            await pool.decode(file(), budget_s=PATIENCE_S)
        assert type(caught.value) is kind, name
        assert caught.value.detail
    for mask, kind in ((b"", MaskInvalid), (encoded(np.zeros((96, 64), np.uint8)), MaskEmpty)):
        with pytest.raises(kind):
            await pool.decode(photo_bytes(), mask=mask, budget_s=PATIENCE_S)
    assert (await pool.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64
    assert _pids(pool) == [pid]


@cache
def _blank_png(width_px: int, height_px: int) -> bytes:
    """A large black PNG, made row by row."""
    deflate = zlib.compressobj(1)
    row = bytes(1 + 3 * width_px)
    pixels = b"".join(deflate.compress(row) for _ in range(height_px)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


async def test_a_file_that_needs_too_much_memory_is_refused_when_decoded(make_pool: MakePool) -> None:
    """A photo that needs more memory than a worker has is too complex. The service itself does not grow."""
    pool = await make_pool(1, memory_bytes=400 * MIB, limits=VAST)
    # Pillow needs 400 MB for it.
    file = _blank_png(10_000, 10_000)
    before = psutil.Process().memory_info().rss
    with pytest.raises(ImageTooComplex, match="more memory"):
        await pool.decode(file, budget_s=PATIENCE_S)
    assert psutil.Process().memory_info().rss - before < 32 * MIB
    assert (await pool.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64


async def test_every_photo_is_decoded_when_workers_are_few(pool: DecodePool) -> None:
    """Fifty photos at once queue for two workers, and each gets its own pixels."""
    files = [encoded(np.full((8, 8, 3), k, np.uint8)) for k in range(50)]
    found = await asyncio.gather(*(pool.decode(file, budget_s=PATIENCE_S) for file in files))
    assert [int(image.pixels[0, 0, 0]) for image in found] == list(range(50))
    await _whole(pool, 2)


# --- deaths ---------------------------------------------------------------------------------------------------
async def test_another_worker_decodes_when_the_first_is_killed(single: DecodePool) -> None:
    """A kill -9 during a decode costs a worker, not the answer."""
    (pid,) = _pids(single)
    _stop(single)
    asked = asyncio.create_task(single.decode(photo_bytes(), budget_s=PATIENCE_S))
    await _busy(single)
    os.kill(pid, signal.SIGKILL)
    assert (await asked).width == 64
    assert _pids(single) != [pid]


async def test_a_worker_is_replaced_when_it_is_killed_idle(pool: DecodePool) -> None:
    """The pool replaces workers that die while idle."""
    pids = _pids(pool)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not set(pids) & set(_pids(pool)))
    await _whole(pool, 2)
    assert (await pool.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64


async def test_a_dead_worker_is_not_offered_when_it_dies_before_its_return(single: DecodePool) -> None:
    """A worker that dies between its answer and its return does not become idle again."""
    (worker,) = single._live
    single._idle.clear()
    os.kill(worker.pid, signal.SIGKILL)
    await worker.gone.wait()
    single._offer(worker)
    assert worker not in single._idle
    assert (await single.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64


@pytest.mark.parametrize(
    ("by", "kind"),
    [(signal.SIGKILL, PhaseFailed), (signal.SIGSEGV, ImageUndecodable), (signal.SIGABRT, ImageUndecodable)],
)
async def test_a_photo_is_given_up_when_it_costs_two_workers(
    make_pool: MakePool, by: signal.Signals, kind: type[ColorMatchError]
) -> None:
    """Two crashes are the file's fault, and two kills are ours. The pool risks no third worker, and recovers."""
    single = await make_pool(1, limits=VAST)
    (first,) = _pids(single)
    os.kill(first, signal.SIGSTOP)
    # Its decoding takes long enough to be stopped in between.
    slow = _blank_png(10_000, 10_000)
    asked = asyncio.create_task(single.decode(slow, budget_s=PATIENCE_S))
    await _busy(single)
    _end(first, by)
    await until(lambda: len(single._live) == 1 and first not in _pids(single))
    (second,) = _pids(single)
    os.kill(second, signal.SIGSTOP)
    await _busy(single)
    _end(second, by)
    with pytest.raises(kind):
        await asked
    assert (await single.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64


# --- time -----------------------------------------------------------------------------------------------------
async def test_the_server_is_busy_when_a_worker_gets_no_cpu(pool: DecodePool) -> None:
    """A worker that overran without CPU is killed and replaced, and its file is not blamed. The other serves on."""
    # The pool takes this worker next.
    stuck = pool._idle[-1].pid
    os.kill(stuck, signal.SIGSTOP)
    late = asyncio.create_task(pool.decode(photo_bytes(), budget_s=0.5))
    await _busy(pool)
    assert (await pool.decode(photo_bytes(), budget_s=PATIENCE_S)).width == 64
    assert not late.done()
    since_s = time.perf_counter()
    with pytest.raises(Overloaded, match="too busy to decode"):
        await late
    assert time.perf_counter() - since_s < 5
    await until(lambda: _gone(stuck))
    await _whole(pool, 2)
    assert stuck not in _pids(pool)


async def test_the_server_is_busy_when_no_worker_comes_free(single: DecodePool) -> None:
    """Waiting for a worker is the service's fault, not the file's."""
    _stop(single)
    first = asyncio.create_task(single.decode(photo_bytes(), budget_s=1.0))
    await _busy(single)
    with pytest.raises(Overloaded):
        await single.decode(photo_bytes(), budget_s=0.05)
    with pytest.raises(Overloaded):
        await first


def test_a_photo_is_too_complex_when_it_used_half_its_budget() -> None:
    """The CPU time of the worker decides, because a busy machine is no reason to refuse a photo for good."""
    assert isinstance(too_late(0.4, worked_s=0.19), Overloaded)
    assert isinstance(complex_one := too_late(0.4, worked_s=0.2), ImageTooComplex)
    assert complex_one.detail.startswith("The image takes longer to decode than the 400 ms allowed. Scale")


async def test_the_cpu_time_of_a_worker_is_known_when_it_decodes(single: DecodePool) -> None:
    """The CPU time grows with the work, and that of a dead worker is 0."""
    (worker,) = single._live
    before_s = worker.cpu_s()
    while worker.cpu_s() == before_s:
        await single.decode(photo_bytes(), budget_s=PATIENCE_S)
    worker.kill()
    await worker.gone.wait()
    await until(lambda: worker.cpu_s() == 0)


@pytest.mark.parametrize("budget_s", [0.0, -1.0])
async def test_nothing_is_decoded_when_no_time_is_left(single: DecodePool, budget_s: float) -> None:
    """Without time left, no worker gets the request."""
    with pytest.raises(Overloaded):
        await single.decode(photo_bytes(), budget_s=budget_s)
    assert len(single._idle) == 1


async def test_no_worker_is_lost_when_callers_leave(single: DecodePool) -> None:
    """A caller that leaves, queued or served, does not cost a worker. The pool drops its answer."""
    (pid,) = _pids(single)
    _stop(single)
    asked = [asyncio.create_task(single.decode(photo_bytes(), budget_s=PATIENCE_S)) for _ in range(5)]
    await _busy(single)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    os.kill(pid, signal.SIGCONT)
    await _whole(single, 1)
    assert _pids(single) == [pid]
    assert (await single.decode(encoded(painted()[:40]), budget_s=PATIENCE_S)).height == 40


# --- the end --------------------------------------------------------------------------------------------------
async def test_nothing_is_left_when_the_pool_closes() -> None:
    """Closing ends every worker, idle or busy. Callers that wait or come later get Overloaded."""
    pool = DecodePool(workers=2)
    await pool.start()
    pool._more_wanted.set()
    await _whole(pool, 2)
    pids = _pids(pool)
    _stop(pool)
    asked = [asyncio.create_task(pool.decode(photo_bytes(), budget_s=PATIENCE_S)) for _ in range(4)]
    await _busy(pool, 2)
    await pool.close()
    assert all(_gone(pid) for pid in pids)
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in found} <= {Overloaded, PhaseFailed}
    with pytest.raises(Overloaded):
        await pool.decode(photo_bytes(), budget_s=PATIENCE_S)
    assert not [child for child in psutil.Process().children() if child.pid in pids]


def test_workers_die_when_their_service_is_killed() -> None:
    """A kill -9 of the service leaves no worker behind, not even a busy one."""
    script = (
        "import asyncio\n"
        "from serve.decode.pool import DecodePool\n"
        "async def main():\n"
        "    pool = DecodePool(workers=2)\n"
        "    await pool.start()\n"
        "    pool._more_wanted.set()\n"
        "    while len(pool._live) < 2: await asyncio.sleep(0.01)\n"
        "    print(*(worker.pid for worker in pool._live), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    service = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root)
    assert service.stdout is not None
    pids = [int(pid) for pid in service.stdout.readline().split()]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    service.kill()
    service.wait()
    service.stdout.close()
    until_s = time.monotonic() + 10
    while not all(_gone(pid) for pid in pids):
        assert time.monotonic() < until_s
