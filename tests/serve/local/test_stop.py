"""When the launcher stops because of the make that runs it, and when it does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serve.local.plan import REPOSITORY

# Asks as fast as it can, and tells how it ended.
CHILD = """
import sys, time
from serve.local.processes import Stop

stop, end_s = Stop(), time.monotonic() + float(sys.argv[1])
print("asking", flush=True)
while time.monotonic() < end_s and not stop.requested:
    time.sleep(0.001)
print("stopped" if stop.requested else "went on", flush=True)
"""
ENVIRONMENT = {**os.environ, "MAKELEVEL": "1", "PYTHONPATH": str(REPOSITORY)}


def test_a_launcher_goes_on_when_its_parent_starts_programs() -> None:
    """A parent blocks all signals for a moment when it starts a program; a pytest that make runs does so often."""
    command = [sys.executable, "-c", CHILD, "1.5"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            subprocess.run(["true"], check=True)
        assert child.stdout
        assert child.stdout.read().split("\n")[1] == "went on"


def _makefile(folder: Path, child_s: float) -> Path:
    """A makefile whose first target is the child, and whose second starts 500 programs."""
    (folder / "child.py").write_text(CHILD)
    child = f"child:\n\t@exec {sys.executable} {folder}/child.py {child_s}\n"
    path = folder / "Makefile"
    path.write_text(f"all: child busy\n{child}busy:\n" + "\t@/bin/true\n" * 500)
    return path


def test_a_launcher_goes_on_when_its_make_starts_programs(tmp_path: Path) -> None:
    """`make -j` starts other programs beside the launcher."""
    command = ["make", "--no-print-directory", "-j2", "-f", str(_makefile(tmp_path, 1.5)), "all"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[1] == "went on"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which signals a process blocks")
def test_a_launcher_stops_when_its_make_alone_is_interrupted(tmp_path: Path) -> None:
    """`kill -INT` of make reaches no child, and make waits for them."""
    command = ["make", "--no-print-directory", "-f", str(_makefile(tmp_path, 60.0)), "child"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True) as make:
        assert make.stdout
        assert make.stdout.readline() == "asking\n"
        began_s = time.monotonic()
        make.send_signal(signal.SIGINT)
        assert make.stdout.readline() == "stopped\n"
        assert time.monotonic() - began_s < 20
