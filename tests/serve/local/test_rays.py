"""Tests that a Ray of ours leaves no port fixed and runs its own jobs, without starting it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import services
from ray._private.parameter import RayParams

from serve.local.rays import start_ray

FIXED_BY_RAY = 52365
OURS, THEIRS = "192.0.2.1:40001", ("192.0.2.1:40002", "192.0.2.1:40003")


def _started() -> SimpleNamespace:
    return SimpleNamespace(address_info={"gcs_address": OURS})


def test_no_agents_port_is_fixed_when_we_start_a_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray's own parameters, made as ray.init makes them, have only the port that the caller chose."""
    made: dict[str, RayParams] = {}

    def init(address: str, **options: Any) -> SimpleNamespace:
        made[address] = RayParams(dashboard_port=options["dashboard_port"])
        return _started()

    monkeypatch.setattr(ray, "init", init)
    start_ray(dashboard_port=8300, _temp_dir=str(tmp_path))
    parameters = made["local"]
    ports = {name: value for name, value in vars(parameters).items() if name.endswith("port") and value}
    assert ports == {"dashboard_port": 8300}
    # No process copies logs or asks a cloud for nodes.
    assert not parameters.include_log_monitor
    assert parameters.no_monitor
    # Others in this process get what Ray gives them.
    assert RayParams().dashboard_agent_listen_port == FIXED_BY_RAY


def test_a_submitted_job_finds_its_own_ray_when_others_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray's supervisor of a job asks for `auto` with the cluster's folder, and sees every Ray on the machine."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", lambda: frozenset(THEIRS))
    monkeypatch.setattr(ray, "init", lambda *_, **__: _started())
    start_ray(_temp_dir=str(tmp_path))
    assert services.canonicalize_bootstrap_address_or_die("auto", str(tmp_path)) == OURS


def test_rays_parameters_are_as_before_when_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed start reaches the caller and leaves nothing changed."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(RuntimeError, match="no room"):
        start_ray()
    assert RayParams().dashboard_agent_listen_port == FIXED_BY_RAY
