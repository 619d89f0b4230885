"""Finds, reaps and kills the development launcher's descendants, and finds free ports."""

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import sys
import time
from pathlib import Path

import psutil

# Standard: linux/prctl.h.
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.05
# Taste: make starts a program in less time.
MAKE_STARTS_S = 0.3
HOST = "127.0.0.1"
# Standard: Linux gives outgoing connections, and listeners that ask for any port, 32768 to 60999, and Serve gives its
# replicas 30000 to 31000. A port below these is still free when its owner binds it, seconds later.
PORTS = range(20_000, 30_000)
_GIVEN: set[int] = set()


def adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it (Linux only), so that none leaves its tree.

    Ray's workers, HAProxy and the decode workers outlive a killed parent. Otherwise they would become children of init,
    where they look like another cluster's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> list[psutil.Process]:
    """Every living descendant of this process, without zombies."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def memory_bytes(processes: list[psutil.Process]) -> int:
    """The memory of processes together: the sum of their PSS, where a page shared by n processes counts 1/n each."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            # Only Linux has PSS.
            total += getattr(memory, "pss", memory.uss)
    return total


def reap_orphans(*, known: set[int]) -> None:
    """Reaps adopted children that have ended, except the pids in `known`, whose owners wait for them."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.pid not in known and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def kill_descendants(*, within_s: float) -> list[psutil.Process]:
    """Kills every descendant until none is left; returns those that are left after `within_s`."""
    end_s = time.monotonic() + within_s
    while left := descendants():
        if time.monotonic() > end_s:
            return left
        # Each round starts again, because a dying parent may still have started a child.
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=POLL_S)
        reap_orphans(known=set())
    return []


def port_owner(port: int) -> int | None:
    """The pid that listens on a TCP port of this machine, or None when it is not visible."""
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and (connection.laddr or None)
            if listens and listens.port == port and connection.pid:
                return int(connection.pid)
    return None


class Stop:
    """Whether this process should stop: after SIGINT, SIGTERM or SIGHUP, or when the make that runs it ends."""

    def __init__(self) -> None:
        self._requested = False
        self._make = os.getppid() if _is_make(os.getppid()) else None
        self._blocked_since_s: float | None = None

    def listen(self) -> None:
        """Handles the three signals. A second Ctrl-C changes nothing, so it cannot interrupt the clean-up."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request)

    @property
    def requested(self) -> bool:
        """True once a stop was requested."""
        if self._make is not None and self._is_left_by(self._make):
            self._requested = True
        return self._requested

    def _request(self, *_: object) -> None:
        self._requested = True

    def _is_left_by(self, make: int) -> bool:
        """Whether the parent make died, or received a SIGINT that we did not get.

        GNU make passes SIGTERM on. After a SIGINT it only waits for its children, inside the signal's handler
        (fatal_error_signal in its commands.c), where SIGINT is blocked. It also blocks SIGINT for the moment in which
        it starts another program.
        """
        if os.getppid() != make:
            return True
        if not _blocks_sigint(make):
            self._blocked_since_s = None
            return False
        self._blocked_since_s = self._blocked_since_s or time.monotonic()
        return time.monotonic() - self._blocked_since_s > MAKE_STARTS_S


def _is_make(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).name() in ("make", "gmake")
    return False


def _blocks_sigint(pid: int) -> bool:
    """Whether a process blocks SIGINT; False where that cannot be known."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        blocked = int(next(line.split()[1] for line in status if line.startswith("SigBlk:")), 16)
        return bool(blocked >> (signal.SIGINT - 1) & 1)
    return False


def port_is_free(port: int) -> bool:
    """Whether the port can be bound on the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def keep_free(*ports: int) -> None:
    """Makes `free_port` give none of these ports in this process."""
    _GIVEN.update(ports)


def free_port() -> int:
    """A TCP port that nothing listens on, and that no earlier call in this process gave."""
    while True:
        port = secrets.choice(PORTS)
        if port not in _GIVEN and port_is_free(port):
            keep_free(port)
            return port
