"""Starts each system on a port of its own and waits until it answers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from serve.local.plan import REPOSITORY
from serve.local.processes import free_port
from tests.bench.transport_profiles import FAST, serving
from tests.reliability.load import Plan, once

# Taste: the longest start.
READY_WITHIN_S = 180.0
# Environments of the peers, outside of .venv; `make bench` makes them.
PEERS = REPOSITORY / "out" / "peers"
PEER_NAMES = ("fastapi", "litserve", "bentoml")
# An address of BentoML takes one kind of request.
PHOTOS_ONLY = ("bentoml",)
OURS, GRAPH = "ours", "bare Serve graph"


@dataclass(frozen=True, slots=True)
class System:
    """A running system. root: the process whose descendants it is. ready_s: from its start to its first answer."""

    name: str
    port: int
    key: str
    root: int
    ready_s: float

    def cpu_s(self) -> float:
        """The CPU time of all its processes so far, s."""
        return sum(_cpu_s(one) for one in self.processes())

    def memory_bytes(self) -> int:
        """The proportional set size of all its processes, bytes."""
        return sum(_pss(one) for one in self.processes())

    def processes(self) -> list[psutil.Process]:
        """The root and its descendants."""
        root = psutil.Process(self.root)
        return [root, *root.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _pss(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


@contextmanager
def running(name: str, *, threads: int) -> Iterator[System]:
    """One system. threads: of the network in each worker of a peer."""
    if name == GRAPH:
        began_s = time.monotonic()
        with serving(FAST, "tests.bench.serving.graph:build") as url:
            (host,) = (one for one in psutil.process_iter() if _is_host(one, url))
            yield System(name, int(url.rpartition(":")[2]), "", host.pid, time.monotonic() - began_s)
        return
    port = free_port()
    with _started(_command(name, port, threads), port, name) as system:
        yield system


def _is_host(process: psutil.Process, url: str) -> bool:
    with suppress(psutil.Error):
        line = process.cmdline()
        return "tests.bench.transport_host" in line and url.rpartition(":")[2] in line
    return False


@dataclass(frozen=True, slots=True)
class _Command:
    line: list[str]
    environment: dict[str, str]
    key: Callable[[], str] = lambda: ""


def _command(name: str, port: int, threads: int) -> _Command:
    cores = os.cpu_count() or 1
    workers = {"BENCH_WORKERS": str(cores), "BENCH_THREADS": str(threads)}
    if name == OURS:
        key = REPOSITORY / ".dev" / "api_key"
        return _Command([sys.executable, "-m", "serve.local"], {"PORT": str(port)}, lambda: key.read_text().strip())
    scripts = PEERS / name / "bin"
    here = Path(__file__).parent
    lines = {
        "fastapi": [
            *(f"{scripts}/uvicorn", "tests.bench.serving.fastapi_app:app", "--workers", str(cores)),
            *("--port", str(port), "--log-level", "warning", "--no-access-log"),
        ],
        "litserve": [f"{scripts}/python", str(here / "litserve_app.py"), str(port)],
        "bentoml": [f"{scripts}/bentoml", "serve", "tests.bench.serving.bentoml_app:Advice", "--port", str(port)],
    }
    return _Command(lines[name], workers | {"BENTOML_DO_NOT_TRACK": "true"})


@contextmanager
def _started(command: _Command, port: int, name: str) -> Iterator[System]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    environment = {**os.environ, **command.environment, "PYTHONPATH": str(REPOSITORY)}
    began_s = time.monotonic()
    # What ran before, such as a store that the measurement shares, stays.
    kept = set(psutil.Process().children(recursive=True))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command.line, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        key = _first_answer(process, port, command.key, folder / "log")
        yield System(name, port, key, process.pid, time.monotonic() - began_s)
    finally:
        processes = [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        process.send_signal(2)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        for one in processes:
            with suppress(psutil.Error):
                one.kill()
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        for one in set(psutil.Process().children(recursive=True)) - kept:
            with suppress(psutil.Error):
                one.kill()


def _first_answer(process: "subprocess.Popen[bytes]", port: int, key: Callable[[], str], log: Path) -> str:
    until_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            break
        with suppress(OSError, RuntimeError, json.JSONDecodeError):
            found = key()
            if once(Plan(port=port, key=found, for_s=1.0), 1)[0].status == 200:
                return found
        time.sleep(0.1)
    raise RuntimeError(f"It does not answer: {log.read_text()[-2000:]}")
