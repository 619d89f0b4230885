"""Limits on a real Valkey server, shared by three limiters as three replicas would, and with the server gone."""

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.errors import RateLimited
from serve.keys.limits import Limiter
from serve.keys.quota import Allowance, Quota, TooManyRequests
from serve.local import stores
from serve.stores.redis import state_pool

pytestmark = pytest.mark.server
HUNDRED = Allowance(per_minute=100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[stores.Store]:
    """A state server of its own."""
    started = stores.start_state(tmp_path, tmp_path / "data")
    yield started
    started.process.kill()
    started.process.wait()


@pytest_asyncio.fixture
async def replicas(store: stores.Store) -> AsyncIterator[list[Limiter]]:
    """Three limiters on the one server."""
    # A busy machine keeps them waiting.
    made = [Limiter(state_pool(store.url, timeout_s=10), replicas=3, timeout_s=10) for _ in range(3)]
    yield made
    for limiter in made:
        await limiter.close()


async def admitted(limiters: list[Limiter], requests: int, allowance: Allowance, key_id: str = "k") -> int:
    """The number of admitted requests, when all come at once and are spread over the limiters."""
    asked = (limiters[i % len(limiters)].count(key_id, allowance) for i in range(requests))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = sum(isinstance(outcome, TooManyRequests) for outcome in outcomes)
    assert refused + sum(isinstance(outcome, Quota) for outcome in outcomes) == requests
    return requests - refused


async def test_admitted_are_the_limit_exactly_when_many_come_at_once(replicas: list[Limiter]) -> None:
    """Of 500 requests that come at once to three replicas, exactly the allowed 100 are admitted; keys are separate."""
    assert await admitted(replicas, 500, HUNDRED) == 100
    assert await admitted(replicas, 30, HUNDRED, key_id="other") == 30


async def test_headers_tell_what_is_left_when_counted(replicas: list[Limiter]) -> None:
    """The quota counts down, and its headers follow the draft of the RateLimit fields."""
    first, second = [await replicas[0].count("k", HUNDRED) for _ in range(2)]
    assert first is not None
    assert second is not None
    assert (first.remaining, second.remaining) == (99, 98)
    assert second.headers()["RateLimit-Policy"] == '"minute";q=100;w=60'
    assert second.headers()["RateLimit"] == f'"minute";r=98;t={second.reset_s}'
    assert 1 <= second.reset_s <= 60


async def test_nothing_is_asked_when_a_key_has_no_limits(store: stores.Store) -> None:
    """A key without limits costs no trip to the store: it is admitted while the server is gone."""
    store.process.kill()
    limiter = Limiter(state_pool(store.url))
    assert await limiter.count("k", Allowance()) is None
    async with limiter.slot("k", Allowance()):
        pass
    await limiter.close()


async def test_each_replica_holds_its_share_when_the_server_is_gone(
    store: stores.Store, replicas: list[Limiter]
) -> None:
    """Without the server three replicas admit a third of the limit each, without waiting."""
    store.process.kill()
    store.process.wait()
    since_s = time.perf_counter()
    assert sum([await admitted([limiter], 50, HUNDRED) for limiter in replicas]) == 99
    assert time.perf_counter() - since_s < 2.0


async def test_slots_are_the_limit_exactly_when_shared(replicas: list[Limiter]) -> None:
    """Over all replicas a key has four concurrent requests and no fifth; a released slot is free again."""
    four = Allowance(concurrent=4)
    async with AsyncExitStack() as held:
        for i in range(4):
            await held.enter_async_context(replicas[i % 3].slot("k", four))
        with pytest.raises(RateLimited):
            await AsyncExitStack().enter_async_context(replicas[0].slot("k", four))
        async with replicas[0].slot("other", four):
            pass
    async with replicas[0].slot("k", four):
        pass


async def test_slots_are_bounded_when_the_server_is_gone(store: stores.Store, replicas: list[Limiter]) -> None:
    """Without the server a replica has its share of the slots, and releases them."""
    store.process.kill()
    store.process.wait()
    six = Allowance(concurrent=6)
    for _ in range(2):
        async with AsyncExitStack() as held:
            for _ in range(2):
                await held.enter_async_context(replicas[0].slot("k", six))
            with pytest.raises(RateLimited):
                await AsyncExitStack().enter_async_context(replicas[0].slot("k", six))


def test_a_refusal_survives_pickling_when_it_crosses_processes() -> None:
    """The error keeps its quota when pickled."""
    error = pickle.loads(pickle.dumps(TooManyRequests(Quota(10, 0, 7))))  # noqa: S301 - our own bytes
    assert error.quota == Quota(10, 0, 7)


async def test_nothing_is_left_when_the_last_request_was_counted(replicas: list[Limiter]) -> None:
    """The last request that is admitted has nothing left behind it."""
    assert [quota.remaining for _ in range(2) if (quota := await replicas[0].count("k", Allowance(2)))] == [1, 0]
