"""Tests every YAML file of configs/: its launch command, and that Ray and this application accept it."""

import importlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from ray.serve import Application
from ray.serve.schema import ServeDeploySchema

from models.cards import DEFAULT_MODEL
from serve.cli.check import problems_of
from serve.settings import AdviceConfig, BatchConfig, Budgets, SegmentationSettings, Settings

CONFIGS = Path(__file__).parent.parent / "configs"
SERVE_CONFIGS = ("serve.local.yaml", "serve.gpu.yaml", "serve.cluster.yaml")
GPU_CONFIGS = ("serve.gpu.yaml", "serve.cluster.yaml")
OTHERS = ("rayservice.yaml",)
DEPLOYMENTS = {"Advice", "Segmentation", "Extraction", "Harmony"}


def _document(name: str) -> dict[str, Any]:
    document = yaml.safe_load((CONFIGS / name).read_text())
    assert isinstance(document, dict)
    return document


def _deployments(name: str) -> dict[str, dict[str, Any]]:
    applications = _document(name)["applications"]
    return {section["name"]: section for application in applications for section in application["deployments"]}


def test_every_config_is_tested() -> None:
    """These tests know every YAML file of configs/. monitoring/ has tests of its own."""
    found = sorted(path.name for path in CONFIGS.glob("*.y*ml"))
    assert found == sorted(SERVE_CONFIGS + OTHERS)


@pytest.mark.parametrize("name", SERVE_CONFIGS + OTHERS)
def test_a_config_says_how_it_is_launched_when_opened(name: str) -> None:
    """The first line is a comment with the launch command."""
    first = (CONFIGS / name).read_text().partition("\n")[0]
    assert first.startswith("# ")
    assert "Launch: " in first


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_ray_accepts_a_config_when_it_is_validated(name: str) -> None:
    """Ray Serve's own schema accepts the whole file."""
    assert ServeDeploySchema.model_validate(_document(name)).applications


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_the_application_accepts_a_config_when_it_is_built(name: str) -> None:
    """The import path is serve.app:build, and the arguments are valid Settings."""
    for application in _document(name)["applications"]:
        assert application["import_path"] == "serve.app:build"
        TypeAdapter(Settings).validate_python(application["args"])


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_every_deployment_autoscales(name: str) -> None:
    """Each deployment has its own resources, autoscaling range and limit of calls."""
    found = _deployments(name)
    assert set(found) == DEPLOYMENTS
    for deployment in found.values():
        assert {"ray_actor_options", "autoscaling_config", "max_ongoing_requests", "max_queued_requests"} <= set(
            deployment
        )


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_the_user_config_names_every_budget_when_it_is_read(name: str) -> None:
    """`Advice` sets every budget, `Segmentation` has a BatchConfig, and the other deployments have no user_config."""
    found = _deployments(name)
    assert {deployment for deployment in found if "user_config" in found[deployment]} <= {"Advice", "Segmentation"}
    AdviceConfig.model_validate(found["Advice"]["user_config"])
    BatchConfig.model_validate(found["Segmentation"].get("user_config", {}))
    assert set(found["Advice"]["user_config"]["budgets"]) == set(Budgets.model_fields)


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_probes_are_never_refused_by_a_full_queue(name: str) -> None:
    """The ingress' queue is unbounded, because the ingress refuses photos itself. The phases' queues are bounded."""
    found = _deployments(name)
    assert found.pop("Advice")["max_queued_requests"] == -1
    assert all(0 < deployment["max_queued_requests"] <= 256 for deployment in found.values())


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_no_admitted_photo_finds_a_phases_queue_full(name: str) -> None:
    """A phase's queue has room for all photos that one ingress replica admits.

    A photo calls one phase at a time. So while a phase's only replica is replaced, answers are degraded, not refused.
    """
    found = _deployments(name)
    photos = AdviceConfig.model_validate(found.pop("Advice")["user_config"]).max_photos_in_flight
    assert all(photos <= deployment["max_queued_requests"] for deployment in found.values())


@pytest.mark.parametrize("name", SERVE_CONFIGS)
def test_the_models_variables_are_known_when_they_are_set(name: str) -> None:
    """Segmentation reads every variable that a config sets for it."""
    options = _deployments(name)["Segmentation"]["ray_actor_options"]
    variables = options.get("runtime_env", {}).get("env_vars", {})
    known = {f"SEGMENTATION_{field.upper()}" for field in SegmentationSettings.model_fields}
    assert {variable for variable in variables if variable.startswith("SEGMENTATION_")} <= known


@pytest.mark.parametrize("name", GPU_CONFIGS)
def test_a_new_gpu_replica_fits_beside_the_old_ones(name: str) -> None:
    """A GPU holds a whole number of replicas, with room for those that an update starts before it stops the old."""
    found = _deployments(name)["Segmentation"]
    share, replicas = found["ray_actor_options"]["num_gpus"], found["autoscaling_config"]["max_replicas"]
    surge = math.ceil(found["max_surge_percent"] * replicas / 100)
    per_gpu = math.floor(1 / share)
    gpus = 1 if name == "serve.gpu.yaml" else 4  # the most GPU nodes of cluster.yaml
    assert per_gpu >= 2
    assert replicas + surge <= per_gpu * gpus


@pytest.mark.parametrize("name", GPU_CONFIGS)
def test_the_gpu_config_puts_the_network_on_the_gpu(name: str) -> None:
    """The device, CUDA in bfloat16, is set in the replica's own variables, so a new model rolls only Segmentation."""
    options = _deployments(name)["Segmentation"]["ray_actor_options"]
    variables = options["runtime_env"]["env_vars"]
    assert (variables["SEGMENTATION_DEVICE"], variables["SEGMENTATION_DTYPE"]) == ("cuda", "bf16")
    assert variables["SEGMENTATION_MODEL"] == DEFAULT_MODEL


@pytest.mark.parametrize("name", GPU_CONFIGS)
def test_a_replica_has_photos_waiting_for_its_next_batch(name: str) -> None:
    """A replica accepts the photos of its running batches and as many again for the next ones."""
    found = _deployments(name)["Segmentation"]
    batch = BatchConfig.model_validate(found["user_config"])
    assert batch.max_photos
    assert batch.in_flight
    assert found["max_ongoing_requests"] == 2 * batch.max_photos * batch.in_flight


def test_the_gpu_config_fits_when_the_machine_has_ten_cores() -> None:
    """The initial replicas ask for no more than the ten CPUs that docs/deploy.md promises to suffice."""
    wanted = sum(
        deployment["ray_actor_options"]["num_cpus"] * deployment["autoscaling_config"]["min_replicas"]
        for deployment in _deployments("serve.gpu.yaml").values()
    )
    assert wanted <= 10


def test_the_documented_canary_fits_into_the_clusters_config() -> None:
    """With its argument and a smaller Segmentation it is accepted, and the GPUs hold both with an update."""
    text = (CONFIGS.parent / "docs" / "deploy.md").read_text()
    (snippet,) = (part for part in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "SegmentationCanary" in part)
    (canary,) = yaml.safe_load(snippet)
    config = _document("serve.cluster.yaml")
    (application,) = config["applications"]
    application["args"]["canary"] = True
    application["deployments"].append(canary)
    found = {one["name"]: one for one in application["deployments"]}
    found["Advice"]["user_config"]["canary"] = {"share": 0.05, "mode": "shadow"}
    found["Segmentation"]["autoscaling_config"]["max_replicas"] -= 1
    assert list(problems_of(config)) == []
    assert ServeDeploySchema.model_validate(config).applications
    network, gpus = found["Segmentation"], 4  # the most GPU nodes of cluster.yaml
    replicas = network["autoscaling_config"]["max_replicas"]
    surge = math.ceil(network["max_surge_percent"] * replicas / 100)
    wanted = (replicas + surge) * network["ray_actor_options"]["num_gpus"] + canary["ray_actor_options"]["num_gpus"]
    assert wanted <= gpus


def test_the_application_has_a_canary_only_when_asked() -> None:
    """The shipped configs start nothing more; with the argument there is a fifth deployment."""
    for name in SERVE_CONFIGS:
        assert "canary" not in _document(name)["applications"][0]["args"]
    module = importlib.import_module("serve.app")
    for canary in (False, True):
        bound = module.build(Settings(require_keys=False, canary=canary))._bound_deployment.init_kwargs["canary"]
        assert (bound is not None) == canary
        assert not canary or bound._bound_deployment.name == "SegmentationCanary"


def test_no_deployment_is_lost_with_one_node_of_a_cluster() -> None:
    """Each deployment has two replicas or more, and updates surge. tests/test_capacity.py counts nodes."""
    found = _deployments("serve.cluster.yaml")
    assert all(deployment["autoscaling_config"]["min_replicas"] >= 2 for deployment in found.values())
    assert all(deployment["max_surge_percent"] > 0 for deployment in found.values())


def test_scaling_of_a_cluster_does_not_oscillate() -> None:
    """Ray looks back no further than the shorter delay, and scales down far later than it scales up."""
    for deployment in _deployments("serve.cluster.yaml").values():
        scaling = deployment["autoscaling_config"]
        assert scaling["look_back_period_s"] <= scaling["upscale_delay_s"] <= scaling["downscale_delay_s"] / 10


def test_the_serve_config_puts_no_work_on_the_head() -> None:
    """Every deployment names its group of nodes: the GPU nodes for the network, the CPU nodes for the others."""
    groups = {
        name: deployment["ray_actor_options"]["label_selector"]["stylesync-group"]
        for name, deployment in _deployments("serve.cluster.yaml").items()
    }
    assert groups == {"Advice": "cpu", "Segmentation": "gpu", "Extraction": "cpu", "Harmony": "cpu"}


def test_the_local_config_fits_when_the_machine_has_two_cores() -> None:
    """One replica of each deployment asks for no more than the promised two CPUs."""
    wanted = sum(
        deployment["ray_actor_options"]["num_cpus"] * deployment["autoscaling_config"]["min_replicas"]
        for deployment in _deployments("serve.local.yaml").values()
    )
    assert wanted <= 2


def test_the_default_budgets_are_the_contracts() -> None:
    """Defaults and the local config both carry the contract's 400, 1200, 300 and 100 ms."""
    contract = {"decode_ms": 400, "segmentation_ms": 1200, "extraction_ms": 300, "harmony_ms": 100}
    configured = AdviceConfig.model_validate(_deployments("serve.local.yaml")["Advice"]["user_config"]).budgets
    for budgets in (Budgets(), configured):
        assert {name: getattr(budgets, name) for name in contract} == contract


def test_the_application_with_defaults_is_built_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve run serve.app:app` and `serve build serve.app:app` find an application by Ray's own import."""
    monkeypatch.setenv("S3_BUCKET", "No_Bucket")
    module = importlib.import_module("serve.app")
    with pytest.raises(ValidationError, match="bucket"):
        assert module.app
    monkeypatch.delenv("S3_BUCKET")
    assert isinstance(module.app, Application)
