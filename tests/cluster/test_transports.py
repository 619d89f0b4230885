"""Phase calls over both of Serve's transports, actor calls and gRPC: budgets, cancellation, errors, death."""

import ast
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.bench.transport_profiles import PROFILES, serving
from tests.cluster.application import wait_until
from tests.cluster.transports_app import MAX_ONGOING, MAX_QUEUED

AMPLE_S = 30.0


@pytest.fixture(scope="module", params=PROFILES)
def caller(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the application of transports_app.py behind a profile."""
    with (
        serving(request.param, "tests.cluster.transports_app:build") as url,
        httpx.Client(base_url=url, timeout=120.0, trust_env=False) as client,
    ):
        yield client


def call(caller: httpx.Client, payload: str, *, budget_s: float = AMPLE_S, times: int = 1) -> list[list[str]]:
    """What came of some calls at the same time: `[answer]`, or `[class of error, detail]`."""
    response = caller.get("/call", params={"payload": payload, "budget_s": budget_s, "times": times})
    found: list[list[str]] = response.raise_for_status().json()
    return found


def seen(caller: httpx.Client) -> dict[str, int]:
    """What the phase's replica saw."""
    ((text,),) = call(caller, "seen")
    found: dict[str, int] = ast.literal_eval(text)
    return found


def test_late_calls_leave_nothing_behind_when_cancelled(caller: httpx.Client) -> None:
    """Calls beyond their budget are dropped in the replica and in the queue before it; the work at hand alone ends."""
    before = seen(caller)
    outcomes = call(caller, "work 1.0", budget_s=0.3, times=MAX_QUEUED)
    assert [outcome[0] for outcome in outcomes] == ["PhaseTimeout"] * len(outcomes)
    wait_until(lambda: seen(caller)["ongoing"] == 0)
    assert call(caller, "work 0") == [["done"]]
    after = seen(caller)
    assert after["worked"] - before["worked"] <= 2  # the one at work when the others were dropped, and the last
    assert after["arrived"] - before["arrived"] <= MAX_ONGOING + 1


def test_calls_are_refused_when_the_queue_is_full(caller: httpx.Client) -> None:
    """Beyond the replica's places and the queue the answer is Overloaded, at once; the others are served."""
    outcomes = [outcome[0] for outcome in call(caller, "work 0.05", times=3 * (MAX_ONGOING + MAX_QUEUED))]
    assert set(outcomes) == {"done", "Overloaded"}
    assert outcomes.count("done") >= MAX_ONGOING


@pytest.mark.parametrize("name", ["InvalidOptions", "ImageTooSmall", "Overloaded", "PhaseTimeout", "PhaseLost"])
def test_our_own_error_crosses_the_process_boundary(caller: httpx.Client, name: str) -> None:
    """Its class and its detail arrive."""
    assert call(caller, f"raise {name}") == [[name, "/secret/path"]]


@pytest.mark.parametrize("name", ["KeyError", "ColorMatchError", "NotFound"])
def test_phase_failed_when_it_raises_anything_else(caller: httpx.Client, name: str) -> None:
    """A bug in a phase says nothing of itself, nor does an error of ours that no phase may mean."""
    assert call(caller, f"raise {name}") == [["PhaseFailed", "A phase failed."]]


def test_call_fails_cleanly_when_the_replica_dies_under_it(caller: httpx.Client) -> None:
    """Death is a failed or late phase, one of ours; a successor answers."""
    ((kind, detail),) = call(caller, "die", budget_s=5.0)
    assert kind in ("PhaseFailed", "PhaseTimeout")
    assert "/" not in detail

    def answers() -> Any:
        return call(caller, "work 0", budget_s=5.0) == [["done"]]

    wait_until(answers)
