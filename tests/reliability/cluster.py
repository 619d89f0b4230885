"""Runs a cluster of the kit's own on free ports and in a temporary folder, and leaves nothing behind."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil

from serve.keys.records import ensure_development_key
from serve.local import stores as local_stores
from serve.local.plan import REPOSITORY, ray_environment, transport_profile
from serve.local.processes import HOST, free_port
from tests.cluster.application import cmdline, descendants, is_alive
from tests.reliability import faults, layouts, tcp_proxy
from tests.reliability.load import Plan

PHASES = ("Segmentation", "Extraction", "Harmony")
DEPLOYMENTS = ("Advice", *PHASES)
# Taste: generous on a machine that does other work too.
START_TIMEOUT_S, STOP_TIMEOUT_S, POLL_S = 240.0, 40.0, 0.05


@dataclass(slots=True)
class Cluster:
    """A running cluster. transport: `fast` (HAProxy and throughput-optimised) or `stock`."""

    transport: str
    folder: Path
    port: int
    key: str
    process: subprocess.Popen[str]
    cache: local_stores.Store
    proxy: tcp_proxy.TcpProxy
    faults: faults.Faults
    config: layouts.Config = field(default_factory=dict)
    _messages: "queue.SimpleQueue[dict[str, Any]]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        self.hear("started")

    def _listen(self) -> None:
        with cast(IO[str], self.process.stdout) as lines:
            for line in lines:
                self._messages.put(json.loads(line))
        # The log is gone once the cluster has ended.
        with suppress(OSError):
            self._messages.put({"failed": (self.folder / "log").read_text(errors="replace")[-2000:]})

    def hear(self, word: str) -> Any:
        """Waits for a message of the host and gives its value. Raises RuntimeError for any other message."""
        message = self._messages.get(timeout=START_TIMEOUT_S)
        if word not in message:
            raise RuntimeError(message.get("failed", message))
        return message[word]

    def deploy_soon(self, config: layouts.Config) -> None:
        """Sends a config to the host; `hear("running")` waits until it runs."""
        self._order(config)
        self.config = config

    def running(self) -> dict[str, int]:
        """The number of replicas of each deployment to which Serve sends requests."""
        self._order({"ask": "replicas"})
        counts: dict[str, int] = self.hear("replicas")
        return counts

    def _order(self, order: dict[str, Any]) -> None:
        lifeline = cast(IO[str], self.process.stdin)
        lifeline.write(json.dumps(order) + "\n")
        lifeline.flush()

    def deploy(self, config: layouts.Config) -> None:
        """Deploys a config unless it already runs, and waits until the application is ready."""
        if config != self.config:
            self.deploy_soon(config)
            self.hear("running")
        wait_until(self.is_ready)
        wait_until(lambda: self.whole(5))

    def is_ready(self) -> bool:
        """Whether /v1/readyz answers 200 and Serve runs as many replicas as the config asks for."""
        with suppress(httpx.HTTPError), self.client() as client:
            return client.get("/v1/readyz").status_code == 200 and self._complete()
        return False

    def _complete(self) -> bool:
        wanted = {one["name"]: one.get("num_replicas", 1) for one in self.config["applications"][0]["deployments"]}
        running = self.running()
        return all(running.get(name, 0) >= wanted[name] for name in DEPLOYMENTS)

    def whole(self, times: int) -> bool:
        """Whether this many colour requests in a row get whole answers."""
        with suppress(httpx.HTTPError), self.client() as client:
            body = {"colors": ["navy"], "options": {"cache": "bypass"}}
            answers = [client.post("/v1/advice", json=body) for _ in range(times)]
            return all(answer.status_code == 200 and not answer.json()["degraded"] for answer in answers)
        return False

    def client(self) -> httpx.Client:
        """A client whose key has every scope and no limits."""
        url = f"http://{HOST}:{self.port}"
        return httpx.Client(base_url=url, headers={"X-API-Key": self.key}, timeout=30.0, trust_env=False)

    def replicas(self, deployment: str, *, application: str = layouts.NAME) -> list[psutil.Process]:
        """The processes of a deployment's replicas."""
        title = f"ray::ServeReplica:{application}:{deployment}"
        below = descendants(self.process.pid)
        return [process for process in below if title in " ".join(cmdline(process)) and is_alive(process)]

    def load(self, **plan: Any) -> Plan:
        """Makes a plan of load for this cluster."""
        return Plan(port=self.port, key=self.key, **plan)

    # --- the cache store ----------------------------------------------------------------------------------
    def kill_cache(self) -> None:
        """Kills the cache's server."""
        self.cache.process.kill()
        self.cache.process.wait()

    def restart_cache(self) -> None:
        """Starts a new, empty server behind the proxy, with the old one's password."""
        self.cache = start_cache(self.folder, self.cache)
        self.proxy.upstream_port = urlsplit(self.cache.url).port or 0


def start_cache(folder: Path, before: local_stores.Store | None = None) -> local_stores.Store:
    """Starts a cache server. It takes the password of the one before it, so that the replicas' URL stays valid."""
    cache = local_stores.start_cache(folder)
    if before is not None:
        import redis

        with redis.Redis.from_url(cache.url) as client:
            client.config_set("requirepass", urlsplit(before.url).password)
        parts = urlsplit(cache.url)
        url = urlunsplit(parts._replace(netloc=f":{urlsplit(before.url).password}@{HOST}:{parts.port}"))
        cache = local_stores.Store(cache.name, url, cache.process)
    return cache


@contextmanager
def cluster(transport: str, *, cpus: int = layouts.CPUS) -> Iterator[Cluster]:
    """Runs a cluster without an application. It ends with the block, whatever its state."""
    folder = Path(tempfile.mkdtemp(prefix="rel-", dir="/tmp"))
    stores, process = [local_stores.start_cache(folder), local_stores.start_state(folder, folder)], None
    found: Cluster | None = None
    try:
        with tcp_proxy.tcp_proxy(urlsplit(stores[0].url).port or 0) as proxy:
            port, key = free_port(), ensure_development_key(folder / "dev")
            process = _start_host(transport, folder, port, cpus, _environment(transport, folder, stores, proxy))
            met = folder / "faults"
            found = Cluster(transport, folder, port, key, process, stores[0], proxy, faults.Faults(met))
            yield found
    finally:
        if process is not None:
            _stop_host(process)
        for store in [found.cache if found else stores[0], stores[1]]:
            store.process.send_signal(signal.SIGCONT)
            local_stores.stop(store)
        shutil.rmtree(folder, ignore_errors=True)


def _environment(
    transport: str, folder: Path, stores: list[local_stores.Store], proxy: tcp_proxy.TcpProxy
) -> dict[str, str]:
    (folder / "faults").mkdir()
    cache = urlsplit(stores[0].url)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    flags = transport_profile(folder)
    if transport == "stock":
        flags = {name: flags[name] for name in ("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",)}
    return {
        **inherited,
        **ray_environment(folder),
        **flags,
        **_ingress_ports(),
        # On a busy machine, Serve would take a slow start of its own proxies for a failed one.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), inherited.get("PATH", os.defpath))),
        "PYTHONPATH": str(REPOSITORY),
        "REDIS_URL": f"redis://:{cache.password}@{HOST}:{proxy.port}/0",
        "STATE_REDIS_URL": stores[1].url,
        "STYLESYNC_KEYS_FILE": str(folder / "dev/keys.json"),
        "STYLESYNC_SECRET_FILE": str(folder / "dev/secret"),
        faults.FOLDER: str(folder / "faults"),
    }


def _ingress_ports() -> dict[str, str]:
    """A range of ports for the ingress replicas, so that two clusters on one machine do not collide."""
    first = 50 * (os.getpid() % 90)
    return {
        f"RAY_SERVE_DIRECT_INGRESS_{end}_{kind}_PORT": str(start + first + offset)
        for kind, start in (("HTTP", 21_000), ("GRPC", 26_000))
        for end, offset in (("MIN", 0), ("MAX", 49))
    }


def _start_host(
    transport: str, folder: Path, port: int, cpus: int, environment: dict[str, str]
) -> subprocess.Popen[str]:
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.host", str(port), str(folder), str(cpus)],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def _stop_host(process: subprocess.Popen[str]) -> None:
    """Ends the host and its descendants: gently first, and by force after a timeout."""
    below = descendants(process.pid) if process.poll() is None else []
    with suppress(OSError):
        cast(IO[str], process.stdin).close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    for one in [*below, psutil.Process(process.pid)] if process.poll() is None else below:
        with suppress(psutil.Error):
            one.kill()
    process.wait()


def wait_until(holds: Callable[[], bool], *, within_s: float = 120.0, every_s: float = POLL_S) -> float:
    """Waits for a condition, checked every every_s seconds. Gives the time it took, s. Raises TimeoutError."""
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > within_s:
            raise TimeoutError(f"The condition did not become true within {within_s:.0f} s.")
        time.sleep(every_s)
    return time.monotonic() - began_s
