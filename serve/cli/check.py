"""`stylesync check`: finds what is wrong with a Serve config before it is deployed."""

import difflib
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError

from models.cards import DEFAULT_MODEL, ModelError, load_card, verified_onnx, verify
from serve.imports import without
from serve.settings import (
    AdviceConfig,
    BatchConfig,
    Environment,
    S3Environment,
    SegmentationSettings,
    Settings,
    TracingSettings,
)

IMPORT_PATH, WITH_DEFAULTS = "serve.app:build", "serve.app:app"
CANARY = "SegmentationCanary"
NETWORKS = ("Segmentation", CANARY)
DEPLOYMENTS = ("Advice", *NETWORKS, "Extraction", "Harmony")
USER_CONFIGS: dict[str, type[BaseModel]] = {"Advice": AdviceConfig, **dict.fromkeys(NETWORKS, BatchConfig)}
# What Ray starts a replica with; a variable of ours with another name would be ignored without a word.
PREFIXES: dict[str, type[BaseModel]] = {"SEGMENTATION_": SegmentationSettings, "TRACING_": TracingSettings}
# Taste: a value in a message is cut here.
SHOWN_CHARS = 60
# Taste: a longer list of names hides the guess beside it.
SHOWN_NAMES = 8
# Pydantic's words and ours.
WORDS = {
    "Input should be ": "allowed: ",
    "String should match pattern": "allowed: text that matches",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. where: the place in the file, such as `applications[0].args.body_timeout_s`."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


class _HttpOptions(BaseModel):
    """What Ray does not check of `http_options`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8000


class Unreadable(Exception):
    """The file cannot be read as a config; the one argument says why."""


def run(path: Path) -> int:
    """Prints what is wrong with a config, or that nothing is. Exit status: 0, or 2 when something is wrong."""
    began_s = time.monotonic()
    try:
        config = read(path)
    except Unreadable as error:
        sys.stderr.write(f"{error}\n")
        return 2
    problems = list(problems_of(config))
    for problem in problems:
        sys.stderr.write(f"{path}: {problem}\n")
    took = f"{time.monotonic() - began_s:.1f} s"
    if problems:
        count = len(problems)
        sys.stderr.write(f"{count} problem{'s' * (count > 1)} in {took}. Nothing was deployed.\n")
        return 2
    for line in summary_of(config):
        sys.stdout.write(f"{line}\n")
    command = f"kubectl apply -f {path}" if "kind: RayService" in path.read_text() else f"serve deploy {path}"
    sys.stdout.write(f"{path} can be deployed ({took}): {command}\n")
    return 0


def read(path: Path) -> dict[str, Any]:
    """The Serve config of a file, also that inside a RayService. Raises Unreadable."""
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
        services = [one for one in documents if isinstance(one, dict) and one.get("kind") == "RayService"]
        document = yaml.safe_load(services[0]["spec"]["serveConfigV2"]) if services else documents[0]
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{path} is a RayService without spec.serveConfigV2.") from error
    if not isinstance(document, dict) or not document.get("applications"):
        raise Unreadable(f"{path} names no applications; a Serve config has a list `applications:`.")
    return document


def problems_of(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with a config: Ray's part, our settings, the network, and this environment."""
    # Importing Ray's schema takes a second or two; pandas, which Ray can do without, is a tenth of it.
    with without("pandas"):
        from ray.serve.schema import ServeDeploySchema

    yield from _invalid(ServeDeploySchema, config, "")
    yield from _unknown(ServeDeploySchema, config, "")
    yield from _invalid(_HttpOptions, config.get("http_options") or {}, "http_options")
    for number, application in enumerate(config["applications"]):
        if isinstance(application, dict):
            yield from _application_problems(application, f"applications[{number}]")
    yield from _environment_problems()


def summary_of(config: Mapping[str, Any]) -> Iterator[str]:
    """One line for each application of a config without problems."""
    for application in config["applications"]:
        names = ", ".join(one["name"] for one in application.get("deployments", [])) or "all defaults"
        yield f"Application {application.get('name')} at {application.get('route_prefix', '/')}: {names}"
        if application.get("import_path") in (IMPORT_PATH, WITH_DEFAULTS):
            for name in _networks(application):
                yield f"  {name}: {_network_line(_network_variables(application, name))}"


# --- our application ------------------------------------------------------------------------------------------
def _application_problems(application: Mapping[str, Any], where: str) -> Iterator[Problem]:
    if application.get("import_path") not in (IMPORT_PATH, WITH_DEFAULTS):
        yield Problem(
            f"{where}.import_path",
            f"{_shown(application.get('import_path'))} is not this service; allowed: {IMPORT_PATH}, {WITH_DEFAULTS}",
        )
        return
    if application["import_path"] == WITH_DEFAULTS and application.get("args"):
        yield Problem(f"{where}.args", f"{WITH_DEFAULTS} takes none; with args the import_path is {IMPORT_PATH}")
    yield from _invalid(Settings, application.get("args") or {}, f"{where}.args")
    deployments = application.get("deployments") or []
    for number, deployment in enumerate(deployments):
        if isinstance(deployment, dict):
            yield from _deployment_problems(deployment, f"{where}.deployments[{number}]")
    yield from _queue_problems(deployments, where)
    yield from _canary_problems(application, where)
    for name in _networks(application):
        yield from _network_problems(application, name, where)


def _deployment_problems(deployment: Mapping[str, Any], where: str) -> Iterator[Problem]:
    name = deployment.get("name")
    if name not in DEPLOYMENTS:
        yield Problem(f"{where}.name", f"{_shown(name)} is not a deployment; {_allowed(str(name), DEPLOYMENTS)}")
        return
    yield from _scaling_problems(deployment.get("autoscaling_config"), f"{where}.autoscaling_config")
    given = deployment.get("user_config")
    if name in USER_CONFIGS:
        yield from _invalid(USER_CONFIGS[name], given or {}, f"{where}.user_config")
    elif given is not None:
        yield Problem(f"{where}.user_config", f"{name} takes none; allowed: {', '.join(USER_CONFIGS)}")
    for variable, value in _variables(deployment).items():
        yield from _variable_problems(variable, value, f"{where}.ray_actor_options.runtime_env.env_vars")


def _scaling_problems(given: object, where: str) -> Iterator[Problem]:
    if not isinstance(given, dict):
        return
    # Ray checks these values when it deploys, after the running application was changed.
    from ray.serve.config import AutoscalingConfig

    yield from _invalid(AutoscalingConfig, given, where)
    yield from _unknown(AutoscalingConfig, given, where)


def _variable_problems(variable: str, value: object, where: str) -> Iterator[Problem]:
    for prefix, kind in PREFIXES.items():
        if not variable.startswith(prefix):
            continue
        field = variable.removeprefix(prefix).lower()
        if field not in kind.model_fields:
            names = [f"{prefix}{name.upper()}" for name in kind.model_fields]
            yield Problem(f"{where}.{variable}", f"unknown variable; {_allowed(variable, names)}")
            continue
        for problem in _invalid(kind, {field: value}, where):
            # What is wrong with several variables together has no place of its own (_card_problems).
            if problem.where != where:
                yield Problem(f"{where}.{variable}", problem.text)


def _queue_problems(deployments: Sequence[Any], where: str) -> Iterator[Problem]:
    """An admitted photo must find room in each phase's queue, or it is answered with a fallback."""
    known = {one.get("name"): (number, one) for number, one in enumerate(deployments) if isinstance(one, dict)}
    _, advice = known.get("Advice", (0, {}))
    try:
        photos = AdviceConfig.model_validate(advice.get("user_config") or {}).max_photos_in_flight
    except ValidationError:
        return
    for name, (number, deployment) in known.items():
        room = deployment.get("max_queued_requests")
        if name in DEPLOYMENTS[1:] and isinstance(room, int) and 0 <= room < photos:
            yield Problem(
                f"{where}.deployments[{number}].max_queued_requests",
                f"{room} is less than Advice's max_photos_in_flight, {photos}; allowed: {photos} or more",
            )


def _canary_problems(application: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """The second network is in the application when the argument `canary` says so."""
    args, found = application.get("args") or {}, _named(application)
    wanted = isinstance(args, dict) and args.get("canary") is True
    if CANARY in found and not wanted:
        yield Problem(f"{where}.args.canary", f"without it {CANARY} is no deployment; allowed: true")
    try:
        share = AdviceConfig.model_validate(found.get("Advice", {}).get("user_config") or {}).canary.share
    except ValidationError:
        return
    if share > 0 and not wanted:
        yield Problem(f"{where}.args.canary", f"Advice gives {CANARY} a share of {share:g}; allowed: true")


def _network_problems(application: Mapping[str, Any], name: str, where: str) -> Iterator[Problem]:
    """What is wrong with the network of a deployment. The files that a card elsewhere names are not here to read."""
    variables = _network_variables(application, name)
    for number, deployment in enumerate(application.get("deployments") or []):
        if isinstance(deployment, dict) and deployment.get("name") == name and _variables(deployment):
            where = f"{where}.deployments[{number}].ray_actor_options.runtime_env.env_vars"
    allowed = str(variables.get("SEGMENTATION_ALLOW_NON_COMMERCIAL", "")).lower() in ("1", "true", "yes", "on")
    if "SEGMENTATION_CARD" in variables or "SEGMENTATION_CARD_SHA256" in variables:
        yield from _card_problems(variables, where)
        return
    try:
        card = load_card(_model_of(variables), allow_non_commercial=allowed)
        verify(card)
        if card.onnx is not None:
            verified_onnx(card)
    except ModelError as error:
        yield Problem(f"{where}.SEGMENTATION_MODEL", str(error))
    if variables.get("SEGMENTATION_ENGINE") == "openvino" and variables.get("SEGMENTATION_DEVICE") == "cuda":
        yield Problem(f"{where}.SEGMENTATION_ENGINE", "'openvino' does not run on 'cuda'; allowed: torch")


def _card_problems(variables: Mapping[str, Any], where: str) -> Iterator[Problem]:
    names = ("SEGMENTATION_CARD", "SEGMENTATION_CARD_SHA256", "SEGMENTATION_MODEL")
    try:
        SegmentationSettings.model_validate(
            {name.removeprefix("SEGMENTATION_").lower(): variables[name] for name in names if name in variables}
        )
    except ValidationError as error:
        # A wrong variable by itself is a problem of its own.
        found = [one["msg"].removeprefix("Value error, ") for one in error.errors() if not one["loc"]]
        yield from (Problem(f"{where}.SEGMENTATION_CARD", text) for text in found)


def _networks(application: Mapping[str, Any]) -> list[str]:
    """The deployments of a config that run a network."""
    return ["Segmentation", *([CANARY] if CANARY in _named(application) else [])]


def _network_line(variables: Mapping[str, Any]) -> str:
    if "SEGMENTATION_CARD" in variables:
        return f"the network of {variables['SEGMENTATION_CARD']}, which replicas read and verify when they start"
    card = load_card(_model_of(variables), allow_non_commercial=True)
    return f"network {card.id}: {card.bytes / 1e6:.1f} MB, with the SHA-256 of its card"


def _model_of(variables: Mapping[str, Any]) -> str:
    return str(variables.get("SEGMENTATION_MODEL") or DEFAULT_MODEL)


def _network_variables(application: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The variables of a network's replicas: the application's, then the deployment's own."""
    return {**_env_vars(application.get("runtime_env")), **_variables(_named(application).get(name, {}))}


def _named(application: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """An application's deployments by name."""
    return {str(one.get("name")): one for one in application.get("deployments") or [] if isinstance(one, dict)}


def _variables(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    options = deployment.get("ray_actor_options")
    return _env_vars(options.get("runtime_env")) if isinstance(options, dict) else {}


def _env_vars(runtime_env: object) -> Mapping[str, Any]:
    variables = runtime_env.get("env_vars") if isinstance(runtime_env, dict) else None
    return variables if isinstance(variables, dict) else {}


def _environment_problems() -> Iterator[Problem]:
    """What is wrong with the variables of this shell, such as S3_BUCKET and REDIS_URL."""
    for kind in (S3Environment, Environment, TracingSettings):
        try:
            kind()
        except ValidationError as error:
            prefix = kind.model_config.get("env_prefix", "")
            for one in error.errors() if error.title == kind.__name__ else ():
                yield Problem(f"{prefix}{one['loc'][0]}".upper() + " in the environment", _sentence(kind, one))


# --- pydantic's errors in our words ---------------------------------------------------------------------------
def _invalid(kind: type[BaseModel], value: object, where: str) -> Iterator[Problem]:
    try:
        kind.model_validate(value)
    except ValidationError as error:
        for one in error.errors():
            yield Problem(_place(where, one["loc"]), _sentence(kind, one))


def _unknown(kind: type[BaseModel], value: object, where: str) -> Iterator[Problem]:
    """The names that a model of Ray's would ignore without a word, here and in the models inside it."""
    if not isinstance(value, Mapping):
        return
    if kind.model_config.get("extra") != "forbid":
        for name in value.keys() - kind.model_fields.keys():
            yield Problem(_place(where, [str(name)]), f"unknown field; {_allowed(str(name), list(kind.model_fields))}")
    for name, field in kind.model_fields.items():
        inner, given = _model_in(field.annotation), value.get(name)
        if inner is not None:
            place = _place(where, [name])
            for number, part in enumerate(given if isinstance(given, list) else ()):
                yield from _unknown(inner, part, f"{place}[{number}]")
            yield from _unknown(inner, given, place)


def _place(where: str, steps: Sequence[int | str]) -> str:
    for step in steps:
        if isinstance(step, int):
            where += f"[{step}]"
        elif step.isidentifier():
            where += f".{step}" if where else step
    return where


def _sentence(kind: type[BaseModel], error: Any) -> str:
    """What was given and what is allowed."""
    if error["type"] == "extra_forbidden":
        *parents, name = error["loc"]
        return f"unknown field; {_allowed(str(name), _fields_at(kind, parents))}"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return "this field is required"
    for theirs, ours in WORDS.items():
        text = text.replace(theirs, ours)
    return f"{_shown(error['input'])} is not allowed; {text.partition(', unable to parse')[0].rstrip('.')}"


def _allowed(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]}?" if near else ""
    if guess and len(names) > SHOWN_NAMES:
        return guess
    return f"{guess} allowed: {', '.join(names)}".strip()


def _fields_at(kind: type[BaseModel], steps: Sequence[int | str]) -> list[str]:
    """The fields of the model that stands at a place inside another."""
    for step in steps:
        if isinstance(step, str) and step in kind.model_fields:
            kind = _model_in(kind.model_fields[step].annotation) or kind
    return list(kind.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, tuple, Union, types.UnionType):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
