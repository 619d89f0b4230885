"""The application of serve/app.py, whose deployments take the time that they are known to cost, and hardly any CPU.

So two cores carry what would be many machines. Every cost is multiplied by STRETCH, because the rest of the walk is
real and takes its real time. Fewer photos a second then keep the same number of calls in progress, on which Serve
scales. For tests only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from ray import serve as ray_serve
from ray.serve import Application

from pipeline import analysis, codec
from pipeline.options import ColorShare, HarmonyOptions, Options
from pipeline.types import DecodedImage
from pipeline.types import Segmentation as LabelledPhoto
from pipeline.versions import EXTRACTION_VERSION, HARMONY_VERSION
from serve import deployments, wire
from serve.replica import warm_up
from serve.replica.batcher import Batcher, BatchLimits
from serve.settings import BatchConfig, Settings
from serve.walk.advisor import Decoder
from tests.nodes.costs import COSTS, GPU_BATCH_MS, GPU_FEED

# Taste: the least factor at which two cores carry the load of `make prove-autoscaling`.
STRETCH = 20.0
# Advice's loop works in pieces: around decoding, and before each of the three calls.
PIECES = 5
# The CPU time of Advice's loop that stays real, ms: it is part of its cost already.
REAL_LOOP_MS = COSTS["Advice"].thread_ms
EXTRACTED = analysis.colors_extraction((ColorShare("#1f2a44"),), Options())


def _take(cost_ms: float) -> None:
    """Blocks the thread for a stretched cost, as work would."""
    time.sleep(cost_ms * STRETCH / 1000)


class Segmentation:
    """Phase 1 without a network: the batcher of the real one, whose batches take what is estimated for a GPU."""

    def __init__(self) -> None:
        self.batcher: Batcher[wire.SegmentRequest, LabelledPhoto] = Batcher(
            [_labelled], deployments.batch_limits(BatchConfig(), on_cpu=False)
        )

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Takes in the user_config, with the time after which a batch hangs stretched."""
        limits = deployments.batch_limits(BatchConfig.model_validate(config), on_cpu=False)
        self.batcher.limits = BatchLimits(limits.max_items, limits.max_px, limits.in_flight, limits.stall_s * STRETCH)

    async def run(self, payload: bytes) -> bytes:
        """A label map of one garment."""
        request = codec.decode(payload, wire.SegmentRequest)
        px = request.width_px * request.height_px
        return codec.encode(await self.batcher.submit(request, px=px, deadline_s=request.deadline_s))

    async def describe(self) -> bytes:
        """A Description in wire form."""
        return codec.encode(wire.Description("segmentation", "slow:1:fp32:none", (384, 384)))


def _labelled(batch: Sequence[wire.SegmentRequest]) -> list[LabelledPhoto]:
    _take(max(GPU_BATCH_MS, GPU_FEED.thread_ms * len(batch)))
    # 3 is a top, the first kind of garment.
    return [
        LabelledPhoto(np.full((one.height_px, one.width_px), 3, np.uint8), None, "slow:1:fp32:none") for one in batch
    ]


class Extraction(deployments.PurePhase[wire.ExtractRequest]):
    """Phase 2, which always finds the same garment."""

    def __init__(self) -> None:
        def work(asked: wire.ExtractRequest) -> object:
            if asked.deadline_s != warm_up.NEVER:
                _take(COSTS["Extraction"].thread_ms)
            return EXTRACTED

        super().__init__("extraction", EXTRACTION_VERSION, warm_up.photo(), work)


class Harmony(deployments.PurePhase[wire.HarmoniseRequest]):
    """Phase 3, which always gives the same advice."""

    def __init__(self) -> None:
        advice = analysis.fallback_harmony(EXTRACTED.garments, HarmonyOptions())

        def work(asked: wire.HarmoniseRequest) -> object:
            if asked.deadline_s != warm_up.NEVER:
                _take(COSTS["Harmony"].thread_ms)
            return advice

        super().__init__("harmony", HARMONY_VERSION, warm_up.look(), work)


class SlowDecoder:
    """Decodes as the real pool does, and takes two pieces of the loop's time."""

    def __init__(self, real: Decoder, take: Callable[[], None]) -> None:
        self._real, self._take = real, take

    async def decode(
        self, image: bytes, *, mask: bytes | None, network_px: tuple[int, int] | None, budget_s: float
    ) -> DecodedImage:
        """The decoded photo."""
        self._take()
        found = await self._real.decode(image, mask=mask, network_px=network_px, budget_s=budget_s)
        self._take()
        return found


class Advice(deployments.Advice):
    """The real ingress, whose event loop is busy for as long as it costs."""

    # Ray's decorator makes the parent's an async one.
    async def __init__(self, *given: Any, **handles: Any) -> None:  # type: ignore[misc]
        parent: Any = super().__init__
        await parent(*given, **handles)
        advisor = self._service.advisor
        # The walk has no seam for a slower loop, so this changes its parts.
        advisor._decoder = SlowDecoder(advisor._decoder, _take_piece)
        advisor._phases = type(advisor._phases)(*map(_slow, advisor._phases))


def _take_piece() -> None:
    _take((COSTS["Advice"].thread_ms - REAL_LOOP_MS / STRETCH) / PIECES)


def _slow(phase: Any) -> Any:
    def start(payload: bytes) -> Any:
        _take_piece()
        return phase.start(payload)

    return replace(phase, start=start)


def build(args: Settings) -> Application:
    """Builds the graph of serve.app:build from these classes."""
    bound = {
        kind.__name__.lower(): ray_serve.deployment(kind).bind()  # type: ignore[attr-defined]
        for kind in (Segmentation, Extraction, Harmony)
    }
    advice: Application = ray_serve.deployment(Advice).bind(args, None, **bound)  # type: ignore[attr-defined]
    return advice
