"""Ray, Serve and an application in a process of their own: `python -m tests.reliability.host PORT FOLDER CPUS`.

Reads Serve configs as JSON lines on standard input, deploys each and says `{"running": seconds}` once it runs, or
`{"failed": reason}`; `{"ask": "replicas"}` is answered with the numbers of running ones. The end of standard input ends
everything below it. Serve reads its flags from the environment when Ray is imported, so each transport profile gets
such a process.
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

DEPLOY_TIMEOUT_S = 240.0
_words: TextIO = sys.stdout
POLL_S = 1.0  # Serve's status costs a twentieth of a core-second
SETTLE_S = 1.0  # a config that changes nothing is never seen to be deploying


def main(port: int, folder: str, cpus: int) -> None:
    """Serves until standard input ends. cpus: as many as the replicas may ask for, whatever the machine has."""
    adopt_orphans()
    _keep_stdout_for_words()
    try:
        ray.init(
            "local",
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
        os._exit(0)  # Ray's own end would wait a minute for what is gone


class Orders:
    """The configs that arrive on standard input, and whether it has ended."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """The next config; None at the end."""
        line = self._lines.get()
        config: dict[str, Any] | None = None if line is None else json.loads(line)
        return config

    def _read(self) -> None:
        for line in sys.stdin:
            self._lines.put(line)
        self.ended = True
        self._lines.put(None)


def _keep_stdout_for_words() -> None:
    """What Ray prints goes to the log: in the middle of a line for the kit nobody could read it."""
    global _words
    _words = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def say(**words: object) -> None:
    """One line for the kit."""
    print(json.dumps(words), file=_words, flush=True)


def _running_replicas() -> dict[str, int]:
    """By deployment, those that Serve sends requests to."""
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
    """Hands the config over as `serve deploy` does, and waits until it runs or failed or the kit leaves."""
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
    say(failed="It did not run in time.")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
