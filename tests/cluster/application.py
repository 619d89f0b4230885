"""Starts and stops the whole application as users do, for tests."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import httpx
import psutil

from serve.local.plan import REPOSITORY
from serve.local.processes import free_port

# Taste: generous on a busy machine.
START_TIMEOUT_S = 200.0
# Contract: the application has ended this long after Ctrl-C.
STOP_TIMEOUT_S = 10.0
POLL_S = 0.1
LAUNCHER = (sys.executable, "-m", "serve.local")
MAKE_SERVE = ("make", "serve")


@dataclass(slots=True)
class Launch:
    """A started launcher: its process, in a session of its own, and its output."""

    process: subprocess.Popen[str]
    port: str
    dev_folder: Path
    output: list[str] = field(default_factory=list)
    _lines: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with cast(IO[str], self.process.stdout) as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._ended.set()

    def wait_for_line(self, part: str) -> str:
        """Waits for a line that contains `part`. Raises AssertionError when the launcher ends or takes too long."""
        end_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end_s:
            try:
                self.output.append(self._lines.get(timeout=POLL_S))
            except queue.Empty:
                assert self.process.poll() is None, "\n".join(self.output)
                continue
            if part in self.output[-1]:
                return self.output[-1]
        raise AssertionError("\n".join(["Not in time:", *self.output]))

    def rest_of_output(self) -> str:
        """The whole output of the launcher, which must have ended."""
        self.process.wait(START_TIMEOUT_S)
        assert self._ended.wait(STOP_TIMEOUT_S), "something that the launcher started still holds its output"
        while not self._lines.empty():
            self.output.append(self._lines.get())
        return "\n".join(self.output)


@dataclass(frozen=True, slots=True)
class Application:
    """A running application, ready for requests."""

    launch: Launch
    url: str
    key: str
    run_folder: Path

    def client(self) -> httpx.Client:
        """A client with the development key. Threads may share it."""
        return httpx.Client(base_url=self.url, headers={"X-API-Key": self.key}, timeout=60.0, trust_env=False)

    def ray_client(self) -> httpx.Client:
        """A client of Ray's dashboard with its token, as `serve deploy` uses it."""
        file = (self.launch.dev_folder / f"ray-{self.launch.port}.env").read_text()
        variables = dict(line.removeprefix("export ").split("=", 1) for line in file.splitlines())
        token = Path(variables["RAY_AUTH_TOKEN_PATH"].strip('"')).read_text().strip()
        url = variables["RAY_API_SERVER_ADDRESS"].strip('"')
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0, trust_env=False)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of a deployment's replicas."""
        title = f"ray::ServeReplica:colormatch:{deployment}"
        return [process for process in descendants(self.launch.process.pid) if title in " ".join(cmdline(process))]


@dataclass(frozen=True, slots=True)
class Remains:
    """The remains of a launcher that has ended."""

    exit_status: int
    took_s: float
    processes: list[str]


def launch(dev_folder: Path, command: tuple[str, ...] = LAUNCHER, **variables: str) -> Launch:
    """Starts the launcher with `variables` in its environment, on a free port unless they set PORT."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("CONFIG", "REDIS_URL", "STATE_REDIS_URL")},
        "PORT": str(free_port()),
        "STYLESYNC_DEV_FOLDER": str(dev_folder),
        **variables,
    }
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return Launch(process, environment["PORT"], dev_folder)


def wait_until_ready(launched: Launch) -> Application:
    """Waits until the application is ready. Raises AssertionError when its start fails."""
    url = launched.wait_for_line("is ready after").rpartition(" ")[2]
    run_folder = launched.wait_for_line("  Logs  ").split()[-1]
    launched.wait_for_line("Ctrl-C stops everything.")
    return Application(launched, url, (launched.dev_folder / "api_key").read_text().strip(), Path(run_folder))


def interrupt_group(launched: Launch) -> None:
    """Sends SIGINT to every process of the group, as Ctrl-C in a terminal does."""
    os.killpg(launched.process.pid, signal.SIGINT)


def interrupt_alone(launched: Launch) -> None:
    """Sends SIGINT to the started process only, as `kill -INT` does."""
    launched.process.send_signal(signal.SIGINT)


def stop(launched: Launch, interrupt: Callable[[Launch], None]) -> Remains:
    """Interrupts a launcher. Waits until none of its descendants runs, or the promised time is over."""
    below = descendants(launched.process.pid)
    began_s = time.monotonic()
    interrupt(launched)
    try:
        # The promise is checked by took_s; this only says how long a loaded machine may take before the test gives up.
        launched.process.wait(6 * STOP_TIMEOUT_S)
    finally:
        took_s = time.monotonic() - began_s
        left = [process for process in below if is_alive(process)]
        for process in left:
            process.kill()
        launched.process.kill()
    return Remains(launched.process.returncode, took_s, [f"{one.pid} {' '.join(cmdline(one))}" for one in left])


def must_be_clean(remains: Remains, *folders: Path) -> None:
    """Checks that no process runs or names the start's folders, and that the end was quick."""
    assert remains.processes == []
    assert remains.took_s <= STOP_TIMEOUT_S
    assert [line for folder in folders for line in mentioning(folder)] == []


def photo_form(image: bytes, *, mask: bytes | None = None, **options: Any) -> dict[str, Any]:
    """Makes httpx's arguments for a multipart request."""
    files: list[tuple[str, tuple[str, bytes, str]]] = [("image", ("image", image, "application/octet-stream"))]
    if mask is not None:
        files.append(("mask", ("mask.png", mask, "image/png")))
    return {"files": files, "data": {"options": json.dumps(options)}}


def mentioning(folder: Path) -> list[str]:
    """The command lines of all processes that name the folder in their command line or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return found


def descendants(pid: int) -> list[psutil.Process]:
    """The descendants of a process."""
    return psutil.Process(pid).children(recursive=True)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs. A zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cmdline(process: psutil.Process) -> list[str]:
    """The command line of a process; empty when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def comes_true(holds: Callable[[], bool], *, within_s: float) -> bool:
    """Waits for a condition. Says whether it became true in time."""
    end_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end_s:
            return False
        time.sleep(POLL_S)
    return True


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits for a condition. Raises AssertionError when it is not true within a minute."""
    assert comes_true(holds, within_s=60.0), "the condition did not come true"
