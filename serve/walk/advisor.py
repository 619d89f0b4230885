"""The walk of one request: advice cache, admission, decoding, segmentation, extraction, harmony, answer."""

import asyncio
import time
from functools import partial
from typing import Protocol

from pipeline import analysis
from pipeline.codec import canonical
from pipeline.contract import advice_to_json, segments_to_json
from pipeline.errors import NotReady, PhaseFailed
from pipeline.image.formats import is_heif
from pipeline.options import HarmonyOptions, Options, PhotoOptions, phase_options
from pipeline.parts import Extraction, Harmony
from pipeline.types import DecodedImage, PhaseName, Segmentation
from pipeline.versions import HARMONY_VERSION
from serve import wire
from serve.observe import tracing
from serve.observe.metrics import Metrics
from serve.settings import AdviceConfig
from serve.stores.cache import Cache
from serve.vocabulary import BreakerState
from serve.walk.admission import Admission
from serve.walk.canary import Canary, CanaryPhases
from serve.walk.flights import Flights
from serve.walk.phases import PhaseCaller, PhaseRequest, Phases
from serve.walk.question import Answer, Progress, Question, bare_garments

# Fitted: python -m tests.reliability.run overload. The share of the request's time that a photo may wait for a slot.
QUEUE_SHARE = 0.6
# Taste: the share of the slots in use up to which a replica has room for what no answer needs.
IDLE_SHARE = 0.5


class Decoder(Protocol):
    """Encoded bytes to a bounded image, within a budget."""

    async def decode(
        self, image: bytes, *, mask: bytes | None, network_px: tuple[int, int] | None, budget_s: float
    ) -> DecodedImage:
        """Raises the image errors of pipeline.errors."""


class Advisor:
    """Answers questions by walking through the phases."""

    def __init__(
        self,
        *,
        decoder: Decoder,
        phases: Phases,
        cache: Cache,
        config: AdviceConfig,
        metrics: Metrics | None = None,
        canary: CanaryPhases | None = None,
    ) -> None:
        self._metrics = metrics = metrics or Metrics()
        self._decoder = decoder
        self._phases = phases
        self._admission = Admission(config.max_photos_in_flight, on_refusal=metrics.shed.inc)
        self._flights = Flights(cache, check=self._admission.check)
        self.versions: dict[PhaseName, str] = {}
        self.network_px: tuple[int, int] | None = None
        self._caller = PhaseCaller(cache, self._flights, metrics, self.versions)
        self.canary = Canary(canary, cache, self._flights, metrics, self._is_idle)
        self.reconfigure(config)

    def reconfigure(self, config: AdviceConfig) -> None:
        """Takes in changed budgets and thresholds, live."""
        self.config = config
        self._admission.most = config.max_photos_in_flight
        for phase in self._phases:
            phase.breaker.reconfigure(config.breaker)
        self.canary.reconfigure(config)

    def slots(self) -> tuple[int, int]:
        """How many photos may be in progress, and how many are."""
        return self._admission.limit, self._admission.taken

    def breaker_states(self) -> dict[PhaseName, BreakerState]:
        """Each phase's breaker."""
        return {phase.name: phase.breaker.state for phase in self._phases}

    def settle(self) -> None:
        """Makes the changes that time brings to the breakers, also while no request comes."""
        for phase in self._phases:
            phase.breaker.settle()

    def running_replicas(self) -> dict[PhaseName, int | None]:
        """How many replicas of each phase can take a call; None: not known yet."""
        return {phase.name: phase.replicas.running() for phase in self._phases}

    def learn(self, description: wire.Description) -> None:
        """Takes in what a phase's replica says of itself: cache lookups and the network's input size follow it."""
        self.versions[description.phase] = description.version
        self.network_px = description.input_px or self.network_px

    async def advise(self, question: Question) -> Answer:
        """The answer to a question.

        Raises BadInput for what the client can mend, Overloaded and NotReady for what it can wait for. A phase that
        fails is no error: the answer is degraded and says so.
        """
        progress = Progress(total_s=self.config.budgets.total_ms / 1000, versions=dict(self.versions))
        self.canary.choose(question, progress)
        content = question.content()
        walk = partial(self._walk, question, content)
        if question.options.cache == "default":
            key = question.advice_key(content, progress.versions)
            photo = question.mode != "colors"
            # Colours are cheaper than a lease.
            answer = await self._flights.answer(key, progress, walk, shared=question.options.store, leased=photo)
        else:
            progress.cache["advice"] = question.options.cache
            answer = await walk(progress)
        answer.progress.lap("total", progress.started_s)
        return answer

    async def close(self) -> None:
        """Waits for the walks and cache writes in progress, and ends comparisons."""
        await self._flights.close()
        await self.canary.close()

    def _is_idle(self) -> bool:
        limit, taken = self.slots()
        return taken <= IDLE_SHARE * limit

    # --- the walk ---------------------------------------------------------------------------------------------
    async def _walk(self, question: Question, content: bytes, progress: Progress) -> Answer:
        if question.mode == "colors":
            extracted = analysis.colors_extraction(question.colors, question.options)
            body = await self._finish(question, progress, extracted)
        else:
            async with self._admission.slot(within_s=QUEUE_SHARE * progress.total_s) as slot:
                progress.slot = slot
                body = await self._walk_photo(question, content, progress)
        if question.keeps and not progress.degraded:
            self._flights.keep(question.advice_key(content, progress.versions), body)
        return Answer(body, progress)

    async def _walk_photo(self, question: Question, content: bytes, progress: Progress) -> bytes:
        image = await self._decode(question, progress)
        segmentation = analysis.given_segmentation(image, question.options)
        found, extracted = None, None
        if segmentation is None:
            found = await self._segment(question, content, progress, image)
            segmentation = analysis.without_transparent(found, image)
        if question.view == "segment":
            degraded = tuple(progress.degraded)
            body = await asyncio.to_thread(_segments, image, segmentation, question.options, degraded)
        else:
            extracted = await self._extract(question, content, progress, image, segmentation)
            body = await self._finish(question, progress, extracted, image=image, segmenter=segmentation.version)
        if found is not None:
            self._observe_network(progress, extracted)
            self.canary.shadow(question, progress, image, found, extracted)
        return body

    def _observe_network(self, progress: Progress, extracted: Extraction | None) -> None:
        """Counts what a photo's network found."""
        segmenter, degraded = progress.versions.get("segmentation", ""), "segmentation" in progress.degraded
        if degraded or extracted is not None:
            garments = [] if extracted is None else [(one.category, one.confidence) for one in extracted.garments]
            self._metrics.counts_photo(segmenter, garments, degraded=degraded)

    async def _finish(
        self,
        question: Question,
        progress: Progress,
        extracted: Extraction,
        *,
        image: DecodedImage | None = None,
        segmenter: str | None = None,
    ) -> bytes:
        harmonised = None if question.view == "extract" else await self._harmonise(question, progress, extracted)
        advice = analysis.compose(
            question.mode,
            image,
            segmenter=segmenter,
            extracted=extracted,
            harmonised=harmonised,
            options=question.options,
            degraded=tuple(progress.degraded),
        )
        return advice_to_json(advice, question.options.lang, question.view)

    async def _decode(self, question: Question, progress: Progress) -> DecodedImage:
        network_px = self.canary.network_px if progress.canary else self.network_px
        if question.needs_network and network_px is None:
            raise NotReady("The segmentation phase has not reported yet; try again shortly.")
        budgets = self.config.budgets
        budget_ms = budgets.heif_decode_ms if is_heif(question.image) else budgets.decode_ms
        since_s = time.perf_counter()
        try:
            with tracing.span("decode"):
                image = await self._decoder.decode(
                    question.image,
                    mask=question.mask,
                    network_px=network_px if question.needs_network else None,
                    budget_s=min(budget_ms / 1000, progress.remaining_s()),
                )
        except PhaseFailed as error:
            # Without a photo nothing can stand in for it.
            raise NotReady("The photo cannot be decoded just now; try again shortly.") from error
        progress.step("decode", since_s, budget_ms=budget_ms)
        self._caller.observe("decode", "computed", progress)
        return image

    async def _segment(
        self, question: Question, content: bytes, progress: Progress, image: DecodedImage
    ) -> Segmentation:
        if progress.canary:
            found = await self.canary.segment(question, progress, self._segmentation(content, image))
            if found is not None:
                return found
            progress.canary = False
            progress.versions["segmentation"] = self.versions.get("segmentation", "")
            if self.canary.network_px != self.network_px:
                image = await self._decode(question, progress)
        return await self._caller.call(
            self._phases.segmentation,
            question,
            progress,
            self._segmentation(content, image),
            budgets=self.config.budgets,
        )

    def _segmentation(self, content: bytes, image: DecodedImage) -> PhaseRequest[Segmentation]:
        height_px, width_px = image.pixels.shape[:2]
        network = image.pixels if image.network is None else image.network
        return PhaseRequest(
            Segmentation,
            message=lambda deadline_s: wire.SegmentRequest(deadline_s, network, width_px, height_px),
            content=content,
            fallback=partial(analysis.fallback_segmentation, image),
        )

    async def _extract(
        self,
        question: Question,
        content: bytes,
        progress: Progress,
        image: DecodedImage,
        segmentation: Segmentation,
    ) -> Extraction:
        options = phase_options(question.options, PhotoOptions)
        request = PhaseRequest(
            Extraction,
            message=lambda deadline_s: wire.ExtractRequest(
                deadline_s, image.pixels, segmentation.labels, segmentation.confidence, options, opaque=image.opaque
            ),
            # The photo, its mask and the segmenter decide the label map.
            content=content + segmentation.version.encode() + b"\0" + canonical(options),
            fallback=partial(analysis.fallback_extraction, image, segmentation, options),
        )
        return await self._caller.call(
            self._phases.extraction, question, progress, request, budgets=self.config.budgets
        )

    async def _harmonise(self, question: Question, progress: Progress, extracted: Extraction) -> Harmony:
        options, garments = phase_options(question.options, HarmonyOptions), bare_garments(extracted.garments)
        # For colours a lookup would cost what it saves.
        cached = question.mode != "colors"
        if not cached:
            progress.cache["harmony"] = "bypass"
        request = PhaseRequest(
            Harmony,
            message=lambda deadline_s: wire.HarmoniseRequest(deadline_s, garments, options),
            content=canonical((garments, options)) if cached else None,
            fallback=partial(analysis.fallback_harmony, garments, options),
        )
        found = await self._caller.call(self._phases.harmony, question, progress, request, budgets=self.config.budgets)
        if "harmony" in progress.degraded and found.version == HARMONY_VERSION:
            progress.served_by["harmony"] = "ingress"
        return found


def _segments(
    image: DecodedImage, segmentation: Segmentation, options: Options, degraded: tuple[PhaseName, ...]
) -> bytes:
    return segments_to_json(analysis.segments(image, segmentation, options, degraded), options.lang)
