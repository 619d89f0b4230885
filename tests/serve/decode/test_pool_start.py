"""Tests the start of the decode pool, and what its workers can reach, with real processes."""

import asyncio
import sys

import psutil
import pytest

from pipeline.errors import PhaseFailed
from pipeline.image.child import DECODED, REFUSED, read_answer
from pipeline.image.limits import ImageLimits
from serve.decode.pool import DecodePool
from serve.decode.process import Worker
from tests.serve.application import encoded
from tests.serve.fakes import painted

# A budget that a loaded machine does not overrun.
PATIENCE_S = 30.0
MIB = 1024**2


async def test_the_pool_serves_when_its_first_worker_is_warm() -> None:
    """The others start when two photos come at once, and a close meanwhile leaves nothing behind."""
    before = {child.pid for child in psutil.Process().children()}
    pool = DecodePool(workers=3)
    await pool.start()
    try:
        assert len(pool._live) == 1
        assert (await pool.decode(encoded(painted()[:40]), budget_s=PATIENCE_S)).height == 40
        assert len({child.pid for child in psutil.Process().children()} - before) == 1
        photos = [pool.decode(encoded(painted()[: 40 + k]), budget_s=PATIENCE_S) for k in range(2)]
        assert [image.height for image in await asyncio.gather(*photos)] == [40, 41]
        async with asyncio.timeout(PATIENCE_S):
            while len(pool._live) < 3:
                await asyncio.sleep(0.01)
    finally:
        await pool.close()
    assert {child.pid for child in psutil.Process().children()} <= before


async def test_the_pool_does_not_start_when_its_workers_die(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends before it is ready makes the start fail, and leaves nothing behind."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(PhaseFailed, match="does not start"):
        await DecodePool(workers=2).start()
    assert {child.pid for child in psutil.Process().children()} <= before


# --- what a worker can reach ----------------------------------------------------------------------------------
async def test_a_worker_has_no_secret_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's environment holds only what imports need. It can write no file and dump no core."""
    monkeypatch.setenv("REDIS_URL", "redis://:password@10.0.0.7")
    worker = await Worker.start(1024 * MIB, ImageLimits())
    process = psutil.Process(worker.pid)
    assert set(process.environ()) <= {
        "PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LC_CTYPE",
    }  # fmt: skip
    assert process.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.rlimit(psutil.RLIMIT_AS) == (1024 * MIB, 1024 * MIB)
    await worker.reap()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (DECODED, b""),
        (DECODED, b"\x93\x01\x02\x03"),
        (REFUSED, b"\x80"),
        (REFUSED, b"\x92\xa9SystemExit\xa1x"),
        (REFUSED, b"\x92\xb2PhaseFailedNotOurs\xa1x"),
        (7, b"\x00"),
    ],
)
def test_an_answer_is_a_failure_when_it_is_malformed(status: int, body: bytes) -> None:
    """A worker under a hostile file's control can cause only PhaseFailed, whatever it writes."""
    with pytest.raises(PhaseFailed):
        read_answer(status, body)
