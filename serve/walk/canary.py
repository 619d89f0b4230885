"""Runs a second network on a share of the photos, to answer them (split) or to be compared with the first (shadow)."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline import analysis, codec
from pipeline.agreement import garment_agreement, label_agreement
from pipeline.errors import ColorMatchError
from pipeline.options import PhotoOptions, phase_options
from pipeline.parts import Extraction, Garment
from pipeline.types import DecodedImage, PhaseName, Segmentation
from serve import wire
from serve.observe.metrics import Metrics
from serve.settings import AdviceConfig
from serve.stores.cache import Cache
from serve.walk.flights import Flights
from serve.walk.phase_call import Phase
from serve.walk.phases import PhaseCaller, PhaseRequest
from serve.walk.question import Progress, Question

# Taste: the photos of a replica that are compared at a time. Each holds its pixels in memory.
MOST_SHADOWS = 2
# Taste: a comparison begins after the answer has left.
SHADOW_AFTER_S = 0.05
# Taste: the share of segmentation's budget after which the main network takes over; the rest is for that.
SPLIT_BUDGET_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class CanaryPhases:
    """The second network for answers and for comparisons, and its extraction for comparisons.

    Each has a breaker of its own, so that no comparison can close the way of an answer.
    """

    split: Phase
    shadow: Phase
    extraction: Phase


@dataclass(frozen=True, slots=True)
class Compared:
    """A photo that the main network has answered. took_s: the main network's time. garments: None: none were made."""

    image: DecodedImage
    found: Segmentation
    took_s: float
    options: PhotoOptions
    garments: tuple[Garment, ...] | None


class Canary:
    """The second network of one ingress replica. phases: None where the application has none.

    idle: whether the replica has room for a comparison.
    """

    def __init__(
        self, phases: CanaryPhases | None, cache: Cache, flights: Flights, metrics: Metrics, idle: Callable[[], bool]
    ) -> None:
        self._phases = phases
        self._metrics = metrics
        self._idle = idle
        self._versions: dict[PhaseName, str] = {}
        self._caller = PhaseCaller(cache, flights, metrics, self._versions)
        self._config = AdviceConfig()
        self._shadows: set[asyncio.Task[None]] = set()
        self.network_px: tuple[int, int] | None = None

    @property
    def ready(self) -> bool:
        """Whether the second network has reported and has a replica."""
        return self._phases is not None and "segmentation" in self._versions and not self._phases.split.absent

    def reconfigure(self, config: AdviceConfig) -> None:
        """Takes in the share and the mode, live."""
        self._config = config
        if self._phases is not None:
            for phase in (self._phases.split, self._phases.shadow, self._phases.extraction):
                phase.breaker.reconfigure(config.breaker)

    def learn(self, description: wire.Description) -> None:
        """Takes in what a replica of the second network says of itself."""
        self._versions["segmentation"] = description.version
        self.network_px = description.input_px or self.network_px

    async def close(self) -> None:
        """Ends the comparisons in progress."""
        for shadow in self._shadows:
            shadow.cancel()
        await asyncio.gather(*self._shadows, return_exceptions=True)

    # --- split ------------------------------------------------------------------------------------------------
    def choose(self, question: Question, progress: Progress) -> None:
        """Gives a photo to the second network if it belongs to its share; its answer is then cached apart.

        While that network has no replica or its breaker is open, the main one answers, which is counted.
        """
        if not self._wants("split", question):
            return
        open_breaker = self._phases is not None and self._phases.split.breaker.state == "open"
        if not self.ready or open_breaker:
            self._metrics.canary_calls.labels("split", "refused" if self.ready else "absent").inc()
            return
        progress.canary = True
        progress.versions["segmentation"] = self._versions["segmentation"]

    async def segment(
        self, question: Question, progress: Progress, request: PhaseRequest[Segmentation]
    ) -> Segmentation | None:
        """The second network's answer; None when it fails, is late or full, and the main network is to answer."""
        if self._phases is None:
            return None
        budget_ms = SPLIT_BUDGET_SHARE * self._config.budgets.segmentation_ms
        try:
            return await self._caller.ask(self._phases.split, question, progress, request, budget_ms=budget_ms)
        except ColorMatchError:
            return None

    # --- shadow -----------------------------------------------------------------------------------------------
    def shadow(
        self,
        question: Question,
        progress: Progress,
        image: DecodedImage,
        found: Segmentation,
        extracted: Extraction | None,
    ) -> None:
        """Compares an answer of the main network with the second one's, once the answer has left.

        Only a new, whole answer is compared, and none for a client that wants nothing stored. Beyond MOST_SHADOWS at a
        time, or in a busy replica, the comparison is left out, which is counted.
        """
        if not self._wants("shadow", question) or not question.options.store:
            return
        if progress.degraded or progress.cache["segmentation"] == "hit":
            return
        if self._phases is None or len(self._shadows) >= MOST_SHADOWS or not self._idle():
            self._metrics.canary_calls.labels("shadow", "absent" if self._phases is None else "shed").inc()
            return
        garments = None if extracted is None else extracted.garments
        options = phase_options(question.options, PhotoOptions)
        main = Compared(image, found, progress.timing_ms["segmentation"] / 1000, options, garments)
        task = asyncio.ensure_future(self._compare(self._phases, main))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _compare(self, phases: CanaryPhases, main: Compared) -> None:
        try:
            await asyncio.sleep(SHADOW_AFTER_S)
            found, took_s = await self._segmented(phases.shadow, main)
            agreement = await asyncio.to_thread(label_agreement, main.found.labels, found.labels)
            self._counts_labels(main, found, took_s, agreement)
            if main.garments is not None:
                garments = await self._extracted(phases.extraction, main, found)
                self._counts_garments(found.version, main.garments, garments)
        except ColorMatchError:
            # The call has counted it.
            return
        except Exception:
            # Whatever is wrong with a comparison, it concerns no request.
            self._metrics.canary_calls.labels("shadow", "failed").inc()

    async def _segmented(self, phase: Phase, main: Compared) -> tuple[Segmentation, float]:
        """The second network's answer and its time, s. A photo at another input size is resized by the replica."""
        height_px, width_px = main.image.pixels.shape[:2]
        network = main.image.network
        fits = network is not None and network.shape[1::-1] == self.network_px
        budget_s = self._config.budgets.segmentation_ms / 1000
        pixels = network if fits and network is not None else main.image.pixels
        request = wire.SegmentRequest(time.time() + budget_s, pixels, width_px, height_px)
        payload = await asyncio.to_thread(codec.encode, request)
        since_s = time.perf_counter()
        reply = await phase.call(payload, budget_s=budget_s)
        took_s = time.perf_counter() - since_s
        return await asyncio.to_thread(codec.decode, reply, Segmentation), took_s

    async def _extracted(self, phase: Phase, main: Compared, found: Segmentation) -> tuple[Garment, ...]:
        budget_s = self._config.budgets.extraction_ms / 1000
        labels = await asyncio.to_thread(analysis.without_transparent, found, main.image)
        request = wire.ExtractRequest(
            time.time() + budget_s,
            main.image.pixels,
            labels.labels,
            labels.confidence,
            main.options,
            opaque=main.image.opaque,
        )
        reply = await phase.call(await asyncio.to_thread(codec.encode, request), budget_s=budget_s)
        return codec.decode(reply, Extraction).garments

    def _counts_labels(self, main: Compared, found: Segmentation, took_s: float, agreement: float) -> None:
        metrics, version = self._metrics, found.version
        metrics.segmentation_seconds.labels(version).observe(took_s)
        metrics.shadow_labels.labels(version).observe(agreement)
        metrics.shadow_seconds.labels(version, "main").observe(main.took_s)
        metrics.shadow_seconds.labels(version, "canary").observe(took_s)

    def _counts_garments(self, version: str, main: tuple[Garment, ...], garments: tuple[Garment, ...]) -> None:
        agreement = garment_agreement(main, garments)
        for de00 in agreement.de00:
            self._metrics.shadow_palette.labels(version).observe(de00)
        count = partial(self._metrics.shadow_garments.labels, version)
        count("both").inc(len(main) - agreement.only_first)
        count("main").inc(agreement.only_first)
        count("canary").inc(agreement.only_second)

    def _wants(self, mode: str, question: Question) -> bool:
        canary = self._config.canary
        return canary.mode == mode and question.needs_network and share_of(question) < canary.share


def share_of(question: Question) -> float:
    """Where a client's photo stands between 0 and 1; the same in every replica and at every time.

    A photo below the share stays below a larger one.
    """
    photo = hashlib.sha256(question.image).digest()
    digest = hashlib.sha256(question.tenant.encode() + b"\0" + photo).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
