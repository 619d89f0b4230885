"""What the routes work with, in one place: advisor, keys, cache, readiness; knows neither Ray nor FastAPI."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pipeline.errors import ColorMatchError, NotReady
from pipeline.types import PhaseName
from serve import wire
from serve.decode.pool import DecodePool
from serve.keys.keyring import KeyRing
from serve.keys.limits import Limiter
from serve.keys.records import Principal
from serve.observe.metrics import Metrics
from serve.openapi.answers import CacheHealth, ObjectsHealth, PhaseHealth
from serve.openapi.answers import Readiness as ReadinessAnswer
from serve.settings import Settings
from serve.stores.cache import Cache
from serve.uploads.uploads import Uploads
from serve.walk.advisor import Advisor
from serve.walk.breaker import STATES

ANONYMOUS = Principal("anonymous", "anonymous", frozenset(("advice", "uploads", "metrics")))
POLL_S = 1.0
POLL_TIMEOUT_S = 5.0
OBJECTS_POLL_S = 10.0  # stores let their clients pay for each call
STALE_AFTER_S = 15.0  # a phase that has not answered for this long is not ready

Describe = Callable[[], Awaitable[bytes]]
Scrape = Callable[[], Awaitable[bytes]]


@dataclass(slots=True)
class Readiness:
    """The cached view that /v1/readyz shows: when each phase last answered (monotonic s), and the cache's state."""

    seen_s: dict[PhaseName, float] = field(default_factory=dict)
    cache_up: bool = False
    objects_up: bool = False
    objects_asked_s: float = -math.inf

    def phase_ready(self, phase: PhaseName) -> bool:
        """Whether the phase answered lately."""
        return time.monotonic() - self.seen_s.get(phase, -STALE_AFTER_S) < STALE_AFTER_S


@dataclass(slots=True)
class Service:
    """One ingress replica's parts. scrape: the metrics of all replicas as text; None: this one's are all there are."""

    def __post_init__(self) -> None:
        self.metrics.expect_requests()
        self.metrics.before_report.append(self._measure)

    settings: Settings
    advisor: Advisor
    decoder: DecodePool
    cache: Cache
    keys: KeyRing | None
    limiter: Limiter
    describe: Mapping[PhaseName, Describe]
    uploads: Uploads | None = None
    metrics: Metrics = field(default_factory=Metrics)
    scrape: Scrape | None = None
    readiness: Readiness = field(default_factory=Readiness)

    async def authenticate(self, key: str | None) -> Principal:
        """Who asks. Raises Unauthenticated, and NotReady while nobody can tell."""
        return ANONYMOUS if self.keys is None else await self.keys.authenticate(key)

    def report(self) -> ReadinessAnswer:
        """The view as /v1/readyz shows it: ready when every phase is warm and reachable."""
        phases = {
            phase: PhaseHealth(
                ready=self.readiness.phase_ready(phase), version=self.advisor.versions.get(phase), breaker=breaker
            )
            for phase, breaker in self.advisor.breaker_states().items()
        }
        ready = all(health.ready for health in phases.values())
        objects: ObjectsHealth = "none" if self.uploads is None else "up" if self.readiness.objects_up else "down"
        cache: CacheHealth = "up" if self.readiness.cache_up else "down"
        return ReadinessAnswer(ready=ready, phases=phases, cache=cache, objects=objects)

    async def exposition(self) -> bytes:
        """The metrics as Prometheus text. Raises NotReady while those of all replicas cannot be collected."""
        return self.metrics.text() if self.scrape is None else await self.scrape()

    def _measure(self) -> None:
        """Brings the gauges up to date."""
        metrics, readiness = self.metrics, self.readiness
        seats, taken = self.advisor.seats()
        metrics.seats.set(seats)
        metrics.seats_taken.set(taken)
        for phase, present in self.advisor.breaker_states().items():
            metrics.phase_ready.labels(phase).set(readiness.phase_ready(phase))
            for state in STATES:
                metrics.breaker_state.labels(phase, state).set(state == present)
        metrics.store_up.labels("cache").set(readiness.cache_up)
        if self.uploads is not None:
            metrics.store_up.labels("objects").set(readiness.objects_up)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts the decode workers and the watch, and stops both in the end."""
        await self.decoder.start()
        watch = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self.advisor.close()
            await self.decoder.close()
            await self.cache.close()
            await self.limiter.close()
            for part in (self.keys, self.uploads):
                if part is not None:
                    await part.close()

    async def _watch(self) -> None:
        """Asks the phases and the cache how they are, over and over; probes read the view and cost nothing."""
        while True:
            await asyncio.gather(*(self._ask(phase) for phase in self.describe), self._ask_cache(), self._ask_objects())
            await asyncio.sleep(POLL_S)

    async def _ask(self, phase: PhaseName) -> None:
        try:
            async with asyncio.timeout(POLL_TIMEOUT_S):
                described = wire.decode(await self.describe[phase](), wire.Description)
        except Exception:  # whatever a broken phase raises, it is not ready
            return
        self.advisor.learn(described)
        self.readiness.seen_s[phase] = time.monotonic()

    async def _ask_cache(self) -> None:
        self.readiness.cache_up = await self.cache.reachable()

    async def _ask_objects(self) -> None:
        now_s = time.monotonic()
        if self.uploads is None or now_s - self.readiness.objects_asked_s < OBJECTS_POLL_S:
            return
        self.readiness.objects_asked_s = now_s
        try:
            await self.uploads.store.ping()
            self.readiness.objects_up = True
        except ColorMatchError:
            self.readiness.objects_up = False


def no_object_store() -> NotReady:
    """The answer to an object key while no object store is configured."""
    return NotReady("No object store is configured on this server; send the image itself.")
