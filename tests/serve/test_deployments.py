"""What Ray's errors become, and the one thread that works beside a replica's loop; Ray is imported, not started."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from ray import ActorID
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    ObjectLostError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
    RequestCancelledError,
)

from pipeline.errors import (
    BadInput,
    ColorMatchError,
    ImageTooSmall,
    InvalidOptions,
    Overloaded,
    PhaseFailed,
    PhaseLost,
    PhaseTimeout,
)
from serve.deployments import OneThread, translate

INSIDE = "/srv/app/serve/deployments.py on 10.0.0.7 in Segmentation"
_ray_task_error: Any = RayTaskError  # without types


def in_task(cause: Exception) -> RayTaskError:
    """An error as Ray raises it in the caller: a RayTaskError that is its cause, too."""
    error: Any = _ray_task_error("Segmentation.run", f"Traceback: {INSIDE}", cause, "ray", 1, "10.0.0.7")
    found: RayTaskError = error.as_instanceof_cause()
    return found


def rpc_error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """A gRPC call that ended with a status."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=INSIDE)


BROKEN = {
    "a bug in the phase": in_task(KeyError(INSIDE)),
    "a bug, not wrapped": KeyError(INSIDE),
    "not picklable": in_task(RayError(INSIDE)),
    "Ray gave up": GetTimeoutError(INSIDE),
    "cancelled by Ray": TaskCancelledError(),
    "cancelled by Serve": RequestCancelledError("17"),
    "never deployed": DeploymentUnavailableError(DeploymentID("Segmentation", "colormatch")),
    "gRPC: internal": rpc_error(grpc.StatusCode.INTERNAL),
    "gRPC: too large": rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED),
    "gRPC: cancelled": rpc_error(grpc.StatusCode.CANCELLED),
    "serious trouble of ours": in_task(ColorMatchError("a detail")),
}

LOST = {
    "its actor died": ActorDiedError(),
    "its actor is away": ActorUnavailableError(INSIDE, ActorID.nil().binary()),
    "its worker crashed": WorkerCrashedError(),
    "its answer was lost": ObjectLostError("0" * 56, None, INSIDE),
    "replica gone": ReplicaUnavailableError("Segmentation#x"),
}


@pytest.mark.parametrize("name", LOST)
def test_phase_is_lost_when_its_replica_is(name: str) -> None:
    """A replica that died or was never reached is told from a phase that broke: another replica may answer."""
    found = translate(LOST[name])
    assert type(found) is PhaseLost
    assert found.detail == "A phase's replica was lost."


@pytest.mark.parametrize("name", BROKEN)
def test_phase_failed_when_ray_says_so_in_any_way(name: str) -> None:
    """Every way in which a phase can break is PhaseFailed, and nothing of the original's text is in it."""
    found = translate(BROKEN[name])
    assert type(found) is PhaseFailed
    assert found.detail == "A phase failed."


@pytest.mark.parametrize(
    "error", [BackPressureError(33, 32), in_task(BackPressureError(33, 32)), in_task(in_task(BackPressureError(1, 1)))]
)
def test_a_full_queue_is_overload_when_serve_drops_the_call(error: Exception) -> None:
    """Overloaded is not broken: 503 with Retry-After, and no breaker opens."""
    assert type(translate(error)) is Overloaded


@pytest.mark.parametrize(
    "cause", [InvalidOptions("max_colors is 13."), ImageTooSmall("3 px"), PhaseTimeout("Late."), Overloaded("Full.")]
)
@pytest.mark.parametrize("wrap", [in_task, lambda cause: cause, lambda cause: in_task(in_task(cause))])
def test_our_own_error_arrives_when_a_phase_raises_it(
    cause: ColorMatchError, wrap: Callable[[Exception], Exception]
) -> None:
    """Class and detail cross the process border, on either transport, and Ray's part is left behind."""
    found = translate(wrap(cause))
    assert type(found) is type(cause)
    assert found.detail == cause.detail
    assert not isinstance(found, RayTaskError)
    assert isinstance(found, BadInput | PhaseTimeout | Overloaded)


# --- the one thread -------------------------------------------------------------------------------------------
@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the work at hand waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_work_is_refused_when_its_turn_comes_too_late() -> None:
    """Nothing is computed for a caller whose deadline has passed."""
    done: list[int] = []
    with pytest.raises(PhaseTimeout):
        await OneThread().run(time.time() - 0.001, lambda: done.append(1))
    assert done == []
    await OneThread().run(time.time() + 60, lambda: done.append(2))
    assert done == [2]


async def test_waiting_work_is_dropped_when_its_caller_leaves(gate: threading.Event) -> None:
    """A cancelled call that has not begun never does; the one at work goes on, and the next is served."""
    thread, done = OneThread(), list[str]()
    deadline_s = time.time() + 60
    at_work = asyncio.ensure_future(thread.run(deadline_s, gate.wait))
    waiting = asyncio.ensure_future(thread.run(deadline_s, lambda: done.append("cancelled")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    gate.set()
    assert await at_work
    await thread.run(deadline_s, lambda: done.append("next"))
    assert done == ["next"]


async def test_the_loop_goes_on_when_the_thread_works(gate: threading.Event) -> None:
    """Work does not hold up the replica's loop, where health checks and timers run."""
    work = asyncio.ensure_future(OneThread().run(time.time() + 60, gate.wait))
    await asyncio.sleep(0)
    assert not work.done()
    gate.set()
    assert await work
