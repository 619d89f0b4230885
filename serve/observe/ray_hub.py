"""Runs the metrics hub as a named Ray actor, and passes the metrics to Ray's own exporters.

The actor needs no CPU and restarts on any node. It saves its state in Ray's key-value store, which a cluster with GCS
fault tolerance keeps in Redis. Without Ray (Serve's local testing mode) the hub is in the process.
"""

import asyncio
import threading
from functools import cache, partial
from typing import Any

import ray
from ray import serve as ray_serve
from ray.serve import metrics as ray_metrics

from pipeline.errors import NotReady
from serve.observe.hub import Hub
from serve.observe.metrics import Family, Metrics, Reporter, families_of, is_counted

# The version of the format of reports and state; another version gets a hub of its own.
FORMAT = 1
NAMESPACE = "serve"
# Taste: the hub sums thousands of samples at most, so it is down when it needs longer.
TIMEOUT_S = 5.0
CANNOT_TELL = "The metrics cannot be collected just now; try again shortly."


class HubActor(Hub):
    """The hub, which saves its state in Ray's key-value store."""

    def __init__(self, name: str) -> None:
        from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

        super().__init__(
            keep=partial(_internal_kv_put, name, overwrite=True, namespace=NAMESPACE),
            kept=_internal_kv_get(name, namespace=NAMESPACE),
        )


class Exchange:
    """Connects a replica to the hub and to Ray's exporters."""

    def __init__(self) -> None:
        context = ray_serve.get_replica_context()
        self._name = f"{context.app_name}:metrics:{FORMAT}"
        self._replica = str(context.replica_tag)
        self._exported = Exported()
        self._found: Any = None

    def push(self, report: bytes) -> None:
        """Sends a report and waits for the hub. Raises Ray's errors."""
        self._exported.update(families_of(report))
        try:
            ray.get(self._hub().push.remote(self._replica, report), timeout=TIMEOUT_S)
        except ray.exceptions.RayError:
            self._found = None
            raise

    async def text(self) -> bytes:
        """The metrics of all replicas as text. Raises NotReady while the hub does not answer."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                text: bytes = await self._hub().text.remote()
        except (TimeoutError, ray.exceptions.RayError, ValueError) as error:
            raise NotReady(CANNOT_TELL) from error
        return text

    def _hub(self) -> Any:
        """The application's hub; the first replica that needs it starts it."""
        if self._found is None:
            options = {"name": self._name, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
            self._found = ray.remote(HubActor).options(num_cpus=0, max_restarts=-1, **options).remote(self._name)
        return self._found


class InProcess:
    """The hub of a process without Ray, where each reporting thread counts as a replica."""

    def __init__(self) -> None:
        self._hub = Hub()

    def push(self, report: bytes) -> None:
        """Takes a report."""
        self._hub.push(str(threading.get_ident()), report)

    async def text(self) -> bytes:
        """The metrics as text."""
        return self._hub.text()


@cache
def exchange() -> Exchange | InProcess:
    """This process's connection to the hub."""
    return Exchange() if ray.is_initialized() else InProcess()


def report(metrics: Metrics) -> Reporter:
    """Starts reporting a replica's metrics."""
    return Reporter(metrics, exchange().push)


class Exported:
    """Copies the metrics to Ray's own exporters, as `ray_<name>` with Serve's labels, at each push.

    Ray's histograms only take single values, so our buckets, sums and counts become counters.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def update(self, families: list[Family]) -> None:
        """Passes on what changed since the last call."""
        for family in families:
            kind: Any = ray_metrics.Counter if is_counted(family) else ray_metrics.Gauge
            for name, labels, value in family.samples:
                change = value - self._values.get((name, labels), 0.0)
                if change == 0:
                    continue
                self._values[name, labels] = value
                if name not in self._known:
                    tags = tuple(label for label, _ in labels)
                    self._known[name] = kind(name.removesuffix("_total"), family.help, tags)
                if is_counted(family):
                    self._known[name].inc(change, dict(labels))
                else:
                    self._known[name].set(value, dict(labels))
