"""Computes from the configs and the cluster files that replicas, updates and lost nodes fit the machines.

The costs of a photo are in tests/nodes/costs.py. `make prove-autoscaling` shows the scaling.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.settings import AdviceConfig
from serve.walk import admission
from tests.nodes.costs import BUSY, COSTS, GPU_FEED, LATENCY_S, Cost

REPOSITORY = Path(__file__).parent.parent
CONFIGS = REPOSITORY / "configs"
SERVE_CONFIGS = ("serve.local.yaml", "serve.gpu.yaml", "serve.cluster.yaml")
# Taste: how much of what the nodes hold at their maximum the replicas ask for; the rest is for updates and a lost node.
USED = 0.55
# vCPUs, memory in GiB and GPUs of the machines in cluster.yaml (AWS EC2).
MACHINES = {"c7i.2xlarge": (8, 16, 0), "c7i.4xlarge": (16, 32, 0), "g6.xlarge": (4, 16, 1)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a config asks for one deployment. At most per_node replicas share a node; 0: any number."""

    name: str
    cpus: float
    gpus: float
    least: int
    most: int
    per_node: int
    surge_percent: int
    target: float
    group: str
    cost: Cost

    @property
    def per_s(self) -> float:
        """The photos a second of one replica whose busiest thread is BUSY."""
        return BUSY * 1000 / self.cost.thread_ms

    def with_surge(self, replicas: int) -> int:
        """The replicas during an update (ray/serve/_private/deployment_state.py)."""
        return replicas + math.ceil(self.surge_percent * replicas / 100)


@dataclass(frozen=True, slots=True)
class Nodes:
    """A group of like machines: how many there are at least and at most, and what each offers to Ray."""

    least: int
    most: int
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Site:
    """A config and the nodes that it is for, by group."""

    wanted: dict[str, Wanted]
    groups: dict[str, Nodes]
    one_machine: bool

    @property
    def per_s(self) -> float:
        """The new photos a second that replicas and machines serve at their maximum."""
        by_replicas = min(one.most * one.per_s for one in self.wanted.values())
        if not self.one_machine:
            return by_replicas
        (machine,) = self.groups.values()
        return min(by_replicas, BUSY * 1000 * machine.cpus / sum(one.cost.cpu_ms for one in self.wanted.values()))


def _wanted(section: dict[str, Any]) -> Wanted:
    options, scaling = section["ray_actor_options"], section["autoscaling_config"]
    gpus = options.get("num_gpus", 0)
    return Wanted(
        name=section["name"],
        cpus=options["num_cpus"],
        gpus=gpus,
        least=scaling["min_replicas"],
        most=scaling["max_replicas"],
        per_node=section.get("max_replicas_per_node", 0),
        surge_percent=section.get("max_surge_percent", 0),
        target=scaling["target_ongoing_requests"],
        group=options.get("label_selector", {}).get("stylesync-group", "machine"),
        cost=GPU_FEED if gpus else COSTS[section["name"]],
    )


@cache
def _config(name: str) -> dict[str, Any]:
    document = yaml.safe_load((CONFIGS / name).read_text())
    assert isinstance(document, dict)
    return document


def _deployments(name: str) -> dict[str, Wanted]:
    (application,) = _config(name)["applications"]
    return {section["name"]: _wanted(section) for section in application["deployments"]}


def _cluster_file() -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "cluster.yaml").read_text()))


def _worker_pods() -> dict[str, dict[str, Any]]:
    rayservice = next(yaml.safe_load_all((CONFIGS / "rayservice.yaml").read_text()))
    return {group["groupName"]: group for group in rayservice["spec"]["rayClusterConfig"]["workerGroupSpecs"]}


def _machines() -> dict[str, Nodes]:
    """The groups of cluster.yaml."""
    found = {}
    for name, group in _cluster_file()["available_node_types"].items():
        if name != "head":
            cpus, _, gpus = MACHINES[group["node_config"]["InstanceType"]]
            found[name] = Nodes(group["min_workers"], group["max_workers"], cpus, gpus)
    return found


def _requests(group: dict[str, Any]) -> dict[str, str]:
    (container,) = group["template"]["spec"]["containers"]
    return dict(container["resources"]["requests"])


def _pods() -> dict[str, Nodes]:
    """The groups of rayservice.yaml."""
    return {
        name: Nodes(
            group["minReplicas"],
            group["maxReplicas"],
            float(_requests(group)["cpu"]),
            float(_requests(group).get("nvidia.com/gpu", 0)),
        )
        for name, group in _worker_pods().items()
    }


def _sites() -> dict[str, Site]:
    cluster = _deployments("serve.cluster.yaml")
    return {
        "serve.local.yaml": Site(_deployments("serve.local.yaml"), {"machine": Nodes(1, 1, 2, 0)}, one_machine=True),
        "serve.gpu.yaml": Site(_deployments("serve.gpu.yaml"), {"machine": Nodes(1, 1, 10, 1)}, one_machine=True),
        "cluster.yaml": Site(cluster, _machines(), one_machine=False),
        "rayservice.yaml": Site(cluster, _pods(), one_machine=False),
    }


SITES = _sites()
CLUSTERS = ("cluster.yaml", "rayservice.yaml")


def _fits(counts: dict[str, int], site: Site, group: str, nodes: int) -> bool:
    """Whether so many replicas fit: the largest first, each on the node of its group with most room, as Ray spreads."""
    offered = site.groups[group]
    free = [[offered.cpus, offered.gpus] for _ in range(nodes)]
    placed: list[Counter[str]] = [Counter() for _ in range(nodes)]
    for one in sorted(site.wanted.values(), key=lambda one: -one.cpus):
        for _ in range(counts[one.name] if one.group == group else 0):
            room = [
                number
                for number, (cpus, gpus) in enumerate(free)
                if cpus >= one.cpus - 1e-9
                and gpus >= one.gpus - 1e-9
                and (not one.per_node or placed[number][one.name] < one.per_node)
            ]
            if not room:
                return False
            best = max(room, key=lambda number: (-placed[number][one.name], free[number][0]))
            free[best][0] -= one.cpus
            free[best][1] -= one.gpus
            placed[best][one.name] += 1
    return True


# --- one replica --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SITES)
def test_a_deployment_reserves_the_cpus_that_it_burns(name: str) -> None:
    """At the rate that the whole config serves at its maximum, no deployment burns more CPUs than Ray set aside."""
    site = SITES[name]
    short = {
        one.name: (one.cpus * one.most, burnt)
        for one in site.wanted.values()
        if one.cpus * one.most < (burnt := site.per_s * one.cost.cpu_ms / 1000) - 1e-9
    }
    assert short == {}, f"reserved and burnt CPUs at {site.per_s:.0f} photos/s"


# --- what the nodes hold ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("bound", ["least", "most"])
def test_the_nodes_hold_every_replica(name: str, bound: str) -> None:
    """The least nodes hold the least replicas, and the most nodes the most: no replica waits for ever."""
    site = SITES[name]
    counts = {one.name: getattr(one, bound) for one in site.wanted.values()}
    assert [
        group for group, nodes in site.groups.items() if not _fits(counts, site, group, getattr(nodes, bound))
    ] == []


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("bound", ["least", "most"])
def test_an_update_fits_beside_the_running_replicas(name: str, bound: str) -> None:
    """A new version starts beside the old one without a further node, also within max_replicas_per_node.

    Ray counts both versions towards it. A changed network or pepper updates one deployment; changed args update all at
    once. One machine at its maximum has room for one deployment at a time, and updates the others after it.
    """
    site = SITES[name]
    running = {one.name: getattr(one, bound) for one in site.wanted.values()}
    updates = [{one.name: one.with_surge(running[one.name])} for one in site.wanted.values()]
    if bound == "least" or not site.one_machine:
        updates.append({changed: count for update in updates for changed, count in update.items()})
    stuck = [
        (group, update)
        for update in updates
        for group, nodes in site.groups.items()
        if not _fits(running | update, site, group, getattr(nodes, bound))
    ]
    assert stuck == []


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_lost_node_leaves_a_replica_of_everything(name: str) -> None:
    """Each group has two nodes or more, and no node can hold all replicas of a deployment."""
    site = SITES[name]
    assert {group for group, nodes in site.groups.items() if nodes.least < 2} == set()
    lost = [one.name for one in site.wanted.values() if not one.per_node or one.per_node >= one.least]
    assert lost == []


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_node_is_paid_for_nothing_at_the_maximum(name: str) -> None:
    """At their maximum, replicas ask for most of the CPUs of the CPU nodes, and of the GPUs of the GPU nodes."""
    site = SITES[name]
    asked_cpus = sum(one.cpus * one.most for one in site.wanted.values() if one.group == "cpu")
    asked_gpus = sum(one.gpus * one.most for one in site.wanted.values())
    assert asked_cpus >= USED * site.groups["cpu"].most * site.groups["cpu"].cpus
    assert asked_gpus >= USED * site.groups["gpu"].most * site.groups["gpu"].gpus


def test_the_cluster_file_allows_as_many_nodes_as_its_groups() -> None:
    """max_workers bounds the groups together, so a smaller number would keep one of them from its maximum."""
    groups = _machines().values()
    assert _cluster_file()["max_workers"] >= sum(group.most for group in groups)


def test_both_clusters_have_as_many_nodes() -> None:
    """`ray up` and Kubernetes get groups of the same sizes."""
    sizes = [{name: (group.least, group.most) for name, group in groups.items()} for groups in (_machines(), _pods())]
    assert sizes[0] == sizes[1]


def test_a_pod_fits_the_machine_of_its_group() -> None:
    """Kubernetes keeps part of a machine to itself: here a tenth of the CPUs and 2 GiB are left to it."""
    for name, group in _cluster_file()["available_node_types"].items():
        if name != "head":
            cpus, memory_gib, _ = MACHINES[group["node_config"]["InstanceType"]]
            asked = _requests(_worker_pods()[name])
            gib = re.fullmatch(r"(\d+)Gi", asked["memory"])
            assert gib
            assert float(asked["cpu"]) <= 0.9 * cpus
            assert int(gib[1]) <= memory_gib - 2


# --- scaling ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_a_deployment_that_scales_reaches_its_target_before_photos_are_refused(name: str) -> None:
    """Refused photos are not ongoing, so Serve adds a replica only for a target below what admission lets in.

    Each Advice replica admits admission.START photos before it has learnt anything. A phase's target is below its part
    of those at the least replicas.
    """
    found = _deployments(name)
    advice = found.pop("Advice")
    assert advice.least == advice.most or advice.target < admission.START
    admitted = advice.least * admission.START
    unreachable = [one.name for one in found.values() if one.least < one.most and one.target * one.least > admitted]
    assert unreachable == []


@pytest.mark.parametrize("name", ["serve.gpu.yaml", "serve.cluster.yaml"])
def test_a_replica_at_its_target_is_as_busy_as_it_should_be(name: str) -> None:
    """60 to 70 %: ongoing calls are rate times latency (Little). So Serve adds a replica before photos wait long.

    Extraction and Harmony are one thread with random arrivals: n calls on average mean that it is busy n / (n + 1) of
    the time (M/M/1). A GPU works in batches and is left out.
    """
    busy = {
        one.name: one.target / LATENCY_S * one.cost.thread_ms / 1000
        if one.name == "Advice"
        else one.target / (one.target + 1)
        for one in _deployments(name).values()
        if not one.gpus
    }
    assert set(busy) == {"Advice", "Extraction", "Harmony"}
    assert {deployment: share for deployment, share in busy.items() if not 0.6 <= share <= 0.7} == {}


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_a_phase_at_its_target_keeps_within_half_of_its_budget(name: str) -> None:
    """Admission lowers its limit once a step takes half of its budget, so a phase must scale before that."""
    (application,) = _config(name)["applications"]
    sections = {section["name"]: section for section in application["deployments"]}
    budgets = AdviceConfig.model_validate(sections["Advice"]["user_config"]).budgets
    late = {
        one.name: one.target * one.cost.thread_ms
        for one in _deployments(name).values()
        if one.name != "Advice"
        and one.target * one.cost.thread_ms > admission.STRAINED * getattr(budgets, f"{one.name.lower()}_ms")
    }
    assert late == {}


# --- what a rate needs --------------------------------------------------------------------------------------------
def test_the_sizing_table_is_that_of_these_costs() -> None:
    """`make sizing` writes it."""
    from tests.bench import sizing

    assert sizing.DOCUMENT.read_text() == sizing.document()


@pytest.mark.parametrize("gpus", [False, True])
def test_twice_the_rate_never_needs_less(gpus: bool) -> None:
    """Replicas and nodes grow with the rate, and no replica or core is busier than planned."""
    from tests.bench.sizing import CPU_NODE, site

    for per_s in (5, 20, 100, 500):
        one, two = site(per_s, gpus=gpus), site(2 * per_s, gpus=gpus)
        assert all(one.replicas[name] <= two.replicas[name] for name in COSTS)
        assert (one.cpu_nodes, one.gpu_nodes) <= (two.cpu_nodes, two.gpu_nodes)
        busiest = {name: GPU_FEED if gpus and name == "Segmentation" else cost for name, cost in COSTS.items()}
        assert all(per_s * busiest[name].thread_ms / 1000 <= BUSY * count for name, count in one.replicas.items())
        cores = sum(cost.cpu_ms for name, cost in COSTS.items() if not (gpus and name == "Segmentation")) * per_s / 1000
        assert cores <= BUSY * one.cpu_nodes * MACHINES[CPU_NODE][0]
