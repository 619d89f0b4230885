"""Makes Serve configs for the kit from the shipped local one, so that its thresholds are what is measured."""

from typing import Any

import yaml

from serve.local.plan import DEFAULT_CONFIG, REPOSITORY

IMPORT_PATH = "tests.reliability.faulty_app:build"
NAME = "colormatch"
# The number of CPUs that Ray is told: enough for three replicas of each deployment.
CPUS = 6
# Taste: budgets that no phase overruns, ms.
AMPLE = {name: 20_000.0 for name in ("decode_ms", "segmentation_ms", "extraction_ms", "harmony_ms", "total_ms")}
Config = dict[str, Any]


def layout(replicas: int | None = None, *, memory_cache_bytes: int | None = None, **counts: int) -> Config:
    """The local config with fixed numbers of replicas.

    replicas: the number for every deployment; counts: the numbers for single ones. A deployment without a number is
    autoscaled, as shipped.
    """
    config: Config = yaml.safe_load((REPOSITORY / DEFAULT_CONFIG).read_text())
    (application,) = config["applications"]
    application["import_path"] = IMPORT_PATH
    if memory_cache_bytes is not None:
        application["args"]["memory_cache_bytes"] = memory_cache_bytes
    for deployment in application["deployments"]:
        count = counts.get(deployment["name"], replicas)
        if count is not None:
            del deployment["autoscaling_config"]
            deployment["num_replicas"] = count
    return config


def deployment(config: Config, name: str) -> dict[str, Any]:
    """The section of one deployment in a config."""
    sections: list[dict[str, Any]] = config["applications"][0]["deployments"]
    (section,) = (section for section in sections if section["name"] == name)
    return section


def with_user_config(config: Config, **changes: Any) -> Config:
    """The config with changes to `Advice`'s user_config, as in `breaker={"minimum_calls": 1000}`."""
    made: Config = yaml.safe_load(yaml.safe_dump(config))
    given = deployment(made, "Advice")["user_config"]
    for name, value in changes.items():
        given[name] = {**given[name], **value} if isinstance(value, dict) else value
    return made


def rolled(config: Config, name: str, mark: str) -> Config:
    """The config with a change to one deployment that makes Serve replace its replicas."""
    made: Config = yaml.safe_load(yaml.safe_dump(config))
    options = deployment(made, name)["ray_actor_options"]
    variables = options.setdefault("runtime_env", {}).setdefault("env_vars", {})
    variables["RELIABILITY_MARK"] = mark
    return made


def counted(config: Config, replicas: int) -> Config:
    """The config with this many replicas of every deployment."""
    made: Config = yaml.safe_load(yaml.safe_dump(config))
    for section in made["applications"][0]["deployments"]:
        section["num_replicas"] = replicas
    return made
