"""Measures bar 25, the soak: memory and file descriptors of every process of the application over 20 minutes."""

import statistics
import time
from dataclasses import dataclass, field
from itertools import combinations

import psutil

from tests.cluster.application import cmdline, descendants
from tests.reliability import layouts, load
from tests.reliability.cluster import DEPLOYMENTS, Cluster
from tests.reliability.kit import Kit, failed, tally

# Taste: the whole load, its start that is not sampled, and the pause between two samples.
SOAK_S, WARM_UP_S, SAMPLE_S = 1200.0, 300.0, 10.0
# Taste: only a process that lived for this share of the sampled time has a meaningful slope.
LASTING = 0.8
# Taste: a replica's memory cache of this size is full before the warm-up ends, so it does not look like a leak.
CACHE_BYTES = 2 * 1024 * 1024
FIXED = layouts.layout(1, memory_cache_bytes=CACHE_BYTES)
MIX = {"new": 0.7, "same": 0.1, "again": 0.1, "colors": 0.1}
MIB = 1024 * 1024


@dataclass(slots=True)
class Series:
    """The samples of one process: time, s; resident memory, bytes; open file descriptors."""

    name: str
    at_s: list[float] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)


def soak(kit: Kit) -> None:
    """Measures bar 25, the soak."""
    at = kit.cluster(FIXED)
    rate = kit.part_of_capacity(at, 0.5)
    for_s, warm_s = SOAK_S * kit.share, WARM_UP_S * kit.share
    running, began_s = load.start(at.load(for_s=for_s, per_s=rate, kinds=MIX, seed=61)), time.monotonic()
    samples: dict[int, Series] = {}
    while not running.over and time.monotonic() - began_s < for_s:
        time.sleep(SAMPLE_S * max(kit.share, 0.1))
        now_s = time.monotonic() - began_s
        if now_s >= warm_s:
            _sample(at, now_s, samples)
    shots = running.shots()
    kit.tell(shots)
    said, passed = [], not failed(shots)
    lasting = [series for series in samples.values() if series.at_s[-1] - series.at_s[0] >= LASTING * (for_s - warm_s)]
    for series in sorted(lasting, key=lambda series: series.name):
        slope = _slope(series.at_s, series.rss) * 600 / statistics.median(series.rss)
        grown = max(series.fds[-5:]) - max(series.fds[:5])
        passed &= slope < 0.01 and grown <= 2
        size = statistics.median(series.rss) / MIB
        said.append(f"{series.name} {size:.0f} MiB {slope:+.2%}, {series.fds[-1]} fds ({grown:+d})")
    passed &= bool(lasting)
    said.append(f"{len(samples) - len(lasting)} processes came or went meanwhile")
    kit.row(
        "25",
        f"soak {for_s / 60:.0f} min at 0.5 C = {rate:.1f}/s, {len(shots)} requests; slopes after {warm_s / 60:.0f} min",
        f"{'; '.join(said)}; {tally(shots)}",
        passed,
    )


def _sample(at: Cluster, now_s: float, samples: dict[int, Series]) -> None:
    for process in descendants(at.process.pid):
        name = _name(process)
        if name is None:
            continue
        try:
            rss, fds = process.memory_info().rss, process.num_fds()
        except psutil.Error:
            continue
        series = samples.setdefault(process.pid, Series(name))
        series.at_s.append(now_s)
        series.rss.append(rss)
        series.fds.append(fds)


def _name(process: psutil.Process) -> str | None:
    line = " ".join(cmdline(process))
    if "pipeline.image.child" in line:
        return "decode worker"
    if "haproxy" in line.lower() and "ray::" not in line:
        return "HAProxy"
    return next((name for name in DEPLOYMENTS if line.startswith(f"ray::ServeReplica:{layouts.NAME}:{name}")), None)


def _slope(at_s: list[float], values: list[int]) -> float:
    """Theil and Sen's slope per second: the median over all pairs. Single jumps do not move it."""
    pairs = combinations(zip(at_s, values, strict=True), 2)
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in pairs if t > s]
    return statistics.median(slopes) if slopes else 0.0
