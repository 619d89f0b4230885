"""The four deployments: thin adapters between Ray Serve and the pure parts; one of the few files that know Ray."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ray import serve as ray_serve
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from pipeline.errors import BadInput, ColorMatchError, Overloaded, PhaseFailed, PhaseLost, PhaseTimeout
from pipeline.types import PhaseName
from serve import wire
from serve.settings import AdviceConfig, Environment, SegmentationSettings, Settings

R = TypeVar("R")
LOST = (
    RayActorError,
    WorkerCrashedError,
    ObjectLostError,
    ReplicaUnavailableError,
)  # asking again is safe: phases are pure


class OneThread:
    """Runs CPU work beside the replica's event loop, one item at a time, and drops what nobody waits for."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1)

    async def run(self, deadline_s: float, work: Callable[[], R]) -> R:
        """The work's result. Raises PhaseTimeout when its turn comes after the deadline (Unix time, s)."""

        def in_time() -> R:
            if time.time() >= deadline_s:
                raise PhaseTimeout("The deadline had passed before the work began.")
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._executor, in_time)


class Segmentation:
    """Phase 1: the network, on the device that its settings name. Warm before it reports ready."""

    def __init__(self) -> None:
        from models.registry import load_card  # torch is imported in this process alone
        from models.segmenter import Segmenter

        settings = SegmentationSettings()
        self._segmenter = Segmenter(
            load_card(settings.model), device=settings.device, dtype=settings.dtype, threads=settings.threads
        )
        self._segmenter.warm_up()
        self._thread = OneThread()

    async def run(self, payload: bytes) -> bytes:
        """A SegmentRequest to a Segmentation, both in wire form."""
        request = wire.decode(payload, wire.SegmentRequest)
        return await self._thread.run(request.deadline_s, lambda: self._segment(request))

    def _segment(self, request: wire.SegmentRequest) -> bytes:
        from models.segmenter import SegmentationInput

        item = SegmentationInput(request.image, request.width_px, request.height_px)
        (found,) = self._segmenter.segment([item])
        if isinstance(found, ColorMatchError):
            raise found
        return wire.encode(found)

    async def describe(self) -> bytes:
        """Its Description in wire form."""
        description = wire.Description("segmentation", self._segmenter.version, self._segmenter.input_px)
        return wire.encode(description)


class Extraction:
    """Phase 2: palettes per garment."""

    def __init__(self) -> None:
        from pipeline import extraction

        self._extraction = extraction
        self._thread = OneThread()

    async def run(self, payload: bytes) -> bytes:
        """An ExtractRequest to an Extraction, both in wire form."""
        request = wire.decode(payload, wire.ExtractRequest)
        return await self._thread.run(request.deadline_s, lambda: self._extract(request))

    def _extract(self, request: wire.ExtractRequest) -> bytes:
        found = self._extraction.extract(request.image, request.labels, request.confidence, request.options)
        return wire.encode(found)

    async def describe(self) -> bytes:
        """Its Description in wire form."""
        return wire.encode(wire.Description("extraction", self._extraction.EXTRACTION_VERSION))


class Harmony:
    """Phase 3: suggestions, matches, outfits."""

    def __init__(self) -> None:
        from pipeline import harmony

        self._harmony = harmony
        self._thread = OneThread()

    async def run(self, payload: bytes) -> bytes:
        """A HarmoniseRequest to a Harmony, both in wire form."""
        request = wire.decode(payload, wire.HarmoniseRequest)
        return await self._thread.run(request.deadline_s, lambda: self._harmonise(request))

    def _harmonise(self, request: wire.HarmoniseRequest) -> bytes:
        return wire.encode(self._harmony.harmonise(request.garments, request.options))

    async def describe(self) -> bytes:
        """Its Description in wire form."""
        return wire.encode(wire.Description("harmony", self._harmony.HARMONY_VERSION))


@ray_serve.ingress()
class Advice:
    """The ingress: the FastAPI application over the walk; user_config is an AdviceConfig and applies live."""

    def __init__(
        self,
        settings: Settings,
        environment: Environment,
        secret: bytes,
        *,
        segmentation: DeploymentHandle[Any],
        extraction: DeploymentHandle[Any],
        harmony: DeploymentHandle[Any],
    ) -> None:
        from serve.assembly import assemble

        handles: dict[PhaseName, DeploymentHandle[Any]] = {
            "segmentation": segmentation,
            "extraction": extraction,
            "harmony": harmony,
        }
        self._service = assemble(
            settings,
            environment,
            secret,
            start={name: handle.run.remote for name, handle in handles.items()},
            describe={name: handle.describe.remote for name, handle in handles.items()},
            translate=translate,
        )

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Takes in a changed user_config. Raises pydantic's ValidationError, which fails the update, for a bad one."""
        self._service.advisor.reconfigure(AdviceConfig.model_validate(config))

    def __serve_build_asgi_app__(self) -> Any:
        from serve.api import create_app

        return create_app(self._service)


def translate(error: Exception) -> ColorMatchError:
    """Ray's and the transports' errors as ours: by type alone, since their texts name hosts, paths and classes."""
    cause: BaseException = error
    while isinstance(cause, RayTaskError):  # both a RayTaskError and its cause, whose text is a stack
        cause = cause.cause
    if isinstance(cause, BackPressureError):
        return Overloaded("A phase's queue is full; try again shortly.")
    if isinstance(cause, BadInput | Overloaded | PhaseTimeout):
        return type(cause)(cause.detail)
    if isinstance(cause, LOST):
        return PhaseLost("A phase's replica was lost.")
    return PhaseFailed("A phase failed.")
