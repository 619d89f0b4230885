"""The launcher of a development start: it checks, starts the cluster process, shows progress, and stops everything.

It never runs Ray's code, so nothing can keep it from stopping.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

from serve.local import plan as local_plan
from serve.local.plan import CannotStart, Plan
from serve.local.processes import Stop, adopt_orphans, kill_descendants, reap_orphans
from serve.local.screen import Screen

# Taste: a first start compiles every package.
READY_TIMEOUT_S = 300.0
# Taste: how long Serve may drain and Ray may end before what is left is killed. A stop takes at most 10 s.
GRACE_S = 7.0
KILL_TIMEOUT_S = 2.5
# Taste: how often the launcher looks for events, and for ended orphans.
POLL_S = 0.1
REAP_EVERY_S = 5.0
# Taste: lines of the log in a failure.
LOG_LINES = 30
# Standard: the path of HAProxy's socket may have 97 characters, and 89 of them follow the temporary folder.
LONGEST_TEMP_PATH = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster process and the two pipes to it."""

    process: subprocess.Popen[str]
    lifeline: IO[str]
    events: IO[str]


class StartFailed(Exception):
    """The start failed; the one argument says why."""


def main() -> int:
    """Runs until Ctrl-C. Exit status: 0 after a requested stop, 1 after a failure, 2 when refused."""
    stop = Stop()
    stop.listen()
    run_folder = Path(tempfile.mkdtemp(prefix="stylesync-", dir=_temp_folder()))
    screen = Screen()
    try:
        plan = local_plan.make_plan(os.environ, run_folder=run_folder)
    except CannotStart as refusal:
        screen.line(str(refusal))
        shutil.rmtree(run_folder)
        return 2
    return _run(plan, stop, screen)


def _run(plan: Plan, stop: Stop, screen: Screen) -> int:
    adopt_orphans()
    cluster = _start_cluster(plan)
    ready = False
    try:
        with screen:
            ready = _until_ready(plan, cluster, stop, screen)
            if ready:
                local_plan.write_ray_environment(plan)
                screen.ready(plan)
        _until_stopped(cluster, stop)
    except StartFailed as failure:
        screen.line(f"{failure}\nThe logs are kept in {plan.run_folder}")
        return 1
    finally:
        screen.line("Stopping …")
        _stop_all(cluster, gently=ready, screen=screen)
        plan.ray_environment_file.unlink(missing_ok=True)
    shutil.rmtree(plan.run_folder, ignore_errors=True)
    return 0


def _start_cluster(plan: Plan) -> Cluster:
    """Starts the cluster process in its own session, so that the terminal's Ctrl-C only reaches the launcher."""
    with _log_file(plan).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve.local", "--cluster"],
            env=local_plan.cluster_environment(plan, os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    cluster = Cluster(process, cast(IO[str], process.stdin), cast(IO[str], process.stdout))
    cluster.lifeline.write(plan.to_json() + "\n")
    cluster.lifeline.flush()
    return cluster


def _until_ready(plan: Plan, cluster: Cluster, stop: Stop, screen: Screen) -> bool:
    """True when /v1/readyz answers 200, False when a stop was requested. Raises StartFailed."""
    deployed, end_s = False, time.monotonic() + READY_TIMEOUT_S
    while not stop.requested:
        for event in _events(cluster):
            deployed = deployed or event.get("deployed", False)
            _show(event, screen)
        if deployed and _answers_ready(plan.url):
            return True
        _check_alive(plan, cluster)
        if time.monotonic() > end_s:
            raise StartFailed(f"The application was not ready after {READY_TIMEOUT_S:.0f} s.\n{_log_tail(plan)}")
    return False


def _show(event: dict[str, Any], screen: Screen) -> None:
    if "step" in event:
        screen.step(event["step"])
    if "detail" in event:
        screen.detail(event["detail"])
    if "failed" in event:
        raise StartFailed(event["failed"])


def _events(cluster: Cluster) -> Iterator[dict[str, Any]]:
    """The events of the cluster process within POLL_S; it writes each line at once."""
    readable, _, _ = select.select([cluster.events], [], [], POLL_S)
    if readable and (line := cluster.events.readline()):
        yield json.loads(line)


def _answers_ready(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=1.0)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", f"{parts.path}/v1/readyz")
        return connection.getresponse().status == 200
    return False


def _until_stopped(cluster: Cluster, stop: Stop) -> None:
    reaped_s = time.monotonic()
    while not stop.requested:
        if cluster.process.poll() is not None:
            raise StartFailed(f"The cluster process ended by itself (status {cluster.process.returncode}).")
        if time.monotonic() - reaped_s > REAP_EVERY_S:
            reap_orphans(known={cluster.process.pid})
            reaped_s = time.monotonic()
        time.sleep(POLL_S)


def _check_alive(plan: Plan, cluster: Cluster) -> None:
    if cluster.process.poll() is not None:
        raise StartFailed(f"The cluster process ended with status {cluster.process.returncode}.\n{_log_tail(plan)}")


def _stop_all(cluster: Cluster, *, gently: bool, screen: Screen) -> None:
    """Ends the cluster process and every other descendant within 10 s, whatever their state."""
    with contextlib.suppress(OSError):
        cluster.lifeline.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        cluster.process.wait(GRACE_S if gently else 0)
    left = kill_descendants(within_s=KILL_TIMEOUT_S)
    screen.line(f"Still running, kill by hand: {[process.pid for process in left]}" if left else "Stopped.")


def _log_file(plan: Plan) -> Path:
    return plan.run_folder / "cluster.log"


def _log_tail(plan: Plan) -> str:
    return "\n".join(_log_file(plan).read_text(errors="replace").splitlines()[-LOG_LINES:])


def _temp_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= LONGEST_TEMP_PATH else "/tmp"  # noqa: S108
