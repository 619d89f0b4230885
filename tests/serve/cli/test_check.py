"""Tests `stylesync check`: the shipped configs are good, and what is wrong is named with what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.cli.check import problems_of, read, run, summary_of
from serve.local.plan import REPOSITORY

CONFIGS = REPOSITORY / "configs"


def broken(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets the value at a path such as `applications/0/args/log_level`, and makes the objects on the way."""

    def change(config: dict[str, Any]) -> None:
        at: Any = config
        *steps, last = path.split("/")
        for step in steps:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[int(last) if isinstance(at, list) else last] = value

    return change


ADVICE, NETWORK, EXTRACTION = (f"applications/0/deployments/{number}" for number in range(3))
VARIABLES = "ray_actor_options/runtime_env/env_vars"
CARD = {"SEGMENTATION_CARD": "s3://models/next.json", "SEGMENTATION_CARD_SHA256": "0" * 64}


def _add_canary(config: dict[str, Any], variables: dict[str, str]) -> None:
    """Adds a second network with its own variables."""
    (application,) = config["applications"]
    application["args"] = {"canary": True}
    options = {"runtime_env": {"env_vars": variables}}
    application["deployments"].append({"name": "SegmentationCanary", "ray_actor_options": options})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a bad value of a setting": (
        broken("applications/0/args", {"log_level": "loud"}),
        "applications[0].args.log_level: 'loud' is not allowed; allowed: 'debug', 'info', 'warning' or 'error'",
    ),
    "a misspelt setting": (
        broken("applications/0/args", {"decode_worker": 4}),
        "applications[0].args.decode_worker: unknown field; did you mean decode_workers?",
    ),
    "a budget below zero": (
        broken(f"{ADVICE}/user_config/budgets/decode_ms", -1),
        "applications[0].deployments[0].user_config.budgets.decode_ms: -1 is not allowed; allowed: greater than 0",
    ),
    "an unknown network": (
        broken(f"{NETWORK}/{VARIABLES}", {"SEGMENTATION_MODEL": "lite9"}),
        ".env_vars.SEGMENTATION_MODEL: There is no model 'lite9'; known are: ",
    ),
    "an unknown variable": (
        broken(f"{NETWORK}/{VARIABLES}", {"SEGMENTATION_DTYP": "bf16"}),
        "SEGMENTATION_DTYP: unknown variable; did you mean SEGMENTATION_DTYPE?",
    ),
    "an unknown device": (
        broken(f"{NETWORK}/{VARIABLES}", {"SEGMENTATION_DEVICE": "tpu"}),
        "SEGMENTATION_DEVICE: 'tpu' is not allowed; allowed: 'cpu' or 'cuda'",
    ),
    "an engine that does not run on the device": (
        broken(f"{NETWORK}/{VARIABLES}", {"SEGMENTATION_ENGINE": "openvino", "SEGMENTATION_DEVICE": "cuda"}),
        "SEGMENTATION_ENGINE: 'openvino' does not run on 'cuda'; allowed: torch",
    ),
    "a port that is none": (
        broken("http_options/port", 80000),
        "http_options.port: 80000 is not allowed; allowed: at most 65535",
    ),
    "a name that Ray would ignore": (
        broken("http_options/prot", 1),
        "http_options.prot: unknown field; did you mean port?",
    ),
    "a range of replicas upside down": (
        broken(f"{ADVICE}/autoscaling_config", {"min_replicas": 4, "max_replicas": 2}),
        "max_replicas (2) must be at least min_replicas (4)",
    ),
    "a deployment that is none": (
        broken(f"{EXTRACTION}/name", "Extracton"),
        "'Extracton' is not a deployment; did you mean Extraction?",
    ),
    "a user_config where none is taken": (
        broken(f"{EXTRACTION}/user_config", {"a": 1}),
        "user_config: Extraction takes none; allowed: Advice, Segmentation, SegmentationCanary",
    ),
    "a queue without room for the photos": (
        broken(f"{NETWORK}/max_queued_requests", 3),
        "deployments[1].max_queued_requests: 3 is less than Advice's max_photos_in_flight, 16; allowed: 16 or more",
    ),
    "a batch of no photos": (
        broken(f"{NETWORK}/user_config", {"max_photos": 0}),
        "user_config.max_photos: 0 is not allowed; allowed: at least 1",
    ),
    "arguments where none are taken": (
        lambda config: config["applications"][0].update(import_path="serve.app:app", args={"log_level": "debug"}),
        "args: serve.app:app takes none; with args the import_path is serve.app:build",
    ),
    "a canary that is not in the application": (
        broken(f"{ADVICE}/user_config/canary", {"share": 0.05, "mode": "shadow"}),
        "applications[0].args.canary: Advice gives SegmentationCanary a share of 0.05; allowed: true",
    ),
    "a canary without its argument": (
        lambda config: config["applications"][0]["deployments"].append({"name": "SegmentationCanary"}),
        "applications[0].args.canary: without it SegmentationCanary is no deployment; allowed: true",
    ),
    "a canary with an unknown network": (
        lambda config: _add_canary(config, {"SEGMENTATION_MODEL": "lite9"}),
        "deployments[4].ray_actor_options.runtime_env.env_vars.SEGMENTATION_MODEL: There is no model 'lite9'",
    ),
    "a card without its hash": (
        broken(f"{NETWORK}/{VARIABLES}", {"SEGMENTATION_CARD": "s3://models/next.json"}),
        "SEGMENTATION_CARD: SEGMENTATION_CARD and SEGMENTATION_CARD_SHA256 go together; set both, or neither.",
    ),
    "a card beside a model": (
        broken(f"{NETWORK}/{VARIABLES}", {**CARD, "SEGMENTATION_MODEL": "lite0-parse-384"}),
        "SEGMENTATION_CARD: SEGMENTATION_CARD and SEGMENTATION_MODEL name one network each; set one of them.",
    ),
    "a card by an address that is none": (
        broken(f"{NETWORK}/{VARIABLES}", {**CARD, "SEGMENTATION_CARD": "https://models.example/next.json"}),
        "SEGMENTATION_CARD: 'https://models.example/next.json' is not allowed; allowed: text that matches",
    ),
    "another application": (
        broken("applications/0/import_path", "app:app"),
        "applications[0].import_path: 'app:app' is not this service; allowed: serve.app:build, serve.app:app",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["serve.local.yaml", "serve.gpu.yaml", "serve.cluster.yaml", "rayservice.yaml"])
def test_a_shipped_config_is_good_when_checked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every config of the repository passes, also the one inside a RayService."""
    assert run(CONFIGS / name) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "can be deployed" in printed.out


@pytest.mark.parametrize("what", BROKEN)
def test_a_config_is_refused_when_something_is_wrong(what: str) -> None:
    """One thing is wrong, and one problem is told: the field, the value, and what is allowed."""
    config = read(CONFIGS / "serve.local.yaml")
    change, expected = BROKEN[what]
    change(config)
    (problem,) = (str(one) for one in problems_of(config))
    assert expected in problem


def test_a_canary_is_good_when_it_is_whole() -> None:
    """A second network, with its argument and a share, passes; so does one whose card lies elsewhere."""
    config = read(CONFIGS / "serve.local.yaml")
    _add_canary(config, CARD)
    broken(f"{ADVICE}/user_config/canary", {"share": 0.05, "mode": "shadow"})(config)
    assert list(problems_of(config)) == []
    lines = list(summary_of(config))
    assert lines[1].startswith("  Segmentation: network lite2-parse-384")
    assert lines[2] == (
        "  SegmentationCanary: the network of s3://models/next.json, which replicas read and verify when they start"
    )


def test_all_problems_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tells every problem with the file's name, and ends with 2."""
    config = read(CONFIGS / "serve.local.yaml")
    for name in ("a misspelt setting", "a budget below zero", "a port that is none"):
        BROKEN[name][0](config)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(config))
    assert run(path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{path}: ") for line in lines[:3])
    assert lines[-1].startswith("3 problems in ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not valid YAML"),
        ("a: 1", "names no applications"),
        ("kind: RayService", "without spec.serveConfigV2"),
    ],
)
def test_a_file_is_refused_when_it_is_no_config(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file is refused with one sentence."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert run(path) == 2
    assert said in capsys.readouterr().err
    assert run(tmp_path / "gone.yaml") == 2


def test_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad variable of this shell is named, since the process that deploys reads it."""
    monkeypatch.setenv("S3_BUCKET", "No_Bucket")
    (problem,) = (str(one) for one in problems_of(read(CONFIGS / "serve.local.yaml")))
    assert problem.startswith("S3_BUCKET in the environment: 'No_Bucket' is not allowed; allowed: text that matches")
