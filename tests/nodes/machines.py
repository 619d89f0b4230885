"""Runs several Ray nodes on one machine, each a `ray start` with its own ports, and kills them.

A node declares CPUs and GPUs that the machine need not have. This shows where Serve puts replicas, and what becomes of
them when a node is lost. HAProxy runs on the head and on each node with replicas, on the node's own port.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import yaml

from serve.keys.records import ensure_development_key
from serve.local import stores as local_stores
from serve.local.plan import OBJECT_STORE_BYTES, REPOSITORY, ray_environment, ray_token_file, transport_profile
from serve.local.processes import HOST, free_port
from tests.reliability import cluster as reliability

# The environment variable that marks every process of a node.
NODE = "STYLESYNC_TEST_NODE"
# Taste: generous, because five nodes share one machine.
START_TIMEOUT_S = 240.0
ANSWER_TIMEOUT_S = 20.0
PROGRAMS = Path(sys.executable).parent
Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """A node: the resources that it declares, and the port of its HAProxy."""

    name: str
    cpus: int
    gpus: int
    proxy_port: int

    def processes(self) -> list[psutil.Process]:
        """The running processes of the node."""
        running = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(NODE) == self.name and process.status() != psutil.STATUS_ZOMBIE:
                    running.append(process)
        return running


@dataclass(slots=True)
class Site:
    """A head and its nodes, with one Redis for the head's state and one for keys."""

    folder: Path
    key: str
    gcs_port: int
    dashboard_port: int
    stores: dict[str, local_stores.Store]
    machines: dict[str, Machine] = field(default_factory=dict)
    _variables: dict[str, str] = field(default_factory=dict)
    _started: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    # --- nodes --------------------------------------------------------------------------------------------------
    def start_head(self) -> Machine:
        """Starts the head, without CPUs. A second call starts it again from the state in its Redis."""
        gcs = urlsplit(self.stores["gcs"].url)
        before = self.machines.get("head")
        machine = before or Machine("head", 0, 0, free_port())
        # A head on a machine of its own would not have this file.
        (self.folder / "ray_current_cluster").unlink(missing_ok=True)
        arguments = [
            "--head",
            f"--port={self.gcs_port}",
            f"--redis-password={gcs.password}",
            "--include-dashboard=true",
            "--dashboard-agent-listen-port=0",
        ]
        arguments += [f"--dashboard-host={HOST}", f"--dashboard-port={self.dashboard_port}"]
        return self._start(machine, arguments, RAY_REDIS_ADDRESS=f"{HOST}:{gcs.port}")

    def start(self, name: str, *, cpus: int, gpus: int = 0) -> Machine:
        """Starts a node and waits until it has joined. The part of its name before a hyphen is its group."""
        machine = Machine(name, cpus, gpus, free_port())
        labels = f"--labels=stylesync-group={name.partition('-')[0]}"
        before = len(self.nodes())
        self._start(machine, [f"--address={HOST}:{self.gcs_port}", labels, "--dashboard-agent-listen-port=0"])
        wait_until(lambda: len(self.nodes()) > before)
        return machine

    def _start(self, machine: Machine, arguments: list[str], **variables: str) -> Machine:
        folder = self.folder / machine.name
        folder.mkdir(exist_ok=True)
        command = [str(PROGRAMS / "ray"), "start", *arguments, f"--node-ip-address={HOST}", "--disable-usage-stats"]
        command += [f"--num-cpus={machine.cpus}", f"--num-gpus={machine.gpus}", "--block"]
        command += [f"--object-store-memory={OBJECT_STORE_BYTES}"]
        if machine.name == "head":
            command += [f"--temp-dir={self.folder}"]
        with (folder / "log").open("a") as log:
            self._started[machine.name] = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self._variables | transport_profile(folder) | _own_ports(machine) | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.machines[machine.name] = machine
        return machine

    def kill(self, name: str) -> None:
        """Kills all processes of a node at once, with SIGKILL."""
        machine = self.machines[name]
        while running := machine.processes():
            for process in running:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(running, timeout=5)
        self._started[name].wait(ANSWER_TIMEOUT_S)

    # --- Ray and Serve, by the dashboard ------------------------------------------------------------------------
    def ask(self, path: str) -> Any:
        """Asks the dashboard. Raises httpx.HTTPError when it does not answer."""
        token = ray_token_file(self.folder).read_text().strip()
        url = f"http://{HOST}:{self.dashboard_port}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(url, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False).raise_for_status().json()

    def nodes(self) -> dict[str, dict[str, Any]]:
        """The living nodes by id."""
        listed = self.ask("/api/v0/nodes?limit=100")["data"]["result"]["result"]
        return {node["node_id"]: node for node in listed if node["state"] == "ALIVE"}

    def deploy(self, config: Config) -> None:
        """Deploys a config with `serve deploy`. Raises RuntimeError with what it printed when it fails."""
        path = self.folder / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [str(PROGRAMS / "serve"), "deploy", "--address", f"http://{HOST}:{self.dashboard_port}", str(path)]
        done = subprocess.run(
            command, env=self._variables, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise RuntimeError(f"serve deploy failed: {done.stdout[-1000:]} {done.stderr[-2000:]}")

    def deployments(self, application: str = "colormatch") -> dict[str, dict[str, Any]]:
        """The deployments of an application as Serve reports them; empty while there is none."""
        with suppress(httpx.HTTPError):
            found = self.ask("/api/serve/applications/")["applications"].get(application, {})
            deployments: dict[str, dict[str, Any]] = found.get("deployments", {})
            return deployments
        return {}

    def replicas(self, deployment: str, application: str = "colormatch") -> dict[int, str]:
        """The running replicas of a deployment: process id to node id."""
        found = self.deployments(application).get(deployment, {"replicas": []})["replicas"]
        return {replica["pid"]: replica["node_id"] for replica in found if replica["state"] == "RUNNING"}

    def machine_of(self, pid: int) -> str:
        """The name of a process's node; empty when the process is gone."""
        with suppress(psutil.Error):
            return psutil.Process(pid).environ().get(NODE, "")
        return ""

    def runs(self, application: str = "colormatch") -> bool:
        """Whether Serve reports an application as running, with all replicas of every deployment."""
        with suppress(httpx.HTTPError):
            found = self.ask("/api/serve/applications/")["applications"].get(application)
            return (
                bool(found) and found["status"] == "RUNNING" and all(map(_is_complete, found["deployments"].values()))
            )
        return False

    def is_ready(self, machine: str = "head", *, prefix: str = "") -> bool:
        """Whether the application's readiness answers 200 through a node's HAProxy."""
        with suppress(httpx.HTTPError):
            url = f"http://{HOST}:{self.machines[machine].proxy_port}{prefix}/v1/readyz"
            return httpx.get(url, timeout=ANSWER_TIMEOUT_S, trust_env=False).status_code == 200
        return False


def _is_complete(deployment: dict[str, Any]) -> bool:
    running = sum(replica["state"] == "RUNNING" for replica in deployment["replicas"])
    return bool(running == deployment["target_num_replicas"] == len(deployment["replicas"]))


def _own_ports(machine: Machine) -> dict[str, str]:
    """The environment that marks a node's processes and sets its HAProxy's port."""
    return {NODE: machine.name, "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(machine.proxy_port)}


@contextmanager
def site() -> Iterator[Site]:
    """Runs a site with a head. All of it is gone afterwards."""
    # The name is short because the path of a HAProxy socket may have 97 characters and includes the node's id.
    with tempfile.TemporaryDirectory(prefix="n-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        stores = {}
        for purpose in ("gcs", "state"):
            (folder / purpose).mkdir()
            stores[purpose] = local_stores.start_state(folder / purpose, folder / purpose)
        made = Site(folder, ensure_development_key(folder / "dev"), free_port(), free_port(), stores)
        made._variables = _variables(made)
        try:
            made.start_head()
            wait_until(partial(_answers, made))
            yield made
        finally:
            for machine in made.machines:
                made.kill(machine)
            for store in stores.values():
                local_stores.stop(store)


def _answers(made: Site) -> bool:
    with suppress(httpx.HTTPError):
        return bool(made.nodes())
    return False


def _variables(made: Site) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {
        **inherited,
        **ray_environment(made.folder),
        # Ray would otherwise run a single node on macOS. Every address is given.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        # With five nodes on one machine, a proxy starts more slowly than Serve allows.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
        "RAY_external_storage_namespace": "nodes",
        # HAProxy is found by the Python that comes first here.
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(REPOSITORY),
        "STATE_REDIS_URL": made.stores["state"].url,
        "STYLESYNC_KEYS_FILE": str(made.folder / "dev/keys.json"),
        "STYLESYNC_SECRET_FILE": str(made.folder / "dev/secret"),
    }


def shrunk(name: str, port: int, *, budget_ms: float) -> Config:
    """A shipped config for declared resources: the network on the CPU, small shares, short delays, ample budgets.

    The settings for placement, scaling and updates stay: labels, GPU shares, replica ranges and surge.
    """
    config: Config = yaml.safe_load((REPOSITORY / "configs" / name).read_text())
    config["http_options"] = {"host": HOST, "port": port}
    (application,) = config["applications"]
    application["args"]["decode_workers"] = 1
    for deployment in application["deployments"]:
        options = deployment["ray_actor_options"]
        options["num_cpus"] = 0.5
        scaling = deployment["autoscaling_config"]
        scaling |= {"max_replicas": min(3, scaling["max_replicas"]), "downscale_delay_s": 15, "upscale_delay_s": 5}
        scaling |= {"metrics_interval_s": 1, "look_back_period_s": 5, "min_replicas": 2}
    named = deployments_of(config)
    # Two replicas on two nodes: one on each.
    named["Advice"]["max_replicas_per_node"] = 1
    variables = named["Segmentation"]["ray_actor_options"]["runtime_env"]["env_vars"]
    variables |= {"SEGMENTATION_DEVICE": "cpu", "SEGMENTATION_DTYPE": "fp32", "SEGMENTATION_THREADS": "1"}
    # A larger batch would need compilation and warm-up on this CPU.
    named["Segmentation"]["user_config"] = {"max_photos": 1}
    budgets = named["Advice"]["user_config"]["budgets"]
    named["Advice"]["user_config"]["budgets"] = dict.fromkeys(budgets, budget_ms)
    return config


def deployments_of(config: Config, application: int = 0) -> dict[str, dict[str, Any]]:
    """The deployments of a config by name."""
    return {section["name"]: section for section in config["applications"][application]["deployments"]}


def copy_of(config: Config) -> Config:
    """A copy of a config that may be changed."""
    made: Config = yaml.safe_load(yaml.safe_dump(config))
    return made


wait_until = partial(reliability.wait_until, within_s=START_TIMEOUT_S)
