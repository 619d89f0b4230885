"""The cluster's config on three nodes of this machine, whose declared resources stand in for GPUs."""

from collections.abc import Iterator

import httpx
import pytest

from serve.local.processes import HOST
from tests.cluster.application import photo_form
from tests.nodes.machines import Config, Site, deployments_of, shrunk, site, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
AMPLE_MS = 30_000
GROUPS = {"Advice": "cpu-1", "Segmentation": "gpu-1", "Extraction": "cpu-1", "Harmony": "cpu-1"}


def _single(config: Config) -> Config:
    """One replica of each deployment, to keep the test short. `make prove-nodes` runs the configured numbers."""
    for deployment in deployments_of(config).values():
        deployment["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
    return config


@pytest.fixture(scope="module")
def cluster() -> Iterator[Site]:
    """A head without CPUs, a CPU node and a GPU node, with the application on them."""
    with site() as made:
        made.start("cpu-1", cpus=4)
        made.start("gpu-1", cpus=2, gpus=1)
        made.deploy(_single(shrunk("serve.cluster.yaml", made.machines["head"].proxy_port, budget_ms=AMPLE_MS)))
        wait_until(lambda: made.runs() and made.is_ready() and made.is_ready("cpu-1"))
        yield made


def test_every_replica_runs_on_the_nodes_of_its_group(cluster: Site) -> None:
    """The network runs on the GPU node, the other deployments on the CPU node, and nothing on the head."""
    found = {name: {cluster.machine_of(pid) for pid in cluster.replicas(name)} for name in GROUPS}
    assert found == {name: {machine} for name, machine in GROUPS.items()}


def test_a_replica_takes_its_share_of_the_gpu(cluster: Site) -> None:
    """Ray subtracts a replica's share from the node's GPU."""
    status = cluster.ask("/api/cluster_status")["data"]["clusterStatus"]["loadMetricsReport"]["usage"]
    assert status["GPU"] == [0.5, 1.0]


def test_a_photo_is_answered_whole_when_it_comes_in_by_any_node(cluster: Site, astronaut: bytes) -> None:
    """The HAProxy of the head and of each node with replicas leads to the replicas."""
    for name in ("head", "cpu-1"):
        url = f"http://{HOST}:{cluster.machines[name].proxy_port}/v1/advice"
        form = photo_form(astronaut, cache="bypass")
        answer = httpx.post(url, headers={"X-API-Key": cluster.key}, timeout=60, trust_env=False, **form)
        assert answer.status_code == 200
        assert answer.json()["degraded"] == []
