"""Tests one ingress replica: its assembly, its readiness watch and its end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from pipeline.codec import encode
from pipeline.errors import PhaseFailed, Unauthenticated
from pipeline.types import PhaseName
from serve import readiness
from serve.assembly import assemble
from serve.keys.peppers import Peppers
from serve.keys.records import write_keys
from serve.service import ANONYMOUS, Service
from serve.settings import AdviceConfig, BreakerConfig, Budgets, Environment, Settings
from serve.walk.phase_call import CanaryHandles
from serve.wire import Description
from tests.serve.fakes import (
    CANARY_PX,
    CANARY_VERSION,
    NETWORK_PX,
    NETWORK_VERSION,
    PHASES,
    SECRET,
    Walk,
    descriptions,
    translate,
    until,
)

Describe = Callable[[], Awaitable[bytes]]


def _service(
    describe: dict[PhaseName, Describe], keys: Path | None = None, *, canary: Describe | None = None, **settings: Any
) -> Service:
    walk = Walk()
    return assemble(
        Settings(**{"decode_workers": 1, "require_keys": False, **settings}),
        Environment(redis_url=None, state_redis_url=None, stylesync_keys_file=keys),
        Peppers(SECRET),
        handles={name: walk.handle(name, describe[name]) for name in PHASES},
        translate=translate,
        canary=None if canary is None else CanaryHandles(*(walk.handle("segmentation", canary) for _ in range(2))),
    )


def _working() -> dict[PhaseName, Describe]:
    return {one.phase: _saying(encode(one)) for one in descriptions()}


def _saying(payload: bytes) -> Describe:
    async def describe() -> bytes:
        return payload

    return describe


# --- the watch ------------------------------------------------------------------------------------------------
async def test_the_service_is_ready_when_every_phase_has_described_itself() -> None:
    """The watch learns the phases' versions and the network's input size."""
    service = _service(_working())
    assert not service.readiness.view().ready
    async with service.running():
        await until(lambda: service.readiness.view().ready)
    assert service.advisor.network_px == NETWORK_PX
    assert service.readiness.view().phases["segmentation"].version == NETWORK_VERSION
    assert service.readiness.view().cache == "down"


async def test_the_canary_is_ready_when_it_has_described_itself() -> None:
    """The watch learns the second network's version and input size, and the metric says that photos can go there."""
    service = _service(_working(), canary=_saying(encode(Description("segmentation", CANARY_VERSION, CANARY_PX))))
    assert "colormatch_canary_ready 0.0" in service.metrics.text().decode()
    async with service.running():
        await until(lambda: service.advisor.canary.ready)
        assert "colormatch_canary_ready 1.0" in service.metrics.text().decode()
    assert service.advisor.canary.network_px == CANARY_PX
    assert (service.advisor.network_px, service.advisor.versions["segmentation"]) == (NETWORK_PX, NETWORK_VERSION)


async def test_the_service_is_ready_when_its_canary_is_silent() -> None:
    """A second network that does not answer is no reason to take a replica out of service."""
    service = _service(_working(), canary=_raises)
    async with service.running():
        await until(lambda: service.readiness.view().ready)
        assert not service.advisor.canary.ready


async def _raises() -> bytes:
    raise PhaseFailed("Broken.")


async def _hangs() -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


async def _junk() -> bytes:
    return b"\x81\xa3old\x01"


@pytest.mark.parametrize("broken", [_raises, _hangs, _junk])
async def test_one_phase_is_not_ready_when_it_cannot_describe_itself(
    monkeypatch: pytest.MonkeyPatch, broken: Describe
) -> None:
    """A phase that raises, hangs or replies nonsense is not ready. The others are, and the watch goes on."""
    monkeypatch.setattr(readiness, "POLL_TIMEOUT_S", 0.05)
    monkeypatch.setattr(readiness, "POLL_S", 0.01)
    service = _service({**_working(), "harmony": broken})
    async with service.running():
        await until(lambda: len(service.readiness.seen_s) == 2)
        assert [phase for phase, health in service.readiness.view().phases.items() if not health.ready] == ["harmony"]
        first_s = service.readiness.seen_s["extraction"]
        await until(lambda: service.readiness.seen_s["extraction"] > first_s)


async def test_a_phase_is_not_ready_when_it_has_been_silent() -> None:
    """An old report of a phase does not count."""
    service = _service(_working())
    async with service.running():
        await until(lambda: service.readiness.view().ready)
    service.readiness.seen_s["extraction"] -= readiness.STALE_AFTER_S
    assert not service.readiness.view().ready


async def test_a_breaker_is_half_open_by_time_when_no_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch makes the change and counts it, and readiness and the gauge say so."""
    monkeypatch.setattr(readiness, "POLL_S", 0.01)
    service = _service(_working())
    phase = service.advisor._phases.harmony
    phase.breaker.reconfigure(BreakerConfig(open_s=0.3))
    for _ in range(10):
        permit = phase.breaker.acquire()
        assert permit is not None
        permit.fail()
    assert 'colormatch_breaker_state{phase="harmony",state="open"} 1.0' in service.metrics.text().decode()
    changed = 'colormatch_breaker_transitions_total{phase="harmony",to="half_open"} 1.0'
    async with service.running():
        await until(lambda: changed in service.metrics.text().decode())
    assert service.readiness.view().phases["harmony"].breaker == "half_open"
    assert 'colormatch_breaker_state{phase="harmony",state="half_open"} 1.0' in service.metrics.text().decode()


async def test_nothing_is_left_when_the_service_ends() -> None:
    """Ending stops the watch and every worker."""
    service = _service(_working())
    before = {child.pid for child in psutil.Process().children()}
    async with service.running():
        assert {child.pid for child in psutil.Process().children()} > before
    assert {child.pid for child in psutil.Process().children()} <= before
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- keys and settings ----------------------------------------------------------------------------------------
def test_the_service_does_not_start_when_its_keys_are_missing(tmp_path: Path) -> None:
    """Without a key file the service does not start, and the message says what to set."""
    for keys in (None, tmp_path / "missing.json"):
        with pytest.raises(ValueError, match="STYLESYNC_KEYS_FILE"):
            _service(_working(), keys, require_keys=True)


async def test_requests_need_no_key_only_when_keys_are_turned_off(tmp_path: Path) -> None:
    """`require_keys: false` is the only way without a key."""
    assert await _service(_working()).authenticate(None) == ANONYMOUS
    write_keys(tmp_path / "keys.json", [])
    with pytest.raises(Unauthenticated):
        await _service(_working(), tmp_path / "keys.json", require_keys=True).authenticate(None)


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (Settings, {"max_image_byte": 1}),
        (Settings, {"decode_workers": 0}),
        (AdviceConfig, {"budget": {}}),
        (AdviceConfig, {"budgets": {"segmentation": 5}}),
        (AdviceConfig, {"max_photos_in_flight": 0}),
        (Budgets, {"harmony_ms": 0}),
        (Budgets, {"total_ms": 60_001}),
    ],
)
def test_a_configuration_is_refused_when_it_is_wrong(model: Any, value: dict[str, Any]) -> None:
    """An unknown name or a value out of range fails at once."""
    with pytest.raises(ValidationError):
        model.model_validate(value)


def test_settings_cannot_change_when_assigned_to() -> None:
    """Settings are frozen."""
    with pytest.raises(ValidationError):
        Settings().require_keys = False


def test_secrets_are_not_shown_when_the_environment_is_printed() -> None:
    """A URL's password is not part of a repr."""
    environment = Environment(redis_url="redis://:hush@10.0.0.7", state_redis_url=None)  # type: ignore[arg-type]
    assert "hush" not in repr(environment)
