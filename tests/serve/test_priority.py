"""Priorities in a process of its own: with the right to rise and without it."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from serve.local.plan import REPOSITORY

PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23  # prctl(2), capabilities(7)
TOLD = "print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
CHILD = f"import os; {TOLD}; from serve import priority; priority.take(priority.INGRESS); {TOLD}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux's")


def _drop() -> None:
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE)  # the next exec is without it


def _started(before_exec: Callable[[], None]) -> list[str]:
    command = (sys.executable, "-m", "serve.priority", "-c", CHILD)
    run = subprocess.run(command, cwd=REPOSITORY, preexec_fn=before_exec, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_a_starting_replica_gets_idle_cpu_only() -> None:
    """And not where it could never come back."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    try_it = f"import os; os.setpriority(os.PRIO_PROCESS, 0, {own - 1})"
    if subprocess.run((sys.executable, "-c", try_it), capture_output=True).returncode:
        pytest.skip("This user may not rise.")
    assert _started(lambda: None) == [f"{os.SCHED_IDLE} {own}", f"{os.SCHED_OTHER} {own - 5}"]


def test_priorities_keep_their_order_when_they_cannot_rise() -> None:
    """Nothing is held back for ever."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert _started(_drop) == [f"{os.SCHED_OTHER} {own}", f"{os.SCHED_OTHER} {own + 5}"]
