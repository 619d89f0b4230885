"""Live configs: what a bad one does at the start, what it does later, and how it is told."""

import logging
from typing import Any

import pytest

from serve.observe.metrics import Metrics
from serve.replica.live import LiveConfig
from serve.settings import AdviceConfig


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of a replica."""
    return Metrics()


@pytest.fixture
def live(metrics: Metrics) -> LiveConfig[AdviceConfig]:
    """The config of an ingress replica that has not served yet."""
    return LiveConfig("Advice", AdviceConfig, metrics)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a negative budget": (
        {"budgets": {"segmentation_ms": -5}},
        "budgets.segmentation_ms is -5: should be greater than 0",
    ),
    "a budget of a minute and more": (
        {"budgets": {"total_ms": 60_001}},
        "budgets.total_ms is 60001: should be less than or equal to 60000",
    ),
    "a misspelt field": (
        {"max_photos_in_fligth": 16},
        "max_photos_in_fligth is no field; the fields here are budgets, breaker, max_photos_in_flight, canary",
    ),
    "a misspelt field further in": (
        {"breaker": {"open": 5}},
        "breaker.open is no field; the fields here are window_calls, minimum_calls, failure_rate, slow_call_s, "
        "slow_call_rate, open_s, half_open_calls",
    ),
    "a word for a number": (
        {"max_photos_in_flight": "many"},
        "max_photos_in_flight is 'many': should be a valid integer, unable to parse string as an integer",
    ),
    "a share of two": (
        {"breaker": {"failure_rate": 2}},
        "breaker.failure_rate is 2: should be less than or equal to 1",
    ),
    "a list for an object": (
        {"budgets": [400]},
        "budgets is [400]: should be a valid dictionary or instance of Budgets",
    ),
    "nothing for a number": ({"max_photos_in_flight": None}, "max_photos_in_flight is None: should be a valid integer"),
    "no seat": ({"max_photos_in_flight": 0}, "max_photos_in_flight is 0: should be greater than or equal to 1"),
    "many mistakes": (
        {"a": 1, "b": 2, "c": 3, "d": 4},
        "a is no field; the fields here are budgets, breaker, max_photos_in_flight, canary; b is no field; the fields "
        "here are budgets, breaker, max_photos_in_flight, canary; c is no field; the fields here are budgets, breaker, "
        "max_photos_in_flight, canary; and 1 more",
    ),
    "a canary for more than all photos": (
        {"canary": {"share": 1.5}},
        "canary.share is 1.5: should be less than or equal to 1",
    ),
    "a canary in a mode that is none": (
        {"canary": {"share": 0.1, "mode": "mirror"}},
        "canary.mode is 'mirror': should be 'split' or 'shadow'",
    ),
    "a misspelt field of the canary": (
        {"canary": {"ratio": 0.1}},
        "canary.ratio is no field; the fields here are share, mode",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_config_is_refused_when_the_replica_serves(
    live: LiveConfig[AdviceConfig], metrics: Metrics, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It is no config at all; the log, the metric and the report name field, value and what is allowed."""
    given, told = BAD[name]
    live.serves()
    with caplog.at_level(logging.ERROR):
        assert live.read(given) is None
    assert live.refused == told
    assert caplog.messages == [f"The new user_config of Advice is refused, the one before stays: {told}"]
    assert 'colormatch_config_refused{deployment="Advice"} 1.0' in metrics.text().decode()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_config_fails_the_start_when_no_other_was_there(live: LiveConfig[AdviceConfig], name: str) -> None:
    """A first start fails with one line that says why."""
    given, told = BAD[name]
    with pytest.raises(ValueError, match="cannot be used") as caught:
        live.read(given)
    assert str(caught.value) == f"The user_config of Advice cannot be used: {told}"
    assert "\n" not in str(caught.value)


def test_the_report_ends_when_a_good_config_follows(live: LiveConfig[AdviceConfig], metrics: Metrics) -> None:
    """A good config is in force at once, and nothing is told any more."""
    live.serves()
    live.read({"max_photos_in_flight": 0})
    found = live.read({"max_photos_in_flight": 3})
    assert found is not None
    assert found.max_photos_in_flight == 3
    assert live.refused is None
    assert 'colormatch_config_refused{deployment="Advice"} 0.0' in metrics.text().decode()
