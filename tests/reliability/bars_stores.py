"""Measures bars 11, 12 and 14: Redis faults, a stampede, and an exact rate limit."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import httpx
import redis

from serve.keys.records import new_key, read_keys, write_keys
from serve.local.plan import REPOSITORY
from serve.stores.timeouts import READ_CONNECTIONS
from tests.reliability import layouts, load
from tests.reliability.bars import FIRST_MS, NO_WAIT_MS, RESUME_S
from tests.reliability.bars_overload import SHIPPED
from tests.reliability.cluster import Cluster, wait_until
from tests.reliability.kit import Kit, failed, percentile, tally

THREE = layouts.layout(1, Advice=3)
# Taste: how long a fault counts as new, and how long it lasts after that, s.
FIRST_S, FAULT_S = 1.0, 6.0
# Taste: the number of seconds before a fault that it is compared with.
SECONDS_BEFORE = 5
# Bar 12: equal photos at once. Bar 14: requests at once, and the key's limit.
STAMPEDE, CROWD, PER_MINUTE = 500, 500, 100
Change = Callable[[Cluster], None]


def redis_faults(kit: Kit) -> None:
    """Measures bar 11, Redis faults. A client that sends colours shows what a fault costs a request."""
    at = kit.cluster(SHIPPED)
    rate = kit.part_of_capacity(at, 0.3)
    mix = {"new": 0.5, "again": 0.25, "colors": 0.25}
    running = load.start(at.load(for_s=3600, per_s=rate, kinds=mix, seed=41))
    said, passed = [], True
    try:
        for name, (break_it, repair_it) in FAULTS.items():
            said.append(_suffered(kit, at, name, break_it, repair_it))
            passed &= "FAIL" not in said[-1]
    finally:
        running.end()
        with suppress(redis.RedisError, OSError):
            _repair(at)
    shots = running.shots()
    kit.tell(shots)
    # So many requests at once are an overload too, so no photos are sent beside them.
    said.append(_exhausted(at))
    passed &= "FAIL" not in said[-1]
    kit.row(
        "11",
        "Redis killed and restarted, stopped, read-only, out of memory, slow, at 0.3 C; then its pool exhausted",
        f"{len(failed(shots))} of {len(shots)} failed ({tally(shots)}); {'; '.join(said)}",
        passed and not failed(shots),
    )


def _suffered(kit: Kit, at: Cluster, name: str, break_it: Change, repair_it: Change) -> str:
    wait_until(lambda: _hits(at), within_s=60)
    before = [_colours_ms(at, FIRST_S) for _ in range(SECONDS_BEFORE)]
    break_it(at)
    first, then = _colours_ms(at, FIRST_S), _colours_ms(at, FAULT_S * max(0.5, kit.share))
    repair_it(at)
    resumed_s = wait_until(lambda: _hits(at), within_s=60)
    first_ms = max(first) - percentile([max(second) for second in before], 50)
    later_ms = percentile(then, 99) - percentile([took for second in before for took in second], 99)
    bad = "" if first_ms <= FIRST_MS and later_ms <= NO_WAIT_MS and resumed_s <= RESUME_S else " FAIL"
    text = f"{name}: first {first_ms:+.0f} ms, then p99 {later_ms:+.0f} ms, hits after {resumed_s:.1f} s{bad}"
    kit.say(text)
    return text


def _exhausted(at: Cluster) -> str:
    """Makes more slow lookups at once than the pool has connections. No request may wait long for a connection."""
    _slow(at, 0.2)
    shots = load.burst(at.load(for_s=0, kinds={"colors": 1.0}, seed=43), 2 * READ_CONNECTIONS)
    _slow(at, 0.0)
    slowest_ms = max(shot.took_s for shot in shots) * 1000
    bad = "" if all(shot.status == 200 for shot in shots) else " FAIL"
    return (
        f"{len(shots)} at once on a slow pool of {READ_CONNECTIONS}: {tally(shots)}, slowest {slowest_ms:.0f} ms{bad}"
    )


def _colours_ms(at: Cluster, for_s: float) -> list[float]:
    """Times new colours, one request after the other, ms. Each costs one lookup in Redis and almost no work."""
    end_s, took = time.monotonic() + for_s, list[float]()
    plan = at.load(for_s=0, kinds={"colors": 1.0})
    while time.monotonic() < end_s:
        plan = replace(plan, seed=plan.seed + 1 + int(time.monotonic() * 1e6))
        shots = load.once(plan, 10)
        assert all(shot.status == 200 for shot in shots), shots
        took += [shot.took_s * 1000 for shot in shots]
    return took


def _hits(at: Cluster) -> bool:
    """Whether a phase's answer comes from Redis. A replica's own memory holds only whole answers."""
    with suppress(httpx.HTTPError), at.client() as client:
        photo = (REPOSITORY / "docs/samples/grace_hopper.jpg").read_bytes()
        number = time.monotonic_ns()
        options = f'{{"max_suggestions": {number % 25}, "wardrobe": [{{"id": "w{number}", "hex": "#102030"}}]}}'
        response = client.post("/v1/advice", files={"image": ("p", photo, "image/jpeg")}, data={"options": options})
        return response.status_code == 200 and response.json()["meta"]["cache"]["segmentation"] == "hit"
    return False


def _direct(at: Cluster) -> redis.Redis:
    return redis.Redis.from_url(at.cache.url, socket_timeout=2.0)


def _set(at: Cluster, **values: str) -> None:
    with _direct(at) as client:
        for name, value in values.items():
            client.config_set(name.replace("_", "-"), value)


def _replicate(at: Cluster, host: str, port: str) -> None:
    with _direct(at) as client:
        client.execute_command("REPLICAOF", host, port)


def _slow(at: Cluster, delay_s: float) -> None:
    at.proxy.delay_s = delay_s


def _stop(at: Cluster, number: signal.Signals) -> None:
    at.cache.process.send_signal(number)


def _repair(at: Cluster) -> None:
    at.proxy.delay_s = 0.0
    _stop(at, signal.SIGCONT)


FAULTS: dict[str, tuple[Change, Change]] = {
    "killed": (lambda at: at.kill_cache(), lambda at: at.restart_cache()),
    "stopped": (lambda at: _stop(at, signal.SIGSTOP), lambda at: _stop(at, signal.SIGCONT)),
    "read-only": (lambda at: _replicate(at, "127.0.0.1", "1"), lambda at: _replicate(at, "NO", "ONE")),
    "out of memory": (
        lambda at: _set(at, maxmemory_policy="noeviction", maxmemory="1"),
        lambda at: _set(at, maxmemory="268435456", maxmemory_policy="allkeys-lru"),
    ),
    "slow": (lambda at: _slow(at, 0.2), lambda at: _slow(at, 0.0)),
}


def stampede(kit: Kit) -> None:
    """Measures bar 12, a stampede."""
    at = kit.cluster(THREE)
    with_redis = _stampeded(kit, at, seed=51)
    at.kill_cache()
    without = _stampeded(kit, at, seed=52)
    at.restart_cache()
    (up, up_shots), (down, down_shots) = with_redis, without
    good = all(shot.good for shot in up_shots + down_shots)
    kit.row(
        "12",
        f"stampede: {len(up_shots)} equal new photos at once, 3 ingress replicas",
        f"{up} forward with Redis, {down} without; {tally(up_shots)}; {tally(down_shots)}",
        up == 1 and 1 <= down <= 3 and good,
    )


def _stampeded(kit: Kit, at: Cluster, *, seed: int) -> tuple[int, list[load.Shot]]:
    before = at.faults.calls("segmentation")
    shots = load.burst(at.load(for_s=0, kinds={"new": 1.0}, seed=seed), kit.times(STAMPEDE))
    kit.say(f"stampede: {tally(shots)}; slowest {max(shot.took_s for shot in shots):.2f} s")
    return at.faults.calls("segmentation") - before, shots


def limit(kit: Kit) -> None:
    """Measures bar 14, an exact rate limit."""
    at = kit.cluster(THREE)
    folder = at.folder / "dev"
    pepper = (folder / "secret").read_text().encode()
    key, record = new_key(tenant="limited", scopes=("advice",), pepper=pepper)
    write_keys(folder / "keys.json", [*read_keys(folder / "keys.json"), replace(record, per_minute=PER_MINUTE)])
    # By then the replicas have read the file again.
    asyncio.run(asyncio.sleep(2.5))
    shots = load.burst(replace(at.load(for_s=0, kinds={"colors": 1.0}), key=key), CROWD)
    counts = Counter(shot.status for shot in shots)
    kit.row(
        "14",
        f"a limit of {PER_MINUTE} a minute, {CROWD} requests at once, 3 ingress replicas",
        f"{counts[200]} admitted, {counts[429]} refused ({tally(shots)})",
        counts[200] == PER_MINUTE
        and counts[429] == CROWD - PER_MINUTE
        and all(shot.retry_after and shot.problem for shot in shots if shot.status == 429),
    )
