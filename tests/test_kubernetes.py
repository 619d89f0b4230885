"""Tests the manifests of configs/kubernetes: probes, disruption, network, privileges, secrets, and both overlays."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from serve.version import VERSION

CONFIGS = Path(__file__).parent.parent / "configs"
BASE = CONFIGS / "kubernetes" / "base"
OVERLAYS = ("staging", "production")
# Pod Security Standards, "restricted": what each container must say.
CONFINED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@cache
def _documents(folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization's own files."""
    paths = [folder / name for name in _kustomization(folder)["resources"] if name.endswith(".yaml")]
    return [document for path in paths for document in yaml.safe_load_all(path.read_text())]


@cache
def _kustomization(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "kustomization.yaml").read_text()))


def _only(kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in _documents(BASE) if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def _cluster() -> dict[str, Any]:
    return dict(_only("RayService", "stylesync-colormatch")["spec"]["rayClusterConfig"])


def _workers() -> dict[str, dict[str, Any]]:
    return {group["groupName"]: group for group in _cluster()["workerGroupSpecs"]}


def _pods() -> dict[str, dict[str, Any]]:
    """The specs of all pods."""
    ray_pods = {"head": _cluster()["headGroupSpec"], **_workers()}
    return {
        **{name: group["template"]["spec"] for name, group in ray_pods.items()},
        "gcs": _only("StatefulSet", "stylesync-gcs")["spec"]["template"]["spec"],
    }


def _labels(group: str) -> dict[str, str]:
    """The labels of a group's pods: ours, and those that KubeRay adds."""
    return {**_workers()[group]["template"]["metadata"]["labels"], "ray.io/group": group}


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(selector["matchLabels"].items() <= labels.items())


def _container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    return dict(container)


def _variables(pod: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in _container(pod)["env"]}


# --- probes -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", ["cpu", "gpu"])
def test_the_probes_call_no_program(group: str) -> None:
    """KubeRay would add a readiness probe that calls wget, which the image does not have. Ours are HTTP requests."""
    container = _container(_pods()[group])
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": 8000}
    assert container["livenessProbe"]["httpGet"] == {"path": "/api/local_raylet_healthz", "port": 52365}
    assert not {"exec"} & (container["readinessProbe"].keys() | container["livenessProbe"].keys())


def test_rays_agent_answers_the_probe_without_a_token() -> None:
    """The list of exempt paths in Ray's agent holds the probe's."""
    agent = (Path(ray.__file__).parent / "dashboard" / "http_server_agent.py").read_text()
    assert '"/api/local_raylet_healthz"' in agent


def test_the_heads_state_has_probes_and_a_bound() -> None:
    """The Redis answers with an error before the kernel would kill it: maxmemory is below the pod's limit."""
    container = _container(_pods()["gcs"])
    assert {"readinessProbe", "livenessProbe"} <= container.keys()
    bound = re.search(r"--maxmemory (\d+)mb", container["args"][0])
    limit = re.fullmatch(r"(\d+)Mi", container["resources"]["limits"]["memory"])
    assert bound
    assert limit
    assert int(bound[1]) <= 0.8 * int(limit[1])


# --- logs ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", ["head", "cpu", "gpu"])
def test_replicas_write_to_the_pods_output(group: str) -> None:
    """Without these Ray redirects a replica's output to files, which a lost pod takes along. Ray still reads both."""
    variables = _variables(_pods()[group])
    assert variables["RAY_LOG_TO_STDERR"] == variables["RAY_SERVE_LOG_TO_STDERR"] == "1"
    folder = Path(ray.__file__).parent
    assert '"RAY_LOG_TO_STDERR"' in (folder / "_private/ray_constants.py").read_text()
    constants = (folder / "serve/_private/constants.py").read_text()
    assert 'RAY_SERVE_LOG_TO_STDERR = get_env_bool("RAY_SERVE_LOG_TO_STDERR", "0")' in constants


# --- disruption ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["head", "cpu", "gpu"])
def test_a_pod_has_time_to_drain(name: str) -> None:
    """Kubernetes kills a pod after its grace period, so Ray's drain ends before."""
    pod = _pods()[name]
    assert float(_variables(pod)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]) + 10 <= pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("group", ["cpu", "gpu"])
def test_a_drained_node_leaves_a_pod_of_each_group(group: str) -> None:
    """The budget selects the group's pods, keeps one, and can be kept at the least number of pods.

    It is a number of pods that stay: Kubernetes cannot count maxUnavailable for a controller without a scale.
    """
    budget = _only("PodDisruptionBudget", f"stylesync-{group}")["spec"]
    assert set(budget) == {"minAvailable", "selector"}
    assert 1 <= budget["minAvailable"] < _workers()[group]["minReplicas"]
    assert [other for other in _workers() if _selects(budget["selector"], _labels(other))] == [group]


@pytest.mark.parametrize("group", ["cpu", "gpu"])
def test_the_pods_of_a_group_spread(group: str) -> None:
    """Over zones and over machines, and a pod that finds no other place still starts."""
    spread = _pods()[group]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    for one in spread:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert [other for other in _workers() if _selects(one["labelSelector"], _labels(other))] == [group]


# --- network ------------------------------------------------------------------------------------------------------
def _ports(rule: dict[str, Any]) -> set[int] | None:
    return {one["port"] for one in rule["ports"]} if "ports" in rule else None


def test_nobody_else_reaches_rays_own_ports() -> None:
    """Only the cluster's pods reach every port. Other namespaces reach HTTP, and Prometheus the metrics ports."""
    policy = _only("NetworkPolicy", "stylesync-ray")["spec"]
    for group in (_cluster()["headGroupSpec"], *_workers().values()):
        assert _selects(policy["podSelector"], group["template"]["metadata"]["labels"])
    own, clients, metrics, operator = policy["ingress"]
    assert own == {"from": [{"podSelector": policy["podSelector"]}]}
    assert _ports(clients) == {8000}
    assert _ports(metrics) == {8000, 8080, 9101}
    assert _ports(operator) == {8000, 8265, 52365}
    assert "Ingress" in policy["policyTypes"]
    for rule in (clients, metrics, operator):
        (source,) = rule["from"]
        assert any(selector.get("matchLabels") for selector in source.values()), "an empty selector lets anybody in"


def test_only_the_cluster_reaches_the_heads_state() -> None:
    """The Redis of the head's state is open to Ray's pods alone."""
    policy = _only("NetworkPolicy", "stylesync-gcs")["spec"]
    labels = _only("StatefulSet", "stylesync-gcs")["spec"]["template"]["metadata"]["labels"]
    assert _selects(policy["podSelector"], labels)
    assert policy["ingress"] == [
        {"from": [{"podSelector": {"matchLabels": {"stylesync": "ray"}}}], "ports": [{"port": 6379}]}
    ]


# --- privileges and secrets ---------------------------------------------------------------------------------------
def test_every_pod_is_restricted() -> None:
    """Pod Security's "restricted" admits all pods, and the namespaces enforce it."""
    for name, pod in _pods().items():
        account = pod["securityContext"]
        assert account["runAsNonRoot"] is True, name
        assert account["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert _container(pod)["securityContext"] == CONFINED, name
    assert _cluster()["autoscalerOptions"]["securityContext"] == CONFINED
    for overlay in OVERLAYS:
        (namespace,) = _documents(CONFIGS / "kubernetes" / overlay)
        assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_only_the_pods_of_advice_have_the_pepper_and_the_stores() -> None:
    """The pepper is a secret of its own, mounted as files and never a variable. No other pod has either secret."""
    mounted = {
        name: {volume["secret"]["secretName"] for volume in pod.get("volumes", []) if "secret" in volume}
        for name, pod in _pods().items()
    }
    assert mounted == {"head": set(), "cpu": {"stylesync-pepper"}, "gpu": set(), "gcs": set()}
    read = {
        name: {source["secretRef"]["name"] for source in _container(pod).get("envFrom", []) if "secretRef" in source}
        for name, pod in _pods().items()
    }
    assert read == {"head": set(), "cpu": {"stylesync-service"}, "gpu": set(), "gcs": set()}
    mounts = {mount["name"]: mount["mountPath"] for mount in _container(_pods()["cpu"])["volumeMounts"]}
    variables = _variables(_pods()["cpu"])
    assert variables["STYLESYNC_SECRET_FILE"] == f"{mounts['pepper']}/current"
    assert variables["STYLESYNC_PREVIOUS_SECRET_FILE"] == f"{mounts['pepper']}/previous"


def test_the_logs_have_the_volume_that_kuberay_shares() -> None:
    """KubeRay gives the autoscaler's sidecar the volume `ray-logs`; another name would hide its log."""
    for name in ("head", "cpu", "gpu"):
        mounts = {mount["mountPath"]: mount["name"] for mount in _container(_pods()[name])["volumeMounts"]}
        assert mounts["/tmp/ray"] == "ray-logs"
        assert {"name": "ray-logs", "emptyDir": {}} in _pods()[name]["volumes"]


# --- the overlays -------------------------------------------------------------------------------------------------
def test_the_base_takes_in_all_its_files() -> None:
    """No manifest is left out, and the name that older documents use leads to the RayService."""
    assert sorted(path.name for path in BASE.glob("*.yaml")) == sorted(
        ["kustomization.yaml", *_kustomization(BASE)["resources"]]
    )
    assert (CONFIGS / "rayservice.yaml").resolve() == BASE / "rayservice.yaml"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_sets_the_image_of_every_pod_of_ray(overlay: str) -> None:
    """Its patches name images that are there, each once, in this version; namespaces differ."""
    folder = CONFIGS / "kubernetes" / overlay
    kustomization = _kustomization(folder)
    (namespace,) = _documents(folder)
    assert namespace["metadata"]["name"] == kustomization["namespace"]
    assert "../base" in kustomization["resources"]
    (patch,) = kustomization["patches"]
    service = _only("RayService", patch["target"]["name"])
    changed = {step["path"]: step["value"] for step in yaml.safe_load(patch["patch"]) if step["op"] == "replace"}
    for path, image in changed.items():
        assert _at(service, path).rpartition("-")[2] == image.rpartition("-")[2], "the target, cpu or gpu, stays"
        assert f":{VERSION}-" in image
    assert len(changed) == 1 + len(_workers())


def test_staging_and_production_are_apart() -> None:
    """Each has a namespace of its own."""
    assert len({_kustomization(CONFIGS / "kubernetes" / overlay)["namespace"] for overlay in OVERLAYS}) == len(OVERLAYS)


def _at(document: Any, pointer: str) -> str:
    """The text that a JSON pointer leads to."""
    for part in pointer.strip("/").split("/"):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return str(document)
