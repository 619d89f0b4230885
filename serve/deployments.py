"""The deployments: thin adapters between Ray Serve and the core."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar

from ray import serve as ray_serve
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from pipeline import codec
from pipeline.errors import ColorMatchError, Overloaded, PhaseFailed, PhaseLost, PhaseTimeout, from_pair, to_pair
from pipeline.types import PhaseName
from pipeline.versions import EXTRACTION_VERSION, HARMONY_VERSION
from serve import wire
from serve.imports import forgo
from serve.observe import tracing
from serve.observe.metrics import Metrics
from serve.observe.ray_hub import exchange, report
from serve.replica import loading, warm_up
from serve.replica.batcher import Batcher, BatchLimits, BatchReport, Tally
from serve.replica.device import give_way, require_device, start_line
from serve.replica.live import LiveConfig
from serve.settings import (
    AdviceConfig,
    BatchConfig,
    Environment,
    S3Environment,
    SegmentationSettings,
    Settings,
    TracingSettings,
)
from serve.walk.phase_call import FROM_A_PHASE, CanaryHandles, PendingCall, PhaseHandle, Replicas

# Serve's own logger, whose lines are in the replica's log.
_log = logging.getLogger("ray.serve")

R = TypeVar("R", wire.ExtractRequest, wire.HarmoniseRequest)
T = TypeVar("T")
# A CUDA graph is recorded in the second round and first replayed in the third.
WARM_UP_ROUNDS = 3
# Ray's errors after which another replica may be asked: phases are pure.
LOST = (
    RayActorError,
    WorkerCrashedError,
    ObjectLostError,
    ReplicaUnavailableError,
)


class OneThread:
    """Runs CPU work beside the replica's event loop, one item at a time, and drops work that is past its deadline."""

    def __init__(self, phase: PhaseName, metrics: Metrics) -> None:
        tracing.configure(TracingSettings(), phase)
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._metrics, self._phase, self._queued = metrics, phase, 0
        metrics.before_report.append(lambda: metrics.queued.labels(phase).set(self._queued))

    def warm_up(self, work: Callable[[], object]) -> None:
        """Does work in the thread once, before any request comes: it loads tables. It counts in no metric."""
        self._executor.submit(work).result()

    async def run(self, deadline_s: float, work: Callable[[], T]) -> T:
        """The work's result. Raises PhaseTimeout when its turn comes after the deadline (Unix time, s)."""
        metrics, phase, came_s = self._metrics, self._phase, time.perf_counter()

        def in_time() -> T:
            metrics.queue_wait.labels(phase).observe(time.perf_counter() - came_s)
            if time.time() >= deadline_s:
                metrics.dropped.labels(phase, "expired").inc()
                raise PhaseTimeout("The deadline had passed before the work began.")
            with metrics.compute_seconds.labels(phase).time():
                return work()

        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, in_time)
        finally:
            self._queued -= 1


class Segmentation:
    """Phase 1: the network, on the device that its settings name. Its user_config is a BatchConfig and applies live.

    A bad user_config is refused while the replica serves, and the one before stays. The replica reports ready once
    every size of batch has been through the device. Once the device is lost its health check fails, and Serve replaces
    it.
    """

    # Of its metrics and its spans.
    component = "segmentation"

    def __init__(self) -> None:
        settings = SegmentationSettings()
        gpu = require_device(settings)
        give_way(settings.nice)
        self._on_cpu = settings.device == "cpu"
        # The engine is imported in this process alone.
        from models.engines.choice import choose, open_segmenter
        from serve.replica.weights import network_of

        tracing.configure(TracingSettings(), self.component)
        chosen = partial(choose, device=settings.device, engine=settings.engine, dtype=settings.dtype)
        with network_of(
            settings, S3Environment(), lambda card: chosen(card).engine, ca_file=Environment().ca_file
        ) as card:
            self._segmenter = open_segmenter(
                card,
                device=settings.device,
                engine=settings.engine,
                dtype=settings.dtype,
                threads=settings.threads,
                compile_mode=settings.compile_mode,
            )
        _log.info(start_line(self._segmenter.version, settings, gpu, self._segmenter.threads))
        limits = batch_limits(BatchConfig(), on_cpu=self._on_cpu)
        self._metrics = Metrics(self.component)
        self._live = LiveConfig(type(self).__name__, BatchConfig, self._metrics)
        self._metrics.knows_model(self._segmenter.version)
        self.batcher: Batcher[Any, Any] = Batcher(
            self._segmenter.stages, limits, is_fatal=self._segmenter.lost, observe=self._observe
        )
        self._warm: set[int] = set()
        self._warm_up(limits)
        self._told = Tally()
        self._metrics.before_report.append(self._measure)
        self._reporter = report(self._metrics)
        loading.freeze()

    async def reconfigure(self, config: dict[str, Any]) -> None:
        """Takes in a changed user_config. New sizes of batches are warmed up before they are used.

        Raises ValueError for a bad one at the start of a replica.
        """
        read = self._live.read(config)
        if read is None:
            return
        limits = batch_limits(read, on_cpu=self._on_cpu)
        await asyncio.to_thread(self._warm_up, limits)
        self.batcher.limits = limits

    async def check_health(self) -> None:
        """Raises PhaseLost when the device is lost or hangs, so that Serve replaces this replica."""
        self._live.serves()
        self.batcher.check()

    async def run(self, payload: bytes) -> bytes:
        """The Segmentation of a SegmentRequest, both in wire form."""
        from models.segmenter import SegmentationInput, check_photo

        request = codec.decode(payload, wire.SegmentRequest)
        item = SegmentationInput(request.image, request.width_px, request.height_px)
        check_photo(item)
        height_px, width_px = request.image.shape[:2]
        px = height_px * width_px + item.height_px * item.width_px
        with tracing.continued(request.traceparent, f"{self.component} replica"):
            found = await self.batcher.submit(item, px=px, deadline_s=request.deadline_s)
        return await asyncio.to_thread(codec.encode, found)

    async def describe(self) -> bytes:
        """Its Description in wire form."""
        description = wire.Description(
            "segmentation", self._segmenter.version, self._segmenter.input_px, self._live.refused
        )
        return codec.encode(description)

    def _observe(self, batch: BatchReport) -> None:
        for waited_s in batch.waited_s:
            self._metrics.queue_wait.labels(self.component).observe(waited_s)
        self._metrics.batch_size.labels(self.component).observe(batch.items)
        self._metrics.compute_seconds.labels(self.component).observe(batch.took_s)

    def _measure(self) -> None:
        """Updates the metrics that `_observe` does not see."""
        self._metrics.queued.labels(self.component).set(self.batcher.queued)
        now, before = replace(self.batcher.tally), self._told
        for reason in ("expired", "cancelled", "failed"):
            more = getattr(now, reason) - getattr(before, reason)
            self._metrics.dropped.labels(self.component, reason).inc(more)
        self._told = now
        for kind, size in self._segmenter.device_memory_bytes().items():
            self._metrics.device_memory.labels(kind).set(size)

    def _warm_up(self, limits: BatchLimits) -> None:
        from models.segmenter import bucket

        sizes = {bucket(count) for count in range(1, limits.max_items + 1)} - self._warm
        for size in sorted(sizes):
            self.batcher.warm_up([self._segmenter.blank(size)] * WARM_UP_ROUNDS)
        self._warm |= sizes


class SegmentationCanary(Segmentation):
    """A second network beside the first, with settings and a user_config of its own (serve/walk/canary.py)."""

    component = "segmentation_canary"

    def __init__(self) -> None:
        from pipeline.palette.extraction import extract

        super().__init__()
        self._extract = extract

    async def extract(self, payload: bytes) -> bytes:
        """The Extraction of an ExtractRequest, both in wire form.

        A comparison asks for it here, so that no answer's extraction waits for it.
        """

        def work() -> bytes:
            asked = codec.decode(payload, wire.ExtractRequest)
            found = self._extract(asked.image, asked.labels, asked.confidence, asked.options, opaque=asked.opaque)
            return codec.encode(found)

        return await asyncio.to_thread(work)


def batch_limits(config: BatchConfig, *, on_cpu: bool) -> BatchLimits:
    """The batcher's limits. What the config leaves open is chosen for the device."""
    return BatchLimits(
        max_items=config.max_photos or (1 if on_cpu else 32),
        max_px=config.max_px,
        in_flight=config.in_flight or (1 if on_cpu else 2),
        stall_s=config.stall_s,
    )


class PurePhase(Generic[R]):
    """A phase that is a pure function on the CPU: its request and its answer in wire form, one at a time.

    first: the request that it answers before it is ready.
    """

    def __init__(self, phase: PhaseName, version: str, first: R, work: Callable[[R], object]) -> None:
        self._description = codec.encode(wire.Description(phase, version))
        self._phase: PhaseName = phase
        self._request: type[R] = type(first)
        self._work: Callable[[R], object] = work
        metrics = Metrics(phase)
        self._thread = OneThread(phase, metrics)
        self._reporter = report(metrics)
        asked = codec.encode(first)
        self._thread.warm_up(lambda: codec.encode(work(codec.decode(asked, self._request))))
        loading.freeze()

    async def run(self, payload: bytes) -> bytes:
        """The answer to a request. Raises PhaseTimeout when its turn comes after its deadline."""
        request = codec.decode(payload, self._request)
        with tracing.continued(request.traceparent, f"{self._phase} replica"):
            return await self._thread.run(request.deadline_s, lambda: codec.encode(self._work(request)))

    async def describe(self) -> bytes:
        """Its Description in wire form."""
        return self._description


class Extraction(PurePhase[wire.ExtractRequest]):
    """Phase 2: palettes per garment."""

    def __init__(self) -> None:
        from pipeline.palette.extraction import extract

        super().__init__(
            "extraction",
            EXTRACTION_VERSION,
            warm_up.photo(),
            lambda asked: extract(asked.image, asked.labels, asked.confidence, asked.options, opaque=asked.opaque),
        )


class Harmony(PurePhase[wire.HarmoniseRequest]):
    """Phase 3: suggestions, matches, outfits."""

    def __init__(self) -> None:
        from pipeline.harmony.harmonise import harmonise

        super().__init__(
            "harmony", HARMONY_VERSION, warm_up.look(), lambda asked: harmonise(asked.garments, asked.options)
        )


@ray_serve.ingress()
class Advice:
    """The ingress: the FastAPI application over the walk. Its user_config is an AdviceConfig and applies live."""

    def __init__(
        self,
        settings: Settings,
        throwaway_pepper: bytes | None,
        *,
        segmentation: DeploymentHandle[Any],
        extraction: DeploymentHandle[Any],
        harmony: DeploymentHandle[Any],
        canary: DeploymentHandle[Any] | None = None,
    ) -> None:
        # FastAPI loads it to see that no model of ours is of pydantic 1, which takes a tenth of a replica's start.
        forgo("pydantic.v1")
        from serve.assembly import assemble
        from serve.keys.peppers import read_peppers

        environment = Environment()
        handles: dict[PhaseName, DeploymentHandle[Any]] = {
            "segmentation": segmentation,
            "extraction": extraction,
            "harmony": harmony,
        }
        tracing.configure(TracingSettings(), "advice")
        metrics = Metrics()
        self._live = LiveConfig("Advice", AdviceConfig, metrics)
        self._service = assemble(
            settings,
            environment,
            read_peppers(environment, throwaway_pepper),
            handles={name: phase_handle(handle) for name, handle in handles.items()},
            translate=translate,
            metrics=metrics,
            canary=None if canary is None else canary_handles(canary),
        )
        self._service.scrape = exchange().text
        self._reporter = report(metrics)

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Takes in a changed user_config.

        A bad one is refused while the replica serves, and the one before stays. Raises ValueError for a bad one at the
        start of a replica.
        """
        read = self._live.read(config)
        self._service.readiness.refused_config = self._live.refused
        if read is not None:
            self._service.advisor.reconfigure(read)

    async def check_health(self) -> None:
        """Serve's sign that this replica serves."""
        self._live.serves()

    def __serve_build_asgi_app__(self) -> Any:
        from serve.api import create_app

        app = create_app(self._service)
        loading.freeze()
        loading.keep_little()
        return app


def phase_handle(handle: DeploymentHandle[Any], method: str = "run") -> PhaseHandle:
    """A phase's handle as the walk uses it. method: the one that takes a payload."""
    run = getattr(handle, method)
    return PhaseHandle(run.remote, handle.describe.remote, Replicas(partial(running_replicas, run), replica_has))


def canary_handles(handle: DeploymentHandle[Any]) -> CanaryHandles:
    """The handles of `SegmentationCanary`."""
    return CanaryHandles(phase_handle(handle), phase_handle(handle, "extract"))


def running_replicas(handle: DeploymentHandle[Any]) -> int | None:
    """How many replicas the handle's router can send a call to; None before it knew one.

    While there are none, the router keeps calls until one comes. It drops a replica when a call or a probe finds it
    dead, and the controller tells it of new ones. Serve has no public way to ask for this, and a status from the
    controller would be later than the router's own.
    """
    router = getattr(handle, "_router", None)
    if router is None or not handle.running_replicas_populated():
        return None
    requests = getattr(getattr(router, "_asyncio_router", None), "_request_router", None)
    return None if requests is None else len(requests.curr_replicas)


def replica_has(call: PendingCall) -> bool:
    """Whether a replica has taken the call; True where this cannot be seen."""
    assigned = getattr(call, "_replica_result_future", None)
    return True if assigned is None else bool(assigned.done())


def translate(error: Exception) -> ColorMatchError:
    """An error of Ray or the transport as one of ours, by its type alone: its text names hosts, paths and classes."""
    cause: BaseException = error
    while isinstance(cause, RayTaskError):
        # Ray makes a class that is a RayTaskError and its cause, whose text is a stack.
        cause = cause.cause
    if isinstance(cause, BackPressureError):
        return Overloaded("A phase's queue is full; try again shortly.")
    if isinstance(cause, ColorMatchError):
        return from_pair(*to_pair(cause), among=FROM_A_PHASE)
    if isinstance(cause, LOST):
        return PhaseLost("A phase's replica was lost.")
    return PhaseFailed("A phase failed.")
