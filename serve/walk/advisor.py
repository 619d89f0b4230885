"""The walk of one request: cache, decode, segmentation, extraction, harmony, answer; knows neither Ray nor FastAPI."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from opentelemetry.trace import SpanKind

from pipeline import analysis, codec
from pipeline.codec import canonical
from pipeline.contract import advice_to_json, segments_to_json
from pipeline.errors import NotReady, PhaseFailed, PhaseTimeout
from pipeline.parts import Extraction, Harmony
from pipeline.types import DecodedImage, Options, PhaseName, Segmentation
from serve import wire
from serve.observe import tracing
from serve.observe.metrics import Metrics
from serve.settings import AdviceConfig
from serve.stores.cache import Cache, Lease
from serve.vocabulary import BreakerState, CacheStatus
from serve.walk.admission import Admission
from serve.walk.phase import Phase
from serve.walk.question import Answer, Question, Trace, bare_garments, extraction_options, harmony_options

PATIENCE = 0.6  # of a request's whole time, that a photo may wait for its seat
COALESCING = 0.7  # of it, that a photo may wait for another replica's answer to an equal one
LEASE_POLL_S = 0.02
T = TypeVar("T", Segmentation, Extraction, Harmony)
S = TypeVar("S")


class Decoder(Protocol):
    """Encoded bytes to a bounded image, within a budget."""

    async def decode(
        self, image: bytes, *, mask: bytes | None, network_px: tuple[int, int] | None, budget_s: float
    ) -> DecodedImage:
        """Raises the image errors of pipeline.errors."""


@dataclass(frozen=True, slots=True)
class Phases:
    """The three phases as the walk calls them."""

    segmentation: Phase
    extraction: Phase
    harmony: Phase

    def __iter__(self) -> Iterator[Phase]:
        return iter((self.segmentation, self.extraction, self.harmony))


@dataclass(frozen=True, slots=True)
class PhaseRequest:
    """One phase's question in this walk: its wire form given a deadline, and what keys its cache (None: not cached)."""

    message: Callable[[float], wire.SegmentRequest | wire.ExtractRequest | wire.HarmoniseRequest]
    content: bytes | None
    fallback: Callable[[], Awaitable[Segmentation] | Awaitable[Extraction] | Awaitable[Harmony]]


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
    ) -> None:
        self._metrics = metrics or Metrics()
        self._decoder = decoder
        self._phases = phases
        self._cache = cache
        self._admission = Admission(config.max_photos_in_flight, on_refusal=self._metrics.shed.inc)
        self.reconfigure(config)
        self.versions: dict[PhaseName, str] = {}  # what the phases last said of themselves
        self.network_px: tuple[int, int] | None = None
        # One thread: each more takes an equal share of the interpreter's lock from the event loop.
        self._fallbacks = ThreadPoolExecutor(1, "fallback")
        self._flights: dict[str, asyncio.Task[Answer]] = {}
        self._writes: set[asyncio.Task[None]] = set()

    def reconfigure(self, config: AdviceConfig) -> None:
        """Takes in changed budgets and thresholds, live."""
        self.config = config
        self._admission.most = config.max_photos_in_flight
        for phase in self._phases:
            phase.breaker.reconfigure(config.breaker)

    def seats(self) -> tuple[int, int]:
        """How many photos may be under way, and how many are."""
        return self._admission.seats, self._admission.taken

    def breaker_states(self) -> dict[PhaseName, BreakerState]:
        """Each phase's breaker."""
        return {phase.name: phase.breaker.state for phase in self._phases}

    def learn(self, description: wire.Description) -> None:
        """Takes in what a phase's replica says of itself: cache lookups and the network's input size follow it."""
        self.versions[description.phase] = description.version
        self.network_px = description.input_px or self.network_px

    async def advise(self, question: Question) -> Answer:
        """The answer to a question.

        Raises BadInput for what the client can mend, Overloaded and NotReady for what it can wait for. A phase that
        fails is no error: the answer is degraded and says so.
        """
        trace = Trace(total_s=self.config.budgets.total_ms / 1000, versions=dict(self.versions))
        content = question.content()
        if question.options.cache == "default":
            answer = await self._cached(question, content, trace)
        else:
            trace.cache["advice"] = question.options.cache
            answer = await self._walk(question, content, trace)
        answer.trace.lap("total", trace.started_s)
        return answer

    async def close(self) -> None:
        """Waits for the walks and cache writes under way."""
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await asyncio.gather(*self._writes, return_exceptions=True)

    # --- the advice cache -------------------------------------------------------------------------------------
    async def _cached(self, question: Question, content: bytes, trace: Trace) -> Answer:
        key = question.advice_key(content, trace.versions)
        remembered = self._cache.remembered(key)
        if remembered is not None:
            trace.cache["advice"] = "hit"
            return Answer(remembered, trace)
        if question.options.store:
            return await self._shared(key, question, content, trace)
        return await self._found(key, trace) or await self._walk(question, content, trace)

    async def _found(self, key: str, trace: Trace) -> Answer | None:
        found = await self._cache.get(key)
        trace.cache["advice"] = found.status
        return None if found.value is None else Answer(found.value, trace)

    async def _shared(self, key: str, question: Question, content: bytes, trace: Trace) -> Answer:
        """One lookup and one walk for equal questions that come together; it goes on when one of the askers leaves."""
        flight = self._flights.get(key)
        if flight is not None:
            first = await asyncio.shield(flight)
            status: CacheStatus = "hit" if first.trace.cache["advice"] == "hit" else "coalesced"
            statuses = {**first.trace.cache, "advice": status}
            return Answer(first.body, replace(first.trace, cache=statuses, timing_ms=dict(first.trace.timing_ms)))
        flight = asyncio.ensure_future(self._led(key, question, content, trace))
        self._flights[key] = flight
        flight.add_done_callback(lambda task: self._landed(key, task))
        return await asyncio.shield(flight)

    async def _led(self, key: str, question: Question, content: bytes, trace: Trace) -> Answer:
        """One walk for equal photos that come to several replicas together: one has the lease, the others wait for
        its answer; not for all of their time, in case it never comes. Colours cost less than the lease.
        """
        found = await self._found(key, trace)
        if found is not None:
            return found
        if question.mode == "colors":
            return await self._walk(question, content, trace)
        self._admission.check()  # before the lease: refusing must be cheap
        total_s = self.config.budgets.total_ms / 1000
        lease = await self._cache.lease(key, total_s)
        while lease is not None and not lease.held and trace.remaining_s() > (1 - COALESCING) * total_s:
            await asyncio.sleep(LEASE_POLL_S)
            found = await self._found(key, trace)
            if found is not None:
                trace.cache["advice"] = "coalesced"
                return found
            lease = await self._cache.lease(key, total_s) or lease  # somebody works on it, though the store fails now
        try:
            return await self._walk(question, content, trace)
        finally:
            if lease is not None and lease.held:
                self._later(self._give_back(lease, after=tuple(self._writes)))

    async def _give_back(self, lease: Lease, *, after: tuple[asyncio.Task[None], ...]) -> None:
        """The answer is in the cache before another replica can take the lease."""
        await asyncio.gather(*after, return_exceptions=True)
        await self._cache.give_back(lease)

    def _landed(self, key: str, flight: asyncio.Task[Answer]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # when every asker left, nobody else retrieves it

    def _keep(self, question: Question, key: str, value: bytes) -> None:
        if not question.options.store or question.options.cache == "bypass":
            return
        self._later(self._cache.set(key, value))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        write = asyncio.ensure_future(work)
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    # --- the walk ---------------------------------------------------------------------------------------------
    async def _walk(self, question: Question, content: bytes, trace: Trace) -> Answer:
        if question.mode == "colors":
            extracted = analysis.colors_extraction(question.colors, question.options)
            body = await self._finish(question, trace, extracted)
        else:
            async with self._admission.seat(within_s=PATIENCE * trace.total_s) as seat:
                trace.seat = seat
                body = await self._walk_photo(question, content, trace)
        if not trace.degraded:
            self._keep(question, question.advice_key(content, trace.versions), body)
        return Answer(body, trace)

    async def _walk_photo(self, question: Question, content: bytes, trace: Trace) -> bytes:
        image = await self._decode(question, trace)
        segmentation = analysis.given_segmentation(image, question.options)
        if segmentation is None:
            segmentation = await self._segment(question, content, trace, image)
        if question.view == "segment":
            return await asyncio.to_thread(_segments, image, segmentation, question.options, tuple(trace.degraded))
        extracted = await self._extract(question, content, trace, image, segmentation)
        return await self._finish(question, trace, extracted, image=image, segmenter=segmentation.version)

    async def _finish(
        self,
        question: Question,
        trace: Trace,
        extracted: Extraction,
        *,
        image: DecodedImage | None = None,
        segmenter: str | None = None,
    ) -> bytes:
        harmonised = None if question.view == "extract" else await self._harmonise(question, trace, extracted)
        advice = analysis.compose(
            question.mode,
            image,
            segmenter=segmenter,
            extracted=extracted,
            harmonised=harmonised,
            options=question.options,
            degraded=tuple(trace.degraded),
        )
        return advice_to_json(advice, question.options.lang, question.view)

    async def _decode(self, question: Question, trace: Trace) -> DecodedImage:
        needs_network = question.options.segment == "auto" and question.mask is None
        if needs_network and self.network_px is None:
            raise NotReady("The segmentation phase has not reported yet; try again shortly.")
        since_s = time.perf_counter()
        budget_s = min(self.config.budgets.decode_ms / 1000, trace.remaining_s())
        try:
            with tracing.span("decode"):
                image = await self._decoder.decode(
                    question.image,
                    mask=question.mask,
                    network_px=self.network_px if needs_network else None,
                    budget_s=budget_s,
                )
        except PhaseFailed as error:  # there is no photo to go on with
            raise NotReady("The photo cannot be decoded just now; try again shortly.") from error
        trace.step("decode", since_s, budget_ms=self.config.budgets.decode_ms)
        self._timed("decode", "computed", trace)
        return image

    async def _segment(self, question: Question, content: bytes, trace: Trace, image: DecodedImage) -> Segmentation:
        height_px, width_px = image.pixels.shape[:2]
        network = image.pixels if image.network is None else image.network
        request = PhaseRequest(
            message=lambda deadline_s: wire.SegmentRequest(deadline_s, network, width_px, height_px),
            content=content,
            fallback=lambda: self._fall_back(analysis.fallback_segmentation, image),
        )
        return await self._phase(self._phases.segmentation, Segmentation, question, trace, request)

    async def _extract(
        self,
        question: Question,
        content: bytes,
        trace: Trace,
        image: DecodedImage,
        segmentation: Segmentation,
    ) -> Extraction:
        options = extraction_options(question.options)
        request = PhaseRequest(
            message=lambda deadline_s: wire.ExtractRequest(
                deadline_s, image.pixels, segmentation.labels, segmentation.confidence, options
            ),
            content=content + codec.encode(segmentation) + canonical(options),
            fallback=lambda: self._fall_back(analysis.fallback_extraction, image, segmentation, options),
        )
        return await self._phase(self._phases.extraction, Extraction, question, trace, request)

    async def _harmonise(self, question: Question, trace: Trace, extracted: Extraction) -> Harmony:
        options, garments = harmony_options(question.options), bare_garments(extracted.garments)
        if question.mode == "colors":
            trace.cache["harmony"] = "bypass"  # a lookup would cost what it saves
        request = PhaseRequest(
            message=lambda deadline_s: wire.HarmoniseRequest(deadline_s, garments, options),
            content=None if question.mode == "colors" else canonical((garments, options)),
            fallback=lambda: self._fall_back(analysis.fallback_harmony, garments, options),
        )
        return await self._phase(self._phases.harmony, Harmony, question, trace, request)

    async def _fall_back(self, work: Callable[..., S], *given: object) -> S:
        """A fallback, in this process, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._fallbacks, work, *given)

    async def _phase(self, phase: Phase, kind: type[T], question: Question, trace: Trace, request: PhaseRequest) -> T:
        """A phase's answer: from its cache, from the phase within its budget, or from the fallback."""
        since_s = time.perf_counter()
        cached = await self._lookup(phase.name, kind, question, trace, request.content)
        if cached is not None:
            trace.lap(phase.name, since_s)
            self._timed(phase.name, "cache", trace)
            return cached
        budget_ms = getattr(self.config.budgets, f"{phase.name}_ms")
        budget_s = min(budget_ms / 1000, trace.remaining_s())
        try:
            with tracing.span(phase.name, SpanKind.CLIENT):
                message = replace(request.message(time.time() + budget_s), traceparent=tracing.traceparent())
                reply = await phase.call(codec.encode(message), budget_s=budget_s)
            value = codec.decode(reply, kind)
        except (PhaseTimeout, PhaseFailed):
            trace.step(phase.name, since_s, budget_ms=budget_ms)
            trace.degraded.append(phase.name)
            self._metrics.degraded.labels(phase.name).inc()
            substitute: T = await request.fallback()  # type: ignore[assignment]
            trace.lap(phase.name, since_s)
            self._timed(phase.name, "fallback", trace)
            return substitute
        self.versions[phase.name] = trace.versions[phase.name] = value.version
        if request.content is not None and not trace.degraded:
            self._keep(question, question.phase_key(phase.name, request.content, value.version), reply)
        trace.step(phase.name, since_s, budget_ms=budget_ms)
        self._timed(phase.name, "computed", trace)
        return value

    def _timed(self, step: str, source: str, trace: Trace) -> None:
        self._metrics.phase_seconds.labels(step, source).observe(trace.timing_ms[step] / 1000)

    async def _lookup(
        self, name: PhaseName, kind: type[T], question: Question, trace: Trace, content: bytes | None
    ) -> T | None:
        if content is None:
            return None
        if question.options.cache != "default":
            trace.cache[name] = question.options.cache
            return None
        found = await self._cache.get(question.phase_key(name, content, trace.versions.get(name, "")))
        trace.cache[name] = found.status
        try:
            return None if found.value is None else codec.decode(found.value, kind)
        except PhaseFailed:  # written by another version of this code
            trace.cache[name] = "miss"
            return None


def _segments(
    image: DecodedImage, segmentation: Segmentation, options: Options, degraded: tuple[PhaseName, ...]
) -> bytes:
    return segments_to_json(analysis.segments(image, segmentation, options, degraded), options.lang)
