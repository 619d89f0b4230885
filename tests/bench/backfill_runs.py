"""Starts, times and kills the backfill's command, and measures its memory and CPU time."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import psutil

ROOT = Path(__file__).parents[2]
CORES = os.cpu_count() or 1
EVERY_S = 1.0
# Taste: the rate is measured between these shares of the rows, where all workers run.
STEADY = (0.1, 0.95)
_PROGRESS = re.compile(r"^(\d+) of (\d+) images")
ON_RAY, INLINE = "pipeline.backfill", "tests.bench.backfill_inline"
_ROLES = {"MapWorker": "workers", "pipeline.image.child": "decoders", ON_RAY: "driver", INLINE: "driver"}


@dataclass(slots=True)
class Command:
    """A run in progress and its output.

    marks: (time, images saved). weighed: (time, role -> private MiB). spent: (images saved, CPU s of all processes).
    """

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    marks: list[tuple[float, int]] = field(default_factory=list)
    weighed: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    spent: list[tuple[int, float]] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    @property
    def rows(self) -> int:
        """The number of saved images, by the run's own progress lines."""
        return self.marks[-1][1] if self.marks else 0

    @property
    def text(self) -> str:
        """The whole output."""
        return "".join(self.lines)

    def follow(self) -> int:
        """Measures the run every second until its end, and gives the exit code."""
        while self.process.poll() is None:
            self.weigh()
            time.sleep(EVERY_S)
        return self.process.returncode

    def weigh(self) -> None:
        """Records the memory and the CPU time of all processes of the run."""
        found: dict[str, float] = {}
        rows, cpu_s = self.rows, 0.0
        for one in family(self.process.pid):
            with suppress(psutil.Error):
                memory, times = one.memory_info(), one.cpu_times()
                role = next((role for word, role in _ROLES.items() if word in " ".join(one.cmdline())), "Ray")
                found[role] = found.get(role, 0.0) + (memory.rss - memory.shared) / 2**20
                cpu_s += times.user + times.system
        self.spent.append((rows, cpu_s))
        self.weighed.append((time.monotonic() - self.began_s, found))

    def steady_rate(self) -> float:
        """Images/s in the middle of the run, where all workers run."""
        (first_s, first), (last_s, last) = self._steady([(rows, at_s) for at_s, rows in self.marks])
        return (last - first) / (last_s - first_s)

    def steady_cpu_s(self) -> float:
        """CPU time per image in the middle of the run, over all processes, s."""
        (first_s, first), (last_s, last) = self._steady(self.spent)
        return (last_s - first_s) / (last - first)

    def _steady(self, marks: Sequence[tuple[int, float]]) -> tuple[tuple[float, int], tuple[float, int]]:
        inside = [mark for mark in marks if STEADY[0] * self.rows <= mark[0] <= STEADY[1] * self.rows]
        return inside[0][::-1], inside[-1][::-1]

    def kill(self) -> None:
        """Kills the driver and its descendants, as the loss of a machine does."""
        below = family(self.process.pid)
        os.kill(self.process.pid, signal.SIGKILL)
        for one in below:
            with suppress(psutil.Error):
                one.kill()
        self.process.wait()

    def _listen(self) -> None:
        for line in cast(IO[str], self.process.stdout):
            self.lines.append(line)
            if said := _PROGRESS.match(line):
                self.marks.append((time.monotonic(), int(said[1])))


def start(arguments: Sequence[str], environment: dict[str, str] | None = None, *, module: str = ON_RAY) -> Command:
    """Starts the command in a process group of its own. It prints a line at each checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--log-every", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    command = Command(process)
    threading.Thread(target=command._listen, daemon=True).start()
    return command


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    with suppress(psutil.Error):
        above = psutil.Process(pid)
        return [above, *above.children(recursive=True)]
    return []
