"""Tests the files of a release: the image, the cluster files and the workflows."""

import os
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

from serve.local.plan import HAPROXY, NODE_FLAGS, REPOSITORY
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


def test_a_second_cluster_shares_nothing_but_the_stores_when_it_is_made() -> None:
    """Its nodes, and what its head keeps in the Redis that both use, have a name of their own; its images a digest."""
    images = {kind: f"registry.test/colormatch@sha256:{digit * 64}" for kind, digit in (("cpu", "a"), ("gpu", "b"))}
    printed = _second_cluster("0.2.0", *images.values())
    made, first = prepare_config(yaml.safe_load(printed.stdout)), _ray_up()
    validate_config(made)
    assert (made["cluster_name"], first["cluster_name"]) == ("stylesync-0-2-0", "stylesync")
    namespaces = [" ".join(one["head_start_ray_commands"]).count("namespace=stylesync-0-2-0 ") for one in (made, first)]
    assert namespaces == [1, 0]
    assert made["docker"]["image"] == images["cpu"]
    assert made["available_node_types"]["gpu"]["docker"]["worker_image"] == images["gpu"]
    lines = zip(printed.stdout.splitlines(), (REPOSITORY / "cluster.yaml").read_text().splitlines(), strict=True)
    assert sum(one != other for one, other in lines) == 4


@pytest.mark.parametrize(
    "arguments",
    [("0.2.0",), ("0.2.0", "registry.test/a:1", "registry.test/a:1"), ("0.2.0", "a@sha256:1", "a@sha256:1")],
    ids=["no images", "tags", "half a digest"],
)
def test_a_second_cluster_is_refused_when_an_image_has_no_digest(arguments: tuple[str, ...]) -> None:
    """Nothing is printed."""
    done = _second_cluster(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "sha256" in done.stderr


def _second_cluster(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(CONFIGS / "release/second_cluster.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)


# --- the flags of a node ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "variables",
    [_image_variables(), _run_options(), *map(_pod_variables, _ray_groups())],
    ids=["Dockerfile", "cluster.yaml", "rayservice head", "rayservice cpu", "rayservice gpu"],
)
def test_every_node_starts_with_its_flags(variables: dict[str, str]) -> None:
    """The environment of `ray start` has the flags and the gate on every node, and HAProxy is not trusted."""
    assert {name: variables.get(name) for name in NODE_FLAGS} == NODE_FLAGS
    assert variables["RAY_SERVE_HAPROXY_BINARY_PATH"] == f"/app/{HAPROXY}"
    assert os.access(REPOSITORY / HAPROXY, os.X_OK)
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


# The fields of a KubeRay newer than 1.6, transcribed from its Go types (ray-operator/apis/ray/v1) at a commit whose
# release is not known. A `!` marks what is required.
NEWER_KUBERAY = {
    "RayService": "deploymentUnhealthySecondThreshold excludeHeadPodFromServeSvc rayClusterConfig! "
    "rayClusterDeletionDelaySeconds serveConfigV2 serveService serviceUnhealthySecondThreshold upgradeStrategy",
    "RayCluster": "authOptions autoscalerOptions enableInTreeAutoscaling gcsFaultToleranceOptions headGroupSpec! "
    "headServiceAnnotations historyServerOptions managedBy networkPolicy rayVersion suspend tlsOptions upgradeStrategy "
    "workerGroupSpecs",
    "authOptions": "enableK8sTokenAuth mode secretName",
    "gcsFaultToleranceOptions": "backend externalStorageNamespace redisAddress redisPassword redisUsername storage",
    "autoscalerOptions": "args command env envFrom idleTimeoutSeconds image imagePullPolicy resources securityContext "
    "upscalingMode version volumeMounts",
    "head": "enableIngress headService ingressOptions labels rayStartParams resources serviceType template!",
    "worker": "groupName! idleTimeoutSeconds labels maxReplicas! minReplicas! numOfHosts priority rayStartParams "
    "replicas resources scaleStrategy suspend template!",
}


def test_kuberay_1_6_knows_every_field_of_the_rayservice() -> None:
    """The RayService has the CRD's structure: an unknown or missing field is an error."""
    jsonschema.validate(_kubernetes()[0], RAY_SERVICE)


def test_a_newer_kuberay_knows_every_field_of_the_rayservice() -> None:
    """Each part has only fields of its type, and those that are required."""
    spec = _kubernetes()[0]["spec"]
    cluster = spec["rayClusterConfig"]
    parts = [("RayService", spec), ("RayCluster", cluster), ("head", cluster["headGroupSpec"])]
    parts += [("worker", group) for group in cluster["workerGroupSpecs"]]
    parts += [(name, cluster[name]) for name in ("authOptions", "gcsFaultToleranceOptions", "autoscalerOptions")]
    for name, part in parts:
        fields = NEWER_KUBERAY[name].split()
        assert set(part) <= {field.rstrip("!") for field in fields}, name
        assert {field.rstrip("!") for field in fields if field.endswith("!")} <= set(part), name


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


def _steps(name: str, job: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load((WORKFLOWS / name).read_text())["jobs"][job]["steps"]
    return steps


def test_an_image_is_scanned_before_it_is_pushed_and_signed_after() -> None:
    """What is pushed was scanned; what is signed and attested is the digest that was pushed."""
    steps = _steps("release.yml", "image")
    order = [
        next(number for number, step in enumerate(steps) if mark in str(step))
        for mark in (
            "docker build",
            "scan-action",
            "sbom-action",
            "docker push",
            "cosign sign",
            "provenance",
            "attest-sbom",
        )
    ]
    assert order == sorted(order)
    for step in steps:
        if "attest" in str(step.get("uses")):
            assert step["with"]["subject-digest"] == "${{ steps.push.outputs.digest }}"
            assert step["with"]["push-to-registry"] is True


def test_a_release_is_rolled_out_by_digest_first_to_staging() -> None:
    """Both environments get what the image job pushed, and the signature is checked before the rollout."""
    jobs = yaml.safe_load((WORKFLOWS / "release.yml").read_text())["jobs"]
    assert set(jobs["image"]["outputs"]) >= {"cpu", "gpu", "version"}
    for environment in ("staging", "production"):
        given = jobs[environment]["with"]
        assert given == {"environment": environment} | {
            name: f"${{{{ needs.image.outputs.{name} }}}}" for name in ("version", "cpu", "gpu")
        }
    assert "staging" in jobs["production"]["needs"]
    runs = [step["run"] for step in _steps("deploy.yml", "deploy") if "run" in step]
    assert ["cosign verify" in run for run in runs] == [True, False]
    assert ["serve.cli.rollout" in run for run in runs] == [False, True]


def test_shellcheck_accepts_the_scripts(tmp_path: Path) -> None:
    """shellcheck finds nothing in the shell scripts and in the commands of the workflows."""
    scripts = [path for folder in ("configs", "serve") for path in (REPOSITORY / folder).rglob("*.sh")]
    assert len(scripts) >= 3
    for workflow in WORKFLOWS.glob("*.yml"):
        for name, job in yaml.safe_load(workflow.read_text())["jobs"].items():
            for number, step in enumerate(job.get("steps", ())):
                if "run" in step:
                    scripts.append(tmp_path / f"{workflow.stem}-{name}-{number}.sh")
                    scripts[-1].write_text(f"#!/bin/bash\n{step['run']}\n")
    _is_silent("shellcheck", *scripts)


def _is_silent(tool: str, *arguments: str | Path) -> None:
    done = subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
