"""One phase's part of a request: from its cache, from the phase within its budget, or from the fallback."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from opentelemetry.trace import SpanKind

from pipeline import codec
from pipeline.errors import PhaseFailed, PhaseTimeout
from pipeline.parts import Extraction, Harmony
from pipeline.types import PhaseName, Segmentation
from serve import wire
from serve.observe import tracing
from serve.observe.metrics import Metrics
from serve.settings import Budgets
from serve.stores.cache import Cache
from serve.walk.flights import Flights
from serve.walk.phase_call import Phase
from serve.walk.question import Progress, Question

T = TypeVar("T", Segmentation, Extraction, Harmony)


@dataclass(frozen=True, slots=True)
class Phases:
    """The three phases as the walk calls them."""

    segmentation: Phase
    extraction: Phase
    harmony: Phase

    def __iter__(self) -> Iterator[Phase]:
        return iter((self.segmentation, self.extraction, self.harmony))


@dataclass(frozen=True, slots=True)
class PhaseRequest(Generic[T]):
    """What one phase is asked in this walk.

    kind: of the answer. message: the question given a deadline. content: what the answer depends on; None: the phase's
    cache is not used. fallback: what stands in for the answer; it runs in a thread.
    """

    kind: type[T]
    message: Callable[[float], wire.Request]
    content: bytes | None
    fallback: Callable[[], T]


class PhaseCaller:
    """Calls phases for requests. versions: what the phases last said of themselves; answers bring them up to date."""

    def __init__(self, cache: Cache, flights: Flights, metrics: Metrics, versions: dict[PhaseName, str]) -> None:
        self._cache = cache
        self._flights = flights
        self._metrics = metrics
        self._versions = versions
        # One thread: each more takes an equal share of the interpreter's lock from the event loop.
        self._fallbacks = ThreadPoolExecutor(1, "fallback")

    async def call(
        self, phase: Phase, question: Question, progress: Progress, request: PhaseRequest[T], *, budgets: Budgets
    ) -> T:
        """The phase's answer. A phase that is late, fails or is lost gives the fallback, and is noted as degraded.

        Raises BadInput for what the client can mend, and Overloaded when the phase's queue is full.
        """
        since_s = time.perf_counter()
        budget_ms = budgets.of(phase.name)
        try:
            return await self.ask(phase, question, progress, request, budget_ms=budget_ms)
        except (PhaseTimeout, PhaseFailed):
            progress.step(phase.name, since_s, budget_ms=budget_ms)
            progress.degraded.append(phase.name)
            self._metrics.degraded.labels(phase.name).inc()
            substitute = await asyncio.get_running_loop().run_in_executor(self._fallbacks, request.fallback)
            progress.lap(phase.name, since_s)
            self.observe(phase.name, "fallback", progress)
            return substitute

    async def ask(
        self, phase: Phase, question: Question, progress: Progress, request: PhaseRequest[T], *, budget_ms: float
    ) -> T:
        """The phase's answer, from its cache or from the phase. Raises all errors of `Phase.call`."""
        since_s = time.perf_counter()
        cached = await self._cached(phase, question, progress, request)
        if cached is not None:
            progress.lap(phase.name, since_s)
            self.observe(phase.name, "cache", progress)
            return cached
        budget_s = min(budget_ms / 1000, progress.remaining_s())
        with tracing.span(phase.name, SpanKind.CLIENT):
            message = replace(request.message(time.time() + budget_s), traceparent=tracing.traceparent())
            reply = await phase.call(codec.encode(message), budget_s=budget_s)
        answer: T = codec.decode(reply, request.kind)
        self._versions[phase.name] = progress.versions[phase.name] = answer.version
        if request.content is not None and question.keeps and not progress.degraded:
            self._flights.keep(question.phase_key(phase.name, request.content, answer.version), reply)
        progress.step(phase.name, since_s, budget_ms=budget_ms)
        self.observe(phase.name, "computed", progress)
        if phase.name == "segmentation":
            self._metrics.segmentation_seconds.labels(answer.version).observe(progress.timing_ms[phase.name] / 1000)
        return answer

    def observe(self, step: str, source: str, progress: Progress) -> None:
        """Adds a step's time to the metrics. source: cache, computed or fallback."""
        self._metrics.phase_seconds.labels(step, source).observe(progress.timing_ms[step] / 1000)

    async def _cached(self, phase: Phase, question: Question, progress: Progress, request: PhaseRequest[T]) -> T | None:
        name = phase.name
        if request.content is None:
            return None
        if question.options.cache != "default":
            progress.cache[name] = question.options.cache
            return None
        key = question.phase_key(name, request.content, progress.versions.get(name, ""))
        found = await self._cache.get(key)
        progress.cache[name] = found.status
        try:
            return None if found.value is None else codec.decode(found.value, request.kind)
        except PhaseFailed:
            # Another version of this code wrote it.
            progress.cache[name] = "miss"
            return None
