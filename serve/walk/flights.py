"""One walk for equal questions: within a replica they share a flight, across replicas a lease in the store."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TypeAlias

from serve.stores.cache import Cache, Lease
from serve.vocabulary import CacheStatus
from serve.walk.question import Answer, Progress

# Fitted: python -m tests.reliability.run --bar 12. The share of the request's time that a photo may wait for another
# replica that works on the same photo; what is left is enough for a walk of its own.
COALESCING_SHARE = 0.7
# Taste: a lease holder's answer is seen a fiftieth of a second after it is in the store.
LEASE_POLL_S = 0.02

Walk: TypeAlias = Callable[[Progress], Awaitable[Answer]]


class Flights:
    """Answers from the advice cache, and one walk where there is none.

    check: raises Overloaded while no photo is admitted, so that a photo is refused before it costs a lease.
    """

    def __init__(self, cache: Cache, *, check: Callable[[], None]) -> None:
        self._cache = cache
        self._check = check
        self._flights: dict[str, asyncio.Task[Answer]] = {}
        self._writes: set[asyncio.Task[None]] = set()

    async def answer(self, key: str, progress: Progress, walk: Walk, *, shared: bool, leased: bool) -> Answer:
        """The cached answer of a key, or the walk's.

        shared: whether equal questions that come together may share one walk; it goes on when one of the askers
        leaves. leased: whether replicas share one, too.
        """
        remembered = self._cache.remembered(key)
        if remembered is not None:
            progress.cache["advice"] = "hit"
            return Answer(remembered, progress)
        if not shared:
            return await self._cached(key, progress) or await walk(progress)
        flight = self._flights.get(key)
        if flight is not None:
            return _joined(await asyncio.shield(flight))
        work = self._led(key, progress, walk) if leased else self._walked(key, progress, walk)
        flight = asyncio.ensure_future(work)
        self._flights[key] = flight
        flight.add_done_callback(lambda task: self._landed(key, task))
        return await asyncio.shield(flight)

    def keep(self, key: str, value: bytes) -> None:
        """Writes a value to the cache beside the requests."""
        self._later(self._cache.set(key, value))

    async def close(self) -> None:
        """Waits for the walks and cache writes under way."""
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def _cached(self, key: str, progress: Progress) -> Answer | None:
        found = await self._cache.get(key)
        progress.cache["advice"] = found.status
        return None if found.value is None else Answer(found.value, progress)

    async def _walked(self, key: str, progress: Progress, walk: Walk) -> Answer:
        return await self._cached(key, progress) or await walk(progress)

    async def _led(self, key: str, progress: Progress, walk: Walk) -> Answer:
        """The holder of the key's lease walks; the others poll the cache, for at most 70 % of their deadline."""
        found = await self._cached(key, progress)
        if found is not None:
            return found
        self._check()
        lease = await self._cache.lease(key, progress.total_s)
        while lease is not None and not lease.held and progress.share_left() > 1 - COALESCING_SHARE:
            await asyncio.sleep(LEASE_POLL_S)
            found = await self._cached(key, progress)
            if found is not None:
                progress.cache["advice"] = "coalesced"
                return found
            # While the store fails for a moment, the last known holder is taken to be still at work.
            lease = await self._cache.lease(key, progress.total_s) or lease
        try:
            return await walk(progress)
        finally:
            if lease is not None and lease.held:
                self._later(self._give_back(lease, after=tuple(self._writes)))

    async def _give_back(self, lease: Lease, *, after: tuple[asyncio.Task[None], ...]) -> None:
        """Ends the lease once the answer is in the cache, so that no other replica starts a walk in between."""
        await asyncio.gather(*after, return_exceptions=True)
        await self._cache.give_back(lease)

    def _landed(self, key: str, flight: asyncio.Task[Answer]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            # Retrieves the error of a flight that every asker left, or asyncio would log it.
            flight.exception()

    def _later(self, work: Coroutine[None, None, None]) -> None:
        write = asyncio.ensure_future(work)
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)


def _joined(first: Answer) -> Answer:
    """Another asker's answer, with measurements of its own."""
    status: CacheStatus = "hit" if first.progress.cache["advice"] == "hit" else "coalesced"
    statuses = {**first.progress.cache, "advice": status}
    timing_ms = dict(first.progress.timing_ms)
    return Answer(first.body, replace(first.progress, cache=statuses, timing_ms=timing_ms))
