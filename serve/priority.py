"""Who has the CPU first where there are too few cores: niceness by what a replica does; standard library.

Work that is nearly done comes before work that begins: extraction, harmony and decoding, which are short and have tight
budgets, before the ingress and the network, which have most of the work and of the time for it; and all of them before
Ray's own processes, which prepare each new replica for half a second.

A replica that starts needs seconds of a core, and gets what the others leave: `py_executable` in the configs lets Ray
start it by `python -m serve.priority`, and `take` ends that once it can serve.  All this takes the right to rise
(CAP_SYS_NICE).  Without it the order of those that serve is the same, but phases are no better off than Ray's own
processes, and replicas that start are not held back.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

PHASE: Final = -10  # by that of Ray, our parent
INGRESS: Final = -5
NETWORK_ON_CPU: Final = -5


def take(niceness: int) -> None:
    """Gives the threads of this process, and so those they start, this niceness, counted from that of its parent, Ray.

    Where that is not allowed, phases keep what they have, and the others go up from it.
    """
    own = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = os.getpriority(os.PRIO_PROCESS, os.getppid()) + niceness
    if not _set(0, wanted):
        wanted = own + niceness - PHASE
    for thread in Path("/proc/self/task").glob("*"):  # none where there is no /proc
        _set(int(thread.name), wanted)


def give(pid: int, niceness: int) -> None:
    """Gives a process of ours this niceness, counted from that of Ray, our parent, where that is allowed."""
    _set(pid, os.getpriority(os.PRIO_PROCESS, os.getppid()) + niceness)


def step_back() -> None:
    """Leaves the cores to all others (SCHED_IDLE), where this process may rise again."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if sys.platform == "linux" and _set(0, own - 1):
        _set(0, own)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _set(task: int, niceness: int) -> bool:
    with suppress(PermissionError, ProcessLookupError):
        if sys.platform == "linux" and os.sched_getscheduler(task) == os.SCHED_IDLE:
            os.sched_setscheduler(task, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, task, niceness)
        return True
    return False


if __name__ == "__main__":
    step_back()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606 - what Ray would have started
