"""The command `python -m tests.pipeline.backfill.ray_host CPUS…`: runs a Ray cluster of simulated nodes.

It starts one node per number, the first with a dashboard, and prints a line of JSON with the addresses.  A line on
standard input kills the last node, as if a machine were lost.  The end of standard input ends the cluster.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import psutil

from serve.local.processes import free_port

ROOT = Path(__file__).parents[3]
OBJECT_STORE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster.

    environment: finds the cluster. dashboard_url: of its job API. head: the parent of all its processes.
    """

    environment: dict[str, str]
    dashboard_url: str
    head: psutil.Process
    _host: subprocess.Popen[str]

    def workers(self) -> list[psutil.Process]:
        """The processes of the pool's actors."""
        return [one for one in self.head.children(recursive=True) if "MapWorker" in title(one)]

    def lose_last_node(self) -> None:
        """Kills the last node with all its processes."""
        lifeline = cast(IO[str], self._host.stdin)
        lifeline.write("\n")
        lifeline.flush()
        assert cast(IO[str], self._host.stdout).readline().strip() == "lost"


@contextmanager
def ray_cluster(*cpus: int) -> Iterator[Cluster]:
    """A cluster with a token, and with this Python first in its PATH. It ends with the block."""
    # The path must be short, because Ray's sockets lie below it.
    folder = Path(tempfile.mkdtemp(prefix="bf-", dir="/tmp"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {
        **inherited,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "t" * 32,
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    host = subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.backfill.ray_host", *map(str, cpus)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    try:
        said = json.loads(cast(IO[str], host.stdout).readline())
        found = {**environment, "RAY_ADDRESS": said["address"]}
        yield Cluster(found, said["dashboard_url"], psutil.Process(host.pid), host)
    finally:
        host.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def title(process: psutil.Process) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def main(cpus: Sequence[int]) -> None:
    """Runs a cluster until standard input ends."""
    from ray.cluster_utils import Cluster as Nodes

    words = os.fdopen(os.dup(1), "w", buffering=1)
    # Ray's own prints go to standard error.
    os.dup2(2, 1)
    port = free_port()
    head = {"num_cpus": cpus[0], "include_dashboard": True, "dashboard_port": port}
    # By default every node's job agent listens on the same port.
    own: dict[str, Any] = {"object_store_memory": OBJECT_STORE_BYTES, "dashboard_agent_listen_port": 0}
    nodes = Nodes(initialize_head=True, head_node_args={**head, **own})
    more = [nodes.add_node(num_cpus=count, **own) for count in cpus[1:]]
    nodes.wait_for_nodes()
    words.write(json.dumps({"address": nodes.address, "dashboard_url": f"http://127.0.0.1:{port}"}) + "\n")
    for _ in sys.stdin:
        nodes.remove_node(more.pop(), allow_graceful=False)
        words.write("lost\n")
    with suppress(Exception):
        nodes.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
