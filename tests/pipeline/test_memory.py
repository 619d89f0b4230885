"""Freed memory stays in the process."""

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


def _faults(how: str) -> int:
    command = [sys.executable, "-c", ROUNDS, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_pages_are_asked_for_once_when_photos_come_and_go() -> None:
    """Twenty photos cost hundreds of page faults each by default, and next to none when freed memory is kept."""
    kept = _faults("keep")
    if kept < 0:
        pytest.skip("this C library has no mallopt")
    assert kept < 20 * 10
    assert _faults("default") > 20 * 100
