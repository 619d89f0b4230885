"""Measures bar 27: what the start of a replica costs beside that of an empty one."""

import copy
import time
from functools import partial
from statistics import median

import psutil

from tests.reliability import empty_app, layouts
from tests.reliability.bars import START_CPU_S
from tests.reliability.cluster import DEPLOYMENTS, Cluster, wait_until
from tests.reliability.kit import Kit

EMPTY = "Empty"


def replica_starts(kit: Kit) -> None:
    """Measures bar 27, replica starts."""
    at = kit.cluster(_beside_an_empty_one())
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in (EMPTY, *DEPLOYMENTS)}
    for _ in range(kit.times(5)):
        for name, starts in took.items():
            starts.append(_start(at, name))
            kit.say(f"{name}: {starts[-1][0]:.2f} s of CPU, ready {starts[-1][1]:.1f} s after its process began")
    cpu_s = {name: median(cpu for cpu, _ in starts) for name, starts in took.items()}
    wall_s = {name: median(wall for _, wall in starts) for name, starts in took.items()}
    each = ", ".join(f"{name} {cpu_s[name]:.2f} s in {wall_s[name]:.1f} s" for name in took)
    kit.row(
        "27",
        f"kill -9 of a replica without load, {kit.times(5)} times each, the successor's CPU until it is ready",
        each,
        all(cpu_s[name] <= cpu_s[EMPTY] + START_CPU_S[name] for name in DEPLOYMENTS),
    )


def _beside_an_empty_one() -> layouts.Config:
    config = copy.deepcopy(layouts.layout(1))
    empty = {
        "name": empty_app.NAME,
        "route_prefix": "/empty",
        "import_path": "tests.reliability.empty_app:build",
        "args": {},
        "deployments": [{"name": EMPTY, "num_replicas": 1, "ray_actor_options": {"num_cpus": 0.1}}],
    }
    config["applications"].append(empty)
    return config


def _start(at: Cluster, name: str) -> tuple[float, float]:
    """The CPU time and the time, s, that a killed replica's successor takes until it is ready, its children's too."""
    (victim,) = _replicas(at, name)
    victim.kill()
    wait_until(partial(_is_ready, at, name, victim.pid), every_s=0.1)
    (successor,) = _replicas(at, name)
    times = [one.cpu_times() for one in [successor, *successor.children(recursive=True)]]
    return sum(one.user + one.system for one in times), time.time() - successor.create_time()


def _is_ready(at: Cluster, name: str, pid: int) -> bool:
    found = {one.pid for one in _replicas(at, name)}
    return bool(found) and pid not in found and at.running()[name] == 1


def _replicas(at: Cluster, name: str) -> list[psutil.Process]:
    return at.replicas(name, application=empty_app.NAME if name == EMPTY else layouts.NAME)
