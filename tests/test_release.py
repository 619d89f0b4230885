"""Tests the files of a release: the image, the cluster files and the workflows."""

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from serve.local.plan import REPOSITORY, TRANSPORT_FLAGS
from serve.version import VERSION

TOOLS = Path(sysconfig.get_path("scripts"))
CONFIGS = REPOSITORY / "configs"
WORKFLOWS = REPOSITORY / ".github" / "workflows"
SECRET_NAMES = re.compile(r"password|secret|token|pepper|key", re.IGNORECASE)


def _ray_up() -> dict[str, Any]:
    """cluster.yaml with the defaults that `ray up` adds."""
    completed: dict[str, Any] = prepare_config(yaml.safe_load((REPOSITORY / "cluster.yaml").read_text()))
    return completed


def _kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((CONFIGS / "rayservice.yaml").read_text()))


def _ray_groups() -> list[dict[str, Any]]:
    config = _kubernetes()[0]["spec"]["rayClusterConfig"]
    return [config["headGroupSpec"], *config["workerGroupSpecs"]]


def _run_options() -> dict[str, str]:
    options = [option for option in _ray_up()["docker"]["run_options"] if option.startswith("--env ")]
    return dict(shlex.split(option)[1].split("=", 1) for option in options)


def _image_variables() -> dict[str, str]:
    (block,) = re.findall(r"^ENV (PATH=.*?[^\\])$", (REPOSITORY / "Dockerfile").read_text(), re.DOTALL | re.MULTILINE)
    return dict(one.split("=", 1) for one in shlex.split(block.replace("\\\n", " ")))


def _pod_variables(group: dict[str, Any]) -> dict[str, str]:
    (container,) = group["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


# --- ray up -------------------------------------------------------------------------------------------------------
def test_ray_accepts_the_cluster_file_when_it_is_validated() -> None:
    """`ray up` validates the completed file by this schema and refuses unknown fields."""
    validate_config(_ray_up())


def test_the_cluster_file_installs_no_other_ray() -> None:
    """Without these fields, Ray's defaults would install a nightly Ray. The images hold everything."""
    completed = _ray_up()
    for commands in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        assert completed[commands] == []


def test_the_cluster_file_puts_no_work_on_the_head() -> None:
    """The head offers neither CPUs nor GPUs, and the other groups carry the label that serve.cluster.yaml asks for."""
    groups = _ray_up()["available_node_types"]
    assert groups.pop("head")["resources"] == {"CPU": 0, "GPU": 0}
    assert {name: group["labels"] for name, group in groups.items()} == {
        name: {"stylesync-group": name} for name in ("cpu", "gpu")
    }
    assert all(group["min_workers"] >= 1 for group in groups.values())


def test_the_gpu_nodes_give_their_containers_the_gpu() -> None:
    """Docker passes the GPUs to the containers of the GPU nodes, beside the options that all nodes have."""
    config = _ray_up()
    for name, group in config["available_node_types"].items():
        options = {**config["docker"], **group.get("docker", {})}  # as the autoscaler merges them
        assert options["run_options"] == config["docker"]["run_options"]
        assert ("--gpus all" in options.get("worker_run_options", [])) == (name == "gpu")


# --- the transport flags ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "variables",
    [_image_variables(), _run_options(), *map(_pod_variables, _ray_groups())],
    ids=["Dockerfile", "cluster.yaml", "rayservice head", "rayservice cpu", "rayservice gpu"],
)
def test_every_node_starts_with_the_transport_flags(variables: dict[str, str]) -> None:
    """Both flags and the gate are in the environment of `ray start` on every node, and HAProxy is not trusted."""
    assert {name: variables.get(name) for name in TRANSPORT_FLAGS} == TRANSPORT_FLAGS
    assert variables["FORWARDED_ALLOW_IPS"] == ""


def test_both_clusters_use_token_authentication() -> None:
    """Both kinds of cluster use token authentication."""
    assert _run_options()["RAY_AUTH_MODE"] == "token"
    assert _kubernetes()[0]["spec"]["rayClusterConfig"]["authOptions"]["mode"] == "token"


def test_no_cluster_file_holds_a_secret() -> None:
    """Secrets come from the machine's role or from Kubernetes' secrets, never from a literal."""
    for variables in (_run_options(), _image_variables(), *map(_pod_variables, _ray_groups())):
        literal = {name: value for name, value in variables.items() if SECRET_NAMES.search(name)}
        assert set(literal) <= {"STYLESYNC_SECRET_FILE", "STYLESYNC_PREVIOUS_SECRET_FILE"}
    password = _kubernetes()[0]["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisPassword"]
    assert set(password["valueFrom"]) == {"secretKeyRef"}


# --- KubeRay ------------------------------------------------------------------------------------------------------
def _closed(**properties: Any) -> dict[str, Any]:
    """A schema of an object with these properties only. A name that ends in `_` is required."""
    return {
        "type": "object",
        "properties": {name.rstrip("_"): schema for name, schema in properties.items()},
        "required": [name.rstrip("_") for name in properties if name.endswith("_")],
        "additionalProperties": False,
    }


TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
ANYTHING = {"type": "object"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
SECRET_KEY = _closed(valueFrom_=_closed(secretKeyRef_=_closed(name_=TEXT, key_=TEXT)))
# The parts of KubeRay's CRD that are used, by its 1.6 (helm-chart/kuberay-operator/crds/ray.io_rayservices.yaml).
RAY_SERVICE = _closed(
    apiVersion_={"const": "ray.io/v1"},
    kind_={"const": "RayService"},
    metadata_=_closed(name_=TEXT),
    spec_=_closed(
        excludeHeadPodFromServeSvc=FLAG,
        serveConfigV2_=TEXT,
        rayClusterConfig_=_closed(
            rayVersion_=TEXT,
            authOptions_=_closed(mode={"enum": ["disabled", "token"]}, secretName=TEXT),
            gcsFaultToleranceOptions_=_closed(redisAddress_=TEXT, redisPassword=SECRET_KEY),
            enableInTreeAutoscaling=FLAG,
            autoscalerOptions=_closed(
                version={"enum": ["v1", "v2"]}, idleTimeoutSeconds=COUNT, securityContext=ANYTHING
            ),
            headGroupSpec_=_closed(rayStartParams=TEXTS, labels=TEXTS, template_=ANYTHING),
            workerGroupSpecs={
                "type": "array",
                "items": _closed(
                    groupName_=TEXT,
                    replicas=COUNT,
                    minReplicas_=COUNT,
                    maxReplicas_=COUNT,
                    labels=TEXTS,
                    rayStartParams=TEXTS,
                    template_=_closed(metadata=_closed(labels=TEXTS), spec_=ANYTHING),
                ),
            },
        ),
    ),
)


def test_kuberay_knows_every_field_of_the_rayservice() -> None:
    """The RayService has the CRD's structure: an unknown or missing field is an error."""
    jsonschema.validate(_kubernetes()[0], RAY_SERVICE)


def test_kubernetes_has_the_config_of_the_cluster() -> None:
    """The RayService contains configs/serve.cluster.yaml and runs the locked version of Ray."""
    spec = _kubernetes()[0]["spec"]
    assert yaml.safe_load(spec["serveConfigV2"]) == yaml.safe_load((CONFIGS / "serve.cluster.yaml").read_text())
    assert f"ray=={spec['rayClusterConfig']['rayVersion']}" in (CONFIGS / "locks/base.lock").read_text().replace(
        "ray[data,serve]==", "ray=="
    )


def test_the_rayservice_puts_no_work_on_the_head() -> None:
    """The head has no CPUs, the groups have the labels of the config, and each GPU pod has a whole GPU."""
    head, *workers = _ray_groups()
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert [group["labels"]["stylesync-group"] for group in workers] == ["cpu", "gpu"]
    assert [
        "nvidia.com/gpu" in group["template"]["spec"]["containers"][0]["resources"]["limits"] for group in workers
    ] == [False, True]


def test_the_heads_state_has_a_redis_of_its_own() -> None:
    """GCS has a Redis of its own, which never evicts and appends every write."""
    address = _kubernetes()[0]["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisAddress"]
    stores = {one["metadata"]["name"]: one for one in _kubernetes() if one["kind"] == "StatefulSet"}
    (command,) = stores[address.partition(":")[0]]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


# --- the image ----------------------------------------------------------------------------------------------------
def test_hadolint_accepts_the_dockerfile() -> None:
    """hadolint finds nothing in the Dockerfile."""
    _is_silent("hadolint", REPOSITORY / "Dockerfile")


def test_the_image_is_pinned_and_runs_without_root() -> None:
    """The base has a digest, both targets run as an unprivileged user, and the image holds HAProxy's licence."""
    text = (REPOSITORY / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    targets = [stage for stage in text.split("\nFROM ")[1:] if stage.startswith("runtime AS ")]
    assert [stage.splitlines()[0] for stage in targets] == ["runtime AS gpu", "runtime AS cpu"]
    assert all("\nUSER 1000\n" in stage and "HAProxy-GPL-2" in stage for stage in targets)


def test_the_gpu_image_asks_for_the_gpu() -> None:
    """NVIDIA's container runtime gives a container nothing unless these variables name it."""
    text = (REPOSITORY / "Dockerfile").read_text()
    gpu, _, cpu = text.partition("FROM runtime AS gpu")[2].partition("FROM runtime AS cpu")
    for variable in ("NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"):
        assert variable in gpu
        assert variable not in cpu


def test_one_version_stands_in_every_release_file() -> None:
    """pyproject.toml, the image tags of the cluster files and the changelog name the same version."""
    tags = set[str]()
    for path in (REPOSITORY / "cluster.yaml", CONFIGS / "rayservice.yaml"):
        tags |= set(re.findall(r"stylesync-colormatch:([0-9.]+)-(?:cpu|gpu)", path.read_text()))
    assert tags == {VERSION}
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == VERSION


# --- the workflows ------------------------------------------------------------------------------------------------
def test_zizmor_accepts_the_workflows() -> None:
    """zizmor, offline, finds nothing in the workflows."""
    _is_silent("zizmor", "--offline", "--no-progress", WORKFLOWS)


def test_every_action_is_pinned_by_its_commit() -> None:
    """Every action is named by the hash of a commit, with a comment that names its version."""
    used = re.findall(r"uses: (.*)$", "\n".join(path.read_text() for path in WORKFLOWS.iterdir()), re.MULTILINE)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\S+|\./\.github/\S+.*", one)] == []


def _is_silent(tool: str, *arguments: str | Path) -> None:
    done = subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
