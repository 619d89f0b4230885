"""One ingress replica's parts, as the routes use them: advisor, keys, limits, uploads, readiness, metrics."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import NotReady
from serve.decode.pool import DecodePool
from serve.keys.keyring import KeyRing
from serve.keys.limits import Limiter
from serve.keys.quota import Principal
from serve.observe.metrics import Metrics
from serve.readiness import Readiness
from serve.settings import Settings
from serve.stores.cache import Cache
from serve.uploads.remote import RemotePhotos
from serve.vocabulary import BREAKER_STATES
from serve.walk.advisor import Advisor

if TYPE_CHECKING:
    # It loads the client of the object store, which an application without one never needs.
    from serve.uploads.uploads import Uploads

ANONYMOUS = Principal("anonymous", "anonymous", frozenset(("advice", "uploads", "metrics")))

Scrape = Callable[[], Awaitable[bytes]]


@dataclass(slots=True)
class Service:
    """One ingress replica's parts. scrape: the metrics of all replicas as text; None: this one's are all there are."""

    settings: Settings
    advisor: Advisor
    decoder: DecodePool
    cache: Cache
    keys: KeyRing | None
    limiter: Limiter
    readiness: Readiness
    remote: RemotePhotos
    uploads: "Uploads | None" = None
    metrics: Metrics = field(default_factory=Metrics)
    scrape: Scrape | None = None

    def __post_init__(self) -> None:
        self.metrics.expect_requests()
        self.metrics.before_report.append(self._measure)

    async def authenticate(self, key: str | None) -> Principal:
        """The owner of an API key. Raises Unauthenticated, and NotReady while no key store can be read."""
        return ANONYMOUS if self.keys is None else await self.keys.authenticate(key)

    async def exposition(self) -> bytes:
        """The metrics as Prometheus text. Raises NotReady while those of all replicas cannot be collected."""
        return self.metrics.text() if self.scrape is None else await self.scrape()

    def _measure(self) -> None:
        """Sets the gauges to the present values."""
        metrics, readiness = self.metrics, self.readiness
        limit, taken = self.advisor.slots()
        metrics.seats.set(limit)
        metrics.seats_taken.set(taken)
        for phase, replicas in self.advisor.running_replicas().items():
            metrics.phase_absent.labels(phase).set(replicas == 0)
        for phase, present in self.advisor.breaker_states().items():
            metrics.phase_ready.labels(phase).set(readiness.phase_ready(phase))
            for state in BREAKER_STATES:
                metrics.breaker_state.labels(phase, state).set(state == present)
        metrics.canary_ready.set(self.advisor.canary.ready)
        metrics.store_up.labels("cache").set(readiness.cache_up)
        if self.uploads is not None:
            metrics.store_up.labels("objects").set(readiness.objects_up)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the decode workers and the readiness watch for as long as the block lasts."""
        await self.decoder.start()
        watch = asyncio.ensure_future(self.readiness.watch())
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


def no_object_store() -> NotReady:
    """The answer to an object key while no object store is configured."""
    return NotReady("No object store is configured on this server; send the image itself.")
