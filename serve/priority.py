"""Who has the CPU first where there are too few cores: niceness by what a replica does; Linux, standard library.

Work that is nearly done comes before work that begins: extraction, harmony and decoding, which are short and have tight
budgets, before the ingress and the network, which have most of the work and of the time for it; and all of them before
Ray's own processes, which prepare each new replica for half a second, and before a replica that starts: the configs let
Ray start replicas at a niceness of 15 (`py_executable`), and `take` ends that once they can serve.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

PHASE: Final = -10  # by that of Ray, our parent
INGRESS: Final = -5
NETWORK_ON_CPU: Final = -5


def take(niceness: int) -> None:
    """Gives the threads of this process, and so those they start, this niceness, counted from that of its parent, Ray.

    To go down takes the right to (CAP_SYS_NICE); without it phases keep what they have, and the others go up from it.
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


def _set(task: int, niceness: int) -> bool:
    with suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, task, niceness)
        return True
    return False
