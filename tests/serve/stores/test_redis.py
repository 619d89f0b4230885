"""The cache on a real Valkey server that is up, hangs or is gone: a request never waits more than a moment."""

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from serve.local import stores as local_stores
from serve.stores import timeouts
from serve.stores.cache import Cache, Found, cache_key
from serve.stores.redis import Cooldown, RedisStore, StoreError, state_pool
from serve.stores.timeouts import COOLDOWN_S, READ_TIMEOUT_S
from tests.reliability.tcp_proxy import TcpProxy, tcp_proxy

pytestmark = pytest.mark.server
KEY = cache_key("extraction", "tenant", b"content")
# The timeout of a read is 40 ms; the rest is for a loaded machine.
MOMENT_S = 0.3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[local_stores.Store]:
    """A cache server of its own."""
    started = local_stores.start_cache(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignores that a loaded machine may block this process, which is not tested here."""
    monkeypatch.setattr(timeouts, "LATE_FACTOR", math.inf)


@pytest_asyncio.fixture
async def cache(server: local_stores.Store) -> AsyncIterator[Cache]:
    """A cache on the server, with almost no memory of its own."""
    made = Cache(RedisStore.of_cache(server.url), secret=b"secret", memory_bytes=1)
    yield made
    await made.close()


async def test_a_value_is_found_by_all_when_one_replica_kept_it(server: local_stores.Store, cache: Cache) -> None:
    """One replica reads what another wrote, whatever the bytes."""
    value = bytes(range(256)) * 1000
    await cache.set(KEY, value)
    other = Cache(RedisStore.of_cache(server.url), secret=b"secret", memory_bytes=1)
    assert await other.get(KEY) == Found("hit", value)
    assert await other.get(KEY[:-1]) == Found("miss")
    await other.close()


async def test_a_value_ends_when_its_lifetime_does(server: local_stores.Store) -> None:
    """The lifetime reaches the server."""
    store = RedisStore.of_cache(server.url)
    await store.set(KEY, b"value", 4321)
    assert 4300 < await store._redis.ttl(KEY) <= 4321
    await store.close()


@pytest.mark.usefixtures("attentive")
async def test_a_request_waits_a_moment_at_most_when_the_server_is_killed(
    server: local_stores.Store, cache: Cache
) -> None:
    """The first lookup fails at once, the next ones do not ask, and writes are lost without an error."""
    await cache.set(KEY, b"value")
    server.process.kill()
    server.process.wait()
    since_s = time.perf_counter()
    for _ in range(20):
        assert await cache.get(KEY) == Found("unavailable")
        await cache.set(KEY, b"value")
    assert not await cache.reachable()
    assert time.perf_counter() - since_s < MOMENT_S


@pytest.mark.usefixtures("attentive")
async def test_a_request_waits_a_moment_at_most_when_the_server_hangs(server: local_stores.Store, cache: Cache) -> None:
    """A stopped server, which still accepts connections, costs one short wait; hits come back when it does."""
    await cache.set(KEY, b"value")
    server.process.send_signal(signal.SIGSTOP)
    try:
        since_s = time.perf_counter()
        for _ in range(20):
            assert await cache.get(KEY) == Found("unavailable")
        assert time.perf_counter() - since_s < MOMENT_S
    finally:
        server.process.send_signal(signal.SIGCONT)
    until_s = time.monotonic() + 5
    while (found := await cache.get(KEY)) != Found("hit", b"value"):
        assert found.status == "unavailable"
        assert time.monotonic() < until_s
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("attentive")
async def test_the_first_request_waits_a_moment_at_most_when_there_never_was_a_server() -> None:
    """A port where nobody listens is refused without redis-py's retries."""
    cache = Cache(RedisStore.of_cache("redis://127.0.0.1:1"), secret=b"secret", memory_bytes=1)
    since_s = time.perf_counter()
    assert await cache.get(KEY) == Found("unavailable")
    assert time.perf_counter() - since_s < MOMENT_S
    await cache.close()


async def test_a_value_is_kept_when_the_server_is_slower_than_a_request_could_wait(
    server: local_stores.Store, cache: Cache
) -> None:
    """No request waits for a write, so a write has more time than a lookup."""
    await cache.set(KEY, b"old")
    with tcp_proxy(urlsplit(server.url).port or 0) as proxy:
        slow = Cache(RedisStore.of_cache(_through(server, proxy)), secret=b"secret", memory_bytes=1)
        proxy.delay_s = 2 * READ_TIMEOUT_S
        await slow.set(KEY, b"new")
        assert await slow.get(KEY) == Found("unavailable")
        await slow.close()
    assert await cache.get(KEY) == Found("hit", b"new")


async def test_what_has_to_be_known_is_waited_for_when_the_server_is_slower_than_a_lookup_could_wait(
    server: local_stores.Store,
) -> None:
    """A presign with an Idempotency-Key survives a short delay of the state store."""
    with tcp_proxy(urlsplit(server.url).port or 0) as proxy:
        state = RedisStore.of_state(state_pool(_through(server, proxy)))
        # This opens the connection.
        assert await state.get("k") is None
        proxy.delay_s = 2 * READ_TIMEOUT_S
        assert await state.add("k", b"first", 60.0)
        assert await state.get("k") == b"first"
        await state.close()


@pytest.mark.usefixtures("attentive")
async def test_only_the_first_lookup_waits_when_the_server_hangs_for_seconds(server: local_stores.Store) -> None:
    """A probe beside the requests finds out when the server is back; no second request waits for it."""
    store = RedisStore.of_cache(server.url)
    cache = Cache(store, secret=b"secret", memory_bytes=1)
    await cache.set(KEY, b"value")
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert await cache.get(KEY) == Found("unavailable")
        waits, until_s = 0, time.monotonic() + 2.5 * COOLDOWN_S
        while time.monotonic() < until_s:
            began_s = time.perf_counter()
            assert await cache.get(KEY) == Found("unavailable")
            waits += time.perf_counter() - began_s > 0.8 * READ_TIMEOUT_S
            await asyncio.sleep(0.01)
        # On a loaded machine a fast failure may look like one wait.
        assert waits <= 1
    finally:
        server.process.send_signal(signal.SIGCONT)
        await cache.close()


def _through(server: local_stores.Store, proxy: TcpProxy) -> str:
    return f"redis://:{urlsplit(server.url).password}@127.0.0.1:{proxy.port}/0"


class Clock:
    """The real clock plus the time for which a test says that this process was blocked."""

    def __init__(self) -> None:
        self.blocked_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.blocked_s


def a_cooldown(clock: Clock, **more: Any) -> Cooldown:
    """One permit, and time enough for a loaded machine."""
    return Cooldown(permits=1, timeout_s=0.5, clock=clock, **more)


async def value() -> bytes:
    """A command that succeeds."""
    return b"value"


@pytest.mark.parametrize(("blocked_s", "asked_again"), [(0.0, False), (3.0, True)])
async def test_a_store_cools_down_when_it_failed_not_when_this_process_was_blocked(
    blocked_s: float, asked_again: bool
) -> None:
    """A failure long after the timeout is the event loop's fault and no reason to bypass the store."""
    clock = Clock()
    cooldown = a_cooldown(clock)

    async def late() -> bytes:
        clock.blocked_s += blocked_s
        raise TimeoutError

    with pytest.raises(StoreError):
        await cooldown.ask(late)
    if asked_again:
        assert await cooldown.ask(value) == b"value"
    else:
        with pytest.raises(StoreError):
            await cooldown.ask(value)


async def test_a_store_is_waited_for_when_this_process_was_blocked_meanwhile() -> None:
    """Otherwise a flood of requests would have each replica count a key's limit by itself."""
    loop, timeout_s = asyncio.get_running_loop(), 0.2
    answer: asyncio.Future[bytes] = loop.create_future()
    loop.call_soon(time.sleep, 3 * timeout_s)
    loop.call_later(3.5 * timeout_s, answer.set_result, b"value")

    async def slow() -> bytes:
        return await answer

    assert await Cooldown(permits=1, timeout_s=timeout_s).ask(slow) == b"value"


async def test_a_silent_command_is_cancelled_after_its_timeout_and_leaves_nothing() -> None:
    """Its permit is free again, and the next commands fail at once."""
    cooldown, ended = a_cooldown(Clock()), list[str]()

    async def silent() -> bytes:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("silent")
        return b""

    with pytest.raises(StoreError):
        await cooldown.ask(silent)
    assert ended == ["silent"]
    with pytest.raises(StoreError):
        await cooldown.ask(value)
    assert not cooldown._permits.locked()


@pytest.mark.parametrize(("blocked_s", "stays"), [(0.0, True), (3.0, False)])
async def test_a_cooldown_ends_when_this_process_was_late(
    blocked_s: float, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load a probe may always be late; the store is then asked again rather than bypassed."""
    monkeypatch.setattr(timeouts, "COOLDOWN_S", 0.0)
    clock, pinged = Clock(), asyncio.Event()

    async def fails() -> bytes:
        if cooldown._until_s:
            clock.blocked_s += blocked_s
        pinged.set()
        raise TimeoutError

    cooldown = a_cooldown(clock, probe=fails)
    with pytest.raises(StoreError):
        await cooldown.ask(fails)
    pinged.clear()
    await pinged.wait()
    await asyncio.sleep(0.01)
    if stays:
        with pytest.raises(StoreError):
            await cooldown.ask(value)
    else:
        assert await cooldown.ask(value) == b"value"
    cooldown.close()
