"""Runs Ray and Serve in a process of their own: `python -m tests.reliability.host PORT FOLDER CPUS`.

The process reads Serve configs as JSON lines on standard input and deploys each. It answers `{"running": seconds}` once
the application runs, or `{"failed": reason}`. It answers `{"ask": "replicas"}` with the numbers of running replicas. It
ends, with its descendants, when standard input closes. Serve reads its flags from the environment when Ray is imported,
so each transport profile needs its own process.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import Any, TextIO

import ray
from ray import serve as ray_serve

from serve.local.plan import OBJECT_STORE_BYTES
from serve.local.processes import HOST, adopt_orphans, kill_descendants
from serve.local.rays import start_ray

# Taste: generous on a busy machine.
DEPLOY_TIMEOUT_S = 240.0
_words: TextIO = sys.stdout
# Taste: one look at Serve's status costs a twentieth of a core-second.
POLL_S = 1.0
# Taste: a config that changes nothing is never reported as deploying, so a status is trusted only after this time.
SETTLE_S = 1.0


def main(port: int, folder: str, cpus: int) -> None:
    """Serves until standard input ends. cpus: the number that Ray is told, whatever the machine has."""
    adopt_orphans()
    _keep_stdout_for_words()
    try:
        start_ray(
            num_cpus=cpus,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            namespace="serve",
            log_to_driver=False,
            _temp_dir=folder,
        )
        client = _start(port)
        say(started=True)
        orders = Orders()
        while (order := orders.next()) is not None:
            if "ask" in order:
                say(replicas=_running_replicas())
            else:
                _deploy(client, order, orders)
        ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
    except Exception:
        say(failed=traceback.format_exc()[-2000:])
    finally:
        kill_descendants(within_s=5.0)
        # Ray's own shutdown would wait a minute for processes that are gone.
        os._exit(0)


class Orders:
    """The orders that arrive on standard input, and whether it has ended."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """The next order; None at the end."""
        line = self._lines.get()
        config: dict[str, Any] | None = None if line is None else json.loads(line)
        return config

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        self.ended = True
        self._lines.put(None)


def _keep_stdout_for_words() -> None:
    """Sends what Ray prints to the log, because it would break the lines meant for the kit."""
    global _words
    _words = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def say(**words: object) -> None:
    """Sends one message to the kit."""
    print(json.dumps(words), file=_words, flush=True)


def _running_replicas() -> dict[str, int]:
    """The number of replicas of each deployment to which Serve sends requests."""
    applications = ray_serve.status().applications.values()
    return {
        name: sum(n for state, n in deployment.replica_states.items() if state == "RUNNING")
        for application in applications
        for name, deployment in application.deployments.items()
    }


def _start(port: int) -> Any:
    from ray.serve._private.api import serve_start

    return serve_start(http_options={"host": HOST, "port": port}, proxy_location="EveryNode")


def _deploy(client: Any, config: dict[str, Any], orders: Orders) -> None:
    """Deploys the config as `serve deploy` does. Waits until it runs or fails, or standard input ends."""
    from ray.serve.schema import ServeDeploySchema

    client.deploy_apps(ServeDeploySchema.model_validate(config), _blocking=False)
    began_s = time.monotonic()
    while time.monotonic() - began_s < DEPLOY_TIMEOUT_S:
        time.sleep(POLL_S)
        applications = ray_serve.status().applications.values()
        states = {application.status.value for application in applications}
        if states == {"RUNNING"} and time.monotonic() - began_s > SETTLE_S:
            return say(running=round(time.monotonic() - began_s, 1))
        if "DEPLOY_FAILED" in states:
            return say(failed=" ".join(application.message for application in applications)[-2000:])
        if orders.ended:
            return
    say(failed="The application did not run in time.")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
