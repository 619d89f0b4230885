"""Measures bars 1 to 3 and 26: overload, the cost of refusals, and a cold start."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from serve.local.processes import HOST
from tests.reliability import layouts, load
from tests.reliability.cluster import PHASES, Cluster, wait_until
from tests.reliability.kit import Kit, failed, goodput, p99_ms, percentile, tally

SHIPPED = layouts.layout()
# Taste: the pause between two rounds of probes.
PROBE_EVERY_S = 0.5


def overload(kit: Kit) -> None:
    """Measures bars 1, 2 and 3 in one run, because they share a baseline.

    C is measured twice, because a machine's pace may drift.
    """
    at = kit.cluster(SHIPPED)
    capacity = kit.capacity(at)
    before = {replica.pid for name in PHASES for replica in at.replicas(name)}
    base = kit.load(at, for_s=60, per_s=0.8 * capacity, seed=11)
    with probed(at) as probes:
        twice = kit.load(at, for_s=60, per_s=2 * capacity, seed=12)
        then = kit.capacity(at)
        five = kit.load(at, for_s=30, per_s=5 * then, seed=13)
    # The same seed repeats the arrivals of `base`.
    after = kit.load(at, for_s=60, per_s=0.8 * capacity, seed=11)
    alive = before <= {replica.pid for name in PHASES for replica in at.replicas(name)}

    base_ms, twice_ms = p99_ms(base), p99_ms(twice)
    good = goodput(twice, 60 * kit.share) / statistics.mean((capacity, then))
    kit.row(
        "1",
        f"overload 2×C, {60 * kit.share:.0f} s (C = {capacity:.1f} new photos/s before, {then:.1f} after; "
        f"p99 at 0.8 C {base_ms:.0f} ms)",
        f"{good:.0%} of C; p99 {twice_ms:.0f} ms = {twice_ms / base_ms:.2f} ×; {tally(twice)}",
        good >= 0.85 and twice_ms <= 2 * base_ms,
    )
    good = goodput(five, 30 * kit.share) / then
    base_ms, after_ms = (p99_ms([shot for shot in shots if shot.due_s >= 10 * kit.share]) for shots in (base, after))
    kit.row(
        "2",
        f"overload 5×C, {30 * kit.share:.0f} s, then 0.8 C",
        f"{good:.0%} of C; {'no restart' if alive else 'RESTARTED'}; p99 from 10 s on {after_ms:.0f} ms "
        f"({base_ms:.0f} ms of the same arrivals before); {tally(five)}; probes p99 {percentile(probes, 99):.0f} ms",
        good >= 0.7 and alive and after_ms <= 1.2 * base_ms and max(probes, default=0) < 5000,
    )
    shed = [shot for shot in (*twice, *five) if shot.status in (503, 429)]
    served_ms = percentile([shot.took_s * 1000 for shot in (*twice, *five) if shot.status == 200], 50)
    shed_ms = percentile([shot.took_s * 1000 for shot in shed], 50)
    formed = all(shot.retry_after and shot.problem for shot in shed)
    kit.row(
        "3",
        f"{len(shed)} shed answers of bars 1 and 2",
        f"{'all formed' if formed else 'NOT all formed'}; p50 {shed_ms:.1f} ms, a served photo's {served_ms:.0f} ms",
        bool(shed) and formed and shed_ms <= served_ms / 10 and not [s for s in failed(twice + five) if s not in shed],
    )


@contextmanager
def probed(at: Cluster) -> Iterator[list[float]]:
    """Times the health and readiness probes while the block runs, ms. A failed probe counts as a minute."""
    took_ms, over = list[float](), threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=f"http://{HOST}:{at.port}", timeout=10.0, trust_env=False) as client:
            while not over.wait(PROBE_EVERY_S):
                for path in ("/v1/healthz", "/v1/readyz"):
                    began_s, status = time.perf_counter(), 0
                    with suppress(httpx.HTTPError):
                        status = client.get(path).status_code
                    took_ms.append((time.perf_counter() - began_s) * 1000 if status == 200 else 60_000.0)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    try:
        yield took_ms
    finally:
        over.set()
        thread.join()


def cold_start(kit: Kit) -> None:
    """Measures bar 26, a cold start, several times: the answers of readiness, and the first photos after its 200."""
    early, firsts, steady = set[int](), list[float](), list[float]()
    starts = kit.times(3)
    for _ in range(starts):
        kit.fresh()
        at = kit.bare()
        at.deploy_soon(SHIPPED)
        with at.client() as client:

            def ready(client: httpx.Client = client) -> bool:
                status = 0
                with suppress(httpx.HTTPError):
                    status = client.get("/v1/readyz").status_code
                early.add(status)
                return status == 200

            wait_until(ready, within_s=240)
        shots = load.start(at.load(for_s=15, clients=1)).shots()
        at.hear("running")
        firsts.append(shots[0].took_s * 1000)
        steady += [shot.took_s * 1000 for shot in shots[5:]]
        bad = [shot for shot in shots if not shot.good]
        kit.say(f"first {firsts[-1]:.0f} ms; {len(bad)} not whole of {len(shots)}")
    limit_ms = 2 * percentile(steady, 99)
    kit.row(
        "26",
        f"cold start, {starts} times",
        f"statuses before {sorted(early - {200})}; first photos {', '.join(f'{took:.0f}' for took in firsts)} ms, "
        f"p99 after {limit_ms / 2:.0f} ms",
        max(firsts) <= limit_ms and early <= {0, 404, 503, 200},
    )
