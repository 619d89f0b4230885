"""The cached view behind /v1/readyz: what the phases and stores last said, asked over and over beside the requests."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline import codec
from pipeline.errors import ColorMatchError
from pipeline.types import PhaseName
from serve import wire
from serve.stores.cache import Cache
from serve.vocabulary import BreakerState, CacheHealth, ObjectsHealth
from serve.walk.advisor import Advisor

if TYPE_CHECKING:
    # It loads the client of the object store, which an application without one never needs.
    from serve.uploads.uploads import Uploads

POLL_S = 1.0  # taste: a probe sees a change within a second
POLL_TIMEOUT_S = 5.0  # taste: a replica that is busy for this long is still there
OBJECTS_POLL_S = 10.0  # taste: S3 providers charge for each call
STALE_AFTER_S = 15.0  # taste: a phase that has not answered for this long is not ready

Describe = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class PhaseHealth:
    """One phase: whether it answered lately, its version, its breaker's state, and what is wrong with its config.

    replicas: how many this ingress replica can call; 0: answers are degraded at once; None: not known yet.
    """

    ready: bool
    version: str | None
    breaker: BreakerState
    replicas: int | None
    refused_config: str | None


@dataclass(frozen=True, slots=True)
class Health:
    """The whole view. ready: every phase answered lately. objects: `none` where no object store is configured.

    refused_config: what is wrong with this ingress replica's latest user_config; the one before is in force.
    """

    ready: bool
    phases: dict[PhaseName, PhaseHealth]
    cache: CacheHealth
    objects: ObjectsHealth
    refused_config: str | None


@dataclass(slots=True)
class Readiness:
    """Asks the phases, the cache and the object store how they are; reading the view costs nothing."""

    advisor: Advisor
    cache: Cache
    uploads: "Uploads | None"
    describe: Mapping[PhaseName, Describe]
    # Asks the second network, where there is one. /v1/readyz does not depend on it.
    describe_canary: Describe | None = None
    seen_s: dict[PhaseName, float] = field(default_factory=dict)  # when each phase last answered, monotonic clock
    # What is wrong with the latest user_config of each phase, and of this replica.
    refused: dict[PhaseName, str | None] = field(default_factory=dict)
    refused_config: str | None = None
    cache_up: bool = False
    objects_up: bool = False
    objects_asked_s: float = -math.inf

    def phase_ready(self, phase: PhaseName) -> bool:
        """Whether the phase answered lately."""
        return time.monotonic() - self.seen_s.get(phase, -STALE_AFTER_S) < STALE_AFTER_S

    def view(self) -> Health:
        """What /v1/readyz shows."""
        replicas = self.advisor.running_replicas()
        phases = {
            phase: PhaseHealth(
                self.phase_ready(phase),
                self.advisor.versions.get(phase),
                breaker,
                replicas[phase],
                self.refused.get(phase),
            )
            for phase, breaker in self.advisor.breaker_states().items()
        }
        ready = all(health.ready for health in phases.values())
        objects: ObjectsHealth = "none" if self.uploads is None else "up" if self.objects_up else "down"
        return Health(ready, phases, "up" if self.cache_up else "down", objects, self.refused_config)

    async def watch(self) -> None:
        """Asks every POLL_S, until it is cancelled."""
        while True:
            self.advisor.settle()
            phases = (self._ask(phase) for phase in self.describe)
            await asyncio.gather(*phases, self._ask_canary(), self._ask_cache(), self._ask_objects())
            await asyncio.sleep(POLL_S)

    async def _ask(self, phase: PhaseName) -> None:
        described = await _described(self.describe[phase])
        if described is not None:
            self.advisor.learn(described)
            self.refused[phase] = described.refused_config
            self.seen_s[phase] = time.monotonic()

    async def _ask_canary(self) -> None:
        described = None if self.describe_canary is None else await _described(self.describe_canary)
        if described is not None:
            self.advisor.canary.learn(described)

    async def _ask_cache(self) -> None:
        self.cache_up = await self.cache.reachable()

    async def _ask_objects(self) -> None:
        now_s = time.monotonic()
        if self.uploads is None or now_s - self.objects_asked_s < OBJECTS_POLL_S:
            return
        self.objects_asked_s = now_s
        try:
            await self.uploads.store.ping()
            self.objects_up = True
        except ColorMatchError:
            self.objects_up = False


async def _described(describe: Describe) -> wire.Description | None:
    """What a replica says of itself; None when it does not, whatever it raises."""
    try:
        async with asyncio.timeout(POLL_TIMEOUT_S):
            return codec.decode(await describe(), wire.Description)
    except Exception:
        return None
