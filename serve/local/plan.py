"""Plans a development start: its port, config, folders, keys and environment, or why it cannot start."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import TypeAdapter

from serve.keys.records import ensure_development_key, write_private
from serve.local.processes import HOST, free_port, keep_free, port_is_free, port_owner

DEFAULT_PORT = 8000
DEFAULT_CONFIG = "configs/serve.local.yaml"
DEFAULT_DEV_FOLDER = ".dev"
# Standard: Ray's own default, where `serve deploy` and `ray job submit` look.
DASHBOARD_PORT = 8265
OUR_APPLICATION = "serve.app:build"
# Taste: requests pass through Ray's object store only briefly.
OBJECT_STORE_BYTES = 200 * 1024 * 1024
# Every process needs these, on every node before `ray start`, since Ray reads them at import (docs/performance.md).
NODE_FLAGS = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # Every request may be repeated, so HAProxy sends a request whose replica died to another replica. For that it must
    # still hold the request: one that is larger than the buffer, in bytes, is lost with its replica. HAProxy waits a
    # second before it asks the same server again; two such waits were once not enough while replicas were replaced.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_RETRIES": "4",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "131072",
    # Serve starts an HAProxy that died again once three checks have failed: 27 s at the default of 10 s between them.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.gate:middlewares",
    # At its default of 0.1 s the controller's round takes 8 % of a slow core while nothing happens, and the flushes of
    # metrics that are scraped every some seconds take 2 % in each replica.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",
    "RAY_preload_python_modules": "serve.imports",
    # By default glibc has up to eight heaps for each core, whose freed memory no other thread of the process gets.
    "MALLOC_ARENA_MAX": "2",
}
# Serve runs it in the place of HAProxy, which it then becomes: HAProxy's own failures are problem documents.
HAPROXY = "serve/haproxy.py"
# The ports of Serve's own that each start gives anew.
TRANSPORT_PORTS = (
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
)
REPOSITORY = Path(__file__).resolve().parents[2]


class CannotStart(Exception):
    """The start is refused; the one argument says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one start. `run_folder` is its own and temporary; `dev_folder` outlives it."""

    port: int
    config_path: Path
    config: dict[str, Any]
    run_folder: Path
    dev_folder: Path
    dashboard_port: int
    api_key: str

    def to_json(self) -> str:
        """The plan as one line, which `from_json` reads."""
        return TypeAdapter(Plan).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that `to_json` wrote."""
        return TypeAdapter(cls).validate_json(text)

    @property
    def url(self) -> str:
        """The application's URL, without a trailing slash."""
        prefix = str(self.config["applications"][0].get("route_prefix") or "/")
        return f"http://{HOST}:{self.port}{prefix.rstrip('/')}"

    @property
    def state_folder(self) -> Path:
        """The folder of the state store's file; one per port, so that two instances do not share it."""
        return self.dev_folder / f"state-{self.port}"

    @property
    def objects_folder(self) -> Path:
        """The folder of the object store's uploads; one per port."""
        return self.dev_folder / f"objects-{self.port}"

    @property
    def ray_environment_file(self) -> Path:
        """The file of the variables with which a shell reaches this Ray."""
        return self.dev_folder / f"ray-{self.port}.env"


def make_plan(environment: Mapping[str, str], *, run_folder: Path) -> Plan:
    """The plan for PORT, CONFIG and STYLESYNC_DEV_FOLDER (keys, tokens and state; `.dev` of this repository).

    Raises CannotStart for a bad or taken port and a missing or broken config.
    """
    port = read_port(environment.get("PORT") or str(DEFAULT_PORT))
    config_path = Path(environment.get("CONFIG") or DEFAULT_CONFIG)
    config = read_config(config_path)
    refuse_taken_port(port)
    keep_free(port)
    config["http_options"] = {**(config.get("http_options") or {}), "host": HOST, "port": port}
    _allow_pages_of_this_machine(config)
    # Services that start together have different ports, so only one of them takes Ray's own.
    own = port == DEFAULT_PORT and port_is_free(DASHBOARD_PORT)
    dashboard_port = DASHBOARD_PORT if own else free_port()
    dev_folder = REPOSITORY / (environment.get("STYLESYNC_DEV_FOLDER") or DEFAULT_DEV_FOLDER)
    api_key = ensure_development_key(dev_folder)
    return Plan(port, config_path, config, run_folder, dev_folder, dashboard_port, api_key)


def _allow_pages_of_this_machine(config: dict[str, Any]) -> None:
    """Lets pages of this machine read our application's answers, unless the config says who may."""
    for application in config["applications"]:
        if application["import_path"] == OUR_APPLICATION:
            application["args"] = {"cors_origins": ["localhost"], **(application.get("args") or {})}


def read_port(text: str) -> int:
    """A TCP port from its text. Raises CannotStart unless it is 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"PORT is {text!r}; it must be a number from 1 to 65535, as in: make serve PORT=8001")
    return int(text)


def refuse_taken_port(port: int) -> None:
    """Raises CannotStart when something listens on the port, with its pid if that is visible."""
    if port_is_free(port):
        return
    owner = port_owner(port)
    who = f"process {owner}" if owner else "another process"
    raise CannotStart(f"Port {port} is in use by {who}. Stop it, or choose another port: make serve PORT={port + 1}")


def read_config(path: Path) -> dict[str, Any]:
    """A Serve config file as a mapping. Raises CannotStart when it is missing, is not YAML or names no application."""
    if not path.is_file():
        raise CannotStart(
            f"The config {path} does not exist. Choose one of configs/: make serve CONFIG={DEFAULT_CONFIG}"
        )
    try:
        config = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotStart(f"The config {path} is not valid YAML: {' '.join(str(error).split())}") from error
    applications = config.get("applications") if isinstance(config, dict) else None
    if not isinstance(applications, list) or not applications:
        raise CannotStart(f"The config {path} names no applications; a Serve config has a list `applications:`.")
    for application in applications:
        if not isinstance(application, dict) or not application.get("import_path"):
            raise CannotStart(f"An application in the config {path} has no import_path; ours is serve.app:build.")
    return dict(config)


def cluster_environment(plan: Plan, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of Ray, Serve and every replica of this start."""
    # The first two belong to another cluster, and the third makes starts slow.
    leave_out = {"RAY_ADDRESS", "RAY_AUTH_TOKEN", "PYTHONDONTWRITEBYTECODE"}
    inherited = {name: value for name, value in environment.items() if name not in leave_out}
    return (
        inherited
        | ray_environment(plan.dev_folder)
        | transport_profile(plan.run_folder)
        | _application(plan, environment)
    )


def transport_profile(run_folder: Path) -> dict[str, str]:
    """Serve's throughput-optimised profile behind HAProxy, on ports and paths of this start only (docs/performance.md).

    HAProxy binds its statistics and metrics ports to all interfaces and has no setting against it. They are read-only.
    """
    return {
        **NODE_FLAGS,
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(REPOSITORY / HAPROXY),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        **{name: str(free_port()) for name in TRANSPORT_PORTS},
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run_folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(run_folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(run_folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run_folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run_folder / "server-state"),
    }


def write_ray_environment(plan: Plan) -> None:
    """Writes `ray_environment_file`; a shell reads it with `. FILE` before `serve deploy` or `ray job submit`."""
    variables = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(ray_token_file(plan.dev_folder)),
        "RAY_API_SERVER_ADDRESS": f"http://{HOST}:{plan.dashboard_port}",
        "RAY_DASHBOARD_ADDRESS": f"http://{HOST}:{plan.dashboard_port}",
    }
    text = "".join(f'export {name}="{value}"\n' for name, value in variables.items())
    write_private(plan.ray_environment_file, text)


def ray_token_file(folder: Path) -> Path:
    """The file of the development clusters' token; the first call makes it."""
    path = folder / "ray_token"
    if not path.is_file():
        write_private(path, secrets.token_hex(32))
    return path


def ray_environment(token_folder: Path) -> dict[str, str]:
    """The environment of a Ray on this machine only: its token, from token_folder, and loopback addresses."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(ray_token_file(token_folder)),
        "RAY_USAGE_STATS_ENABLED": "0",
        # By default uvicorn believes HAProxy's X-Forwarded-* headers, which come from its client.
        "FORWARDED_ALLOW_IPS": "",
        # By default replicas give way to everything else on the machine.
        "RAY_worker_niceness": "0",
        # Ray takes this for "no cluster on this machine": the node's address is 127.0.0.1, and Ray's ports bind to it.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        # By default the dashboard measures itself every 5 s and all processes every 2.5 s, which is a tenth of what a
        # service without requests costs.
        "METRICS_RECORD_INTERVAL_S": "60",
        "REPORTER_UPDATE_INTERVAL_MS": "10000",
    }


def _application(plan: Plan, environment: Mapping[str, str]) -> dict[str, str]:
    paths = [str(REPOSITORY), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    programs = [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    return {
        # This makes the `python` of a submitted job this one.
        "PATH": os.pathsep.join(programs),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "STYLESYNC_KEYS_FILE": str(plan.dev_folder / "keys.json"),
        "STYLESYNC_SECRET_FILE": str(plan.dev_folder / "secret"),
    }
