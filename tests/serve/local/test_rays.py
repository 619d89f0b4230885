"""Tests that a Ray of ours leaves no port fixed, without starting it."""

from typing import Any

import pytest
import ray
from ray._private.parameter import RayParams

from serve.local.rays import start_ray

FIXED_BY_RAY = 52365


def test_no_agents_port_is_fixed_when_we_start_a_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own parameters, made as ray.init makes them, have only the port that the caller chose."""
    made: dict[str, RayParams] = {}

    def init(address: str, **options: Any) -> None:
        made[address] = RayParams(dashboard_port=options["dashboard_port"])

    monkeypatch.setattr(ray, "init", init)
    start_ray(dashboard_port=8300)
    parameters = made["local"]
    ports = {name: value for name, value in vars(parameters).items() if name.endswith("port") and value}
    assert ports == {"dashboard_port": 8300}
    # Others in this process get what Ray gives them.
    assert RayParams().dashboard_agent_listen_port == FIXED_BY_RAY


def test_rays_parameters_are_as_before_when_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed start reaches the caller and leaves nothing changed."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(RuntimeError, match="no room"):
        start_ray()
    assert RayParams().dashboard_agent_listen_port == FIXED_BY_RAY
