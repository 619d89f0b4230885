"""Tests phase calls over both transports of Serve, actor calls and gRPC: budgets, cancellation, errors, death."""

import ast
from collections.abc import Iterator

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
    """Makes calls at the same time. Gives `[answer]` or `[class of error, detail]` for each."""
    response = caller.get("/call", params={"payload": payload, "budget_s": budget_s, "times": times})
    found: list[list[str]] = response.raise_for_status().json()
    return found


def seen(caller: httpx.Client) -> dict[str, int]:
    """The phase's own counts."""
    ((text,),) = call(caller, "seen")
    found: dict[str, int] = ast.literal_eval(text)
    return found


def test_late_calls_leave_nothing_behind_when_cancelled(caller: httpx.Client) -> None:
    """Late calls are dropped in the replica and in its queue. Only the current work runs to its end."""
    before = seen(caller)
    outcomes = call(caller, "work 1.0", budget_s=0.3, times=MAX_QUEUED)
    assert [outcome[0] for outcome in outcomes] == ["PhaseTimeout"] * len(outcomes)
    wait_until(lambda: seen(caller)["ongoing"] == 0)
    assert call(caller, "work 0") == [["done"]]
    after = seen(caller)
    # The current work when the others were dropped, and the last call.
    assert after["worked"] - before["worked"] <= 2
    assert after["arrived"] - before["arrived"] <= MAX_ONGOING + 1


def test_calls_are_refused_when_the_queue_is_full(caller: httpx.Client) -> None:
    """Calls beyond the replica's slots and its queue are Overloaded at once. The others are served."""
    outcomes = [outcome[0] for outcome in call(caller, "work 0.05", times=3 * (MAX_ONGOING + MAX_QUEUED))]
    assert set(outcomes) == {"done", "Overloaded"}
    assert outcomes.count("done") >= MAX_ONGOING


@pytest.mark.parametrize("name", ["InvalidOptions", "ImageTooSmall", "Overloaded", "PhaseTimeout", "PhaseLost"])
def test_our_own_error_crosses_the_process_boundary(caller: httpx.Client, name: str) -> None:
    """The class and the detail of the error arrive."""
    assert call(caller, f"raise {name}") == [[name, "/secret/path"]]


@pytest.mark.parametrize("name", ["KeyError", "ColorMatchError", "NotFound"])
def test_phase_failed_when_it_raises_anything_else(caller: httpx.Client, name: str) -> None:
    """A bug of a phase, and an error that no phase may send, arrive as PhaseFailed without their text."""
    assert call(caller, f"raise {name}") == [["PhaseFailed", "A phase failed."]]


def test_call_fails_cleanly_when_the_replica_dies_under_it(caller: httpx.Client) -> None:
    """The replica's death is PhaseLost. Later calls end at once, within no budget, until a new replica answers."""
    ((kind, detail),) = call(caller, "die", budget_s=AMPLE_S)
    assert kind == "PhaseLost"
    assert "/" not in detail
    outcomes = [call(caller, "work 0")[0]]

    def answers() -> bool:
        outcomes.append(call(caller, "work 0")[0])
        return outcomes[-1] == ["done"]

    wait_until(answers)
    # Without this knowledge the first call would wait for the new replica and be answered.
    assert ["PhaseLost", "segmentation has no running replica."] in outcomes
    assert "PhaseTimeout" not in {outcome[0] for outcome in outcomes}
