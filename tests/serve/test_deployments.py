"""Tests the translation of Ray's errors and the work thread of a replica, without starting Ray."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
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
from ray.serve._private.request_router.request_router import RequestRouter
from ray.serve._private.router import AsyncioRouter, CurrentLoopRouter, SingletonThreadRouter
from ray.serve.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    ReplicaUnavailableError,
    RequestCancelledError,
)
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from models.cards import ModelError
from models.engines.torch import device_is_lost
from pipeline import codec
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
from pipeline.types import Segmentation as SegmentationResult
from serve import wire
from serve.deployments import OneThread, Segmentation, batch_limits, replica_has, running_replicas, translate
from serve.observe.metrics import Metrics
from serve.replica.batcher import Batcher, BatchLimits
from serve.settings import BatchConfig

INSIDE = "/srv/app/serve/deployments.py on 10.0.0.7 in Segmentation"
# Ray's class has no useful types here.
_ray_task_error: Any = RayTaskError


def in_task(cause: Exception) -> RayTaskError:
    """An error as Ray raises it in the caller: a RayTaskError that is also its cause."""
    error: Any = _ray_task_error("Segmentation.run", f"Traceback: {INSIDE}", cause, "ray", 1, "10.0.0.7")
    found: RayTaskError = error.as_instanceof_cause()
    return found


def rpc_error(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """The error of a gRPC call that ended with this status."""
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
    """A replica that died or was never reached raises PhaseLost, because another replica may answer."""
    found = translate(LOST[name])
    assert type(found) is PhaseLost
    assert found.detail == "A phase's replica was lost."


@pytest.mark.parametrize("name", BROKEN)
def test_phase_failed_for_every_error_of_ray(name: str) -> None:
    """Every error of Ray becomes PhaseFailed and keeps nothing of the original text."""
    found = translate(BROKEN[name])
    assert type(found) is PhaseFailed
    assert found.detail == "A phase failed."


@pytest.mark.parametrize(
    "error", [BackPressureError(33, 32), in_task(BackPressureError(33, 32)), in_task(in_task(BackPressureError(1, 1)))]
)
def test_a_full_queue_is_overload_when_serve_drops_the_call(error: Exception) -> None:
    """A call that Serve drops is Overloaded, which no breaker counts."""
    assert type(translate(error)) is Overloaded


@pytest.mark.parametrize(
    "cause", [InvalidOptions("max_colors is 13."), ImageTooSmall("3 px"), PhaseTimeout("Late."), Overloaded("Full.")]
)
@pytest.mark.parametrize("wrap", [in_task, lambda cause: cause, lambda cause: in_task(in_task(cause))])
def test_our_own_error_arrives_when_a_phase_raises_it(
    cause: ColorMatchError, wrap: Callable[[Exception], Exception]
) -> None:
    """Class and detail cross the process boundary on either transport, without Ray's wrapper."""
    found = translate(wrap(cause))
    assert type(found) is type(cause)
    assert found.detail == cause.detail
    assert not isinstance(found, RayTaskError)
    assert isinstance(found, BadInput | PhaseTimeout | Overloaded)


# --- what Serve's router knows ---------------------------------------------------------------------------------
def handle_to(*replicas: str, known: bool = True) -> Any:
    """A handle as Serve makes it, by the attributes that are read, whose router knows these replicas."""
    requests = SimpleNamespace(curr_replicas=dict.fromkeys(replicas))
    router = SimpleNamespace(_asyncio_router=SimpleNamespace(_request_router=requests))
    return SimpleNamespace(_router=router, running_replicas_populated=lambda: known)


def test_the_replicas_are_those_of_the_router() -> None:
    """A handle tells how many replicas its router can call, and nothing before the router knew one."""
    assert running_replicas(handle_to("a", "b")) == 2
    assert running_replicas(handle_to()) == 0
    assert running_replicas(handle_to(known=False)) is None
    unused: Any = SimpleNamespace(_router=None, running_replicas_populated=lambda: False)
    assert running_replicas(unused) is None
    without_cluster: Any = SimpleNamespace(_router=object(), running_replicas_populated=lambda: True)
    assert running_replicas(without_cluster) is None


def test_this_version_of_serve_has_what_is_read() -> None:
    """The attributes that the two functions read exist in Serve's own classes."""
    assert "_request_router" in AsyncioRouter.__init__.__code__.co_names
    for router in (SingletonThreadRouter, CurrentLoopRouter):
        assert "_asyncio_router" in router.__init__.__code__.co_names
    assert isinstance(RequestRouter.curr_replicas, property)
    assert "_router" in DeploymentHandle.__init__.__code__.co_names


async def test_a_call_is_taken_when_its_router_has_assigned_it() -> None:
    """A response of Serve tells whether a replica has its call; of any other call it is assumed."""
    assigned: concurrent.futures.Future[Any] = concurrent.futures.Future()
    metadata: Any = SimpleNamespace(request_id="1")
    response: Any = DeploymentResponse(assigned, metadata, _is_router_running_in_separate_loop=True)
    assert not replica_has(response)
    assigned.set_result(None)
    assert replica_has(response)
    other: Any = object()
    assert replica_has(other)


# --- the one thread -------------------------------------------------------------------------------------------
@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """The event that the current work waits for."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_work_is_refused_when_its_deadline_has_passed() -> None:
    """Nothing is computed for a caller whose deadline has passed."""
    done: list[int] = []
    with pytest.raises(PhaseTimeout):
        await OneThread("harmony", Metrics()).run(time.time() - 0.001, lambda: done.append(1))
    assert done == []
    await OneThread("harmony", Metrics()).run(time.time() + 60, lambda: done.append(2))
    assert done == [2]


async def test_waiting_work_is_dropped_when_its_caller_leaves(gate: threading.Event) -> None:
    """A cancelled call that has not begun never begins. The current one goes on, and the next is served."""
    thread, done = OneThread("harmony", Metrics()), list[str]()
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


async def test_the_loop_runs_while_the_thread_works(gate: threading.Event) -> None:
    """Work does not block the replica's event loop, where health checks and timers run."""
    work = asyncio.ensure_future(OneThread("harmony", Metrics()).run(time.time() + 60, gate.wait))
    await asyncio.sleep(0)
    assert not work.done()
    gate.set()
    assert await work


# --- segmentation ---------------------------------------------------------------------------------------------
def segment_request(width_px: int = 60, height_px: int = 80, *, left_s: float = 600.0) -> bytes:
    """A request for a grey photo."""
    image = np.full((224, 224, 3), 120, np.uint8)
    return codec.encode(wire.SegmentRequest(time.time() + left_s, image, width_px, height_px))


@pytest.fixture(scope="module")
def replica() -> Segmentation:
    """A replica with the default network, without Ray."""
    return Segmentation()


async def test_a_replica_answers_when_it_is_asked(replica: Segmentation) -> None:
    """A replica answers a label map of the requested size, counts for metrics, and refuses expired calls."""
    found = codec.decode(await replica.run(segment_request()), SegmentationResult)
    assert found.labels.shape == (80, 60)
    with pytest.raises(PhaseTimeout):
        await replica.run(segment_request(left_s=-1))
    assert (replica.batcher.tally.batches, replica.batcher.tally.expired) == (1, 1)
    await replica.check_health()


async def test_a_payload_never_enters_a_batch_when_its_shape_is_wrong(replica: Segmentation) -> None:
    """A payload of the wrong shape never enters a batch."""
    before = replica.batcher.tally.batches
    bad = wire.SegmentRequest(time.time() + 600, np.zeros((5, 5, 4), np.uint8), 9, 9)
    with pytest.raises(PhaseFailed, match="shape"):
        await replica.run(codec.encode(bad))
    assert replica.batcher.tally.batches == before


async def test_batch_limits_change_live_when_the_user_config_changes(replica: Segmentation) -> None:
    """New limits apply at once, after a warm-up of new batch sizes. An unknown field fails the update."""
    sizes: list[int] = []
    warm_up = replica.batcher.warm_up

    def noted(batches: list[Any]) -> None:
        sizes.extend({len(batch) for batch in batches})
        # The refused update changed nothing.
        assert replica.batcher.limits.max_items == 1
        warm_up(batches[:1])

    replica.batcher.warm_up = noted  # type: ignore[method-assign, assignment]
    await replica.reconfigure({"max_photos": 3, "max_px": 10**6, "stall_s": 5})
    assert sizes == [2, 4]
    assert replica.batcher.limits == BatchLimits(max_items=3, max_px=10**6, in_flight=1, stall_s=5)
    await replica.reconfigure({})
    assert replica.batcher.limits.max_items == 1


async def test_a_bad_user_config_is_refused_when_the_replica_serves(replica: Segmentation) -> None:
    """The limits stay, the report says what is wrong, and the next good config ends it."""
    await replica.check_health()
    before = replica.batcher.limits
    await replica.reconfigure({"max_photo": 3})
    assert replica.batcher.limits == before
    told = codec.decode(await replica.describe(), wire.Description).refused_config
    assert told == "max_photo is no field; the fields here are max_photos, max_px, in_flight, stall_s"
    await replica.reconfigure({})
    assert codec.decode(await replica.describe(), wire.Description).refused_config is None


async def test_a_replica_is_unhealthy_when_its_device_is_lost(replica: Segmentation) -> None:
    """After a lasting CUDA error, calls raise PhaseLost and the health check fails."""

    def broken(_items: list[Any]) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    whole, replica.batcher = replica.batcher, Batcher([broken], replica.batcher.limits, is_fatal=device_is_lost)
    with pytest.raises(PhaseLost):
        await replica.run(segment_request())
    with pytest.raises(PhaseLost):
        await replica.check_health()
    replica.batcher = whole
    await replica.check_health()


@pytest.mark.parametrize(
    ("model", "reason"),
    [("nobody", "no model 'nobody'; known are"), ("segformer-b2-clothes", "non-commercial: it must be allowed first")],
)
def test_a_replica_does_not_start_when_its_network_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, model: str, reason: str
) -> None:
    """The constructor fails with the reason, so that Serve keeps the old replicas."""
    monkeypatch.setenv("SEGMENTATION_MODEL", model)
    with pytest.raises(ModelError, match=reason):
        Segmentation()


def test_batch_limits_suit_the_device_when_the_config_sets_none() -> None:
    """The defaults are one photo at a time on a CPU and overlapping batches on a GPU. Configured values win."""
    on_cpu, on_gpu = (batch_limits(BatchConfig(), on_cpu=on_cpu) for on_cpu in (True, False))
    assert (on_cpu.max_items, on_cpu.in_flight) == (1, 1)
    assert (on_gpu.max_items, on_gpu.in_flight) == (32, 2)
    given = batch_limits(BatchConfig(max_photos=8, in_flight=3, max_px=9), on_cpu=False)
    assert (given.max_items, given.in_flight, given.max_px) == (8, 3, 9)
