"""Freed memory stays in the process, up to a limit."""

import subprocess
import sys

import pytest

# Photos come and go: each round makes some arrays, as extraction does, and frees them.
ROUNDS = """
import resource, sys
import numpy as np
from pipeline.memory import keep_freed
if sys.argv[1] == "keep" and not keep_freed():
    print(-1)
    raise SystemExit
def photo():
    return sum(float((np.zeros(200_000) + k)[0]) for k in range(12)), [np.ones(300_000) for _ in range(4)]
for _ in range(5):
    photo()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    photo()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


# The memory that a process still has, MiB, after it had 40 of blocks that do not go back one by one.
LEFT = """
import resource, sys
from pipeline.memory import keep_freed
if not keep_freed(int(sys.argv[1]) << 20):
    print(-1)
    raise SystemExit
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, blocks = resident(), [b"x" * (1 << 20) for _ in range(40)]
blocks.clear()
print(round(resident() - before))
"""


def _ran(program: str, argument: str) -> int:
    command = [sys.executable, "-c", program, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


def _faults(how: str) -> int:
    return _ran(ROUNDS, how)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_pages_are_asked_for_once_when_photos_come_and_go() -> None:
    """Twenty photos cost hundreds of page faults each by default, and next to none when freed memory is kept."""
    kept = _faults("keep")
    if kept < 0:
        pytest.skip("this C library has no mallopt")
    assert kept < 20 * 10
    assert _faults("default") > 20 * 100


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_memory_goes_back_when_more_than_the_limit_is_free() -> None:
    """A process keeps what it freed below its limit, and gives back what it freed above."""
    little = _ran(LEFT, "8")
    if little < 0:
        pytest.skip("this C library has no mallopt")
    assert little < 8 + 4
    assert _ran(LEFT, "48") > 30
