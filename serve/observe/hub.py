"""Merges the metrics of all replicas into one exposition.

A replica pushes its cumulative figures, so a push that is lost or comes twice does no harm. Counters are summed over
all replicas, past and present; gauges over live ones; info metrics stay 1. The hub saves its state before it answers a
scrape, so a restarted hub knows every figure that was ever shown, and no counter runs backwards.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serve.observe.metrics import HEARTBEAT_S, Family, families_of, is_counted

# Taste: a replica is live until it has missed three heartbeats.
LIVING_S = 3 * HEARTBEAT_S
# Taste: after this silence a replica's counts are added to those of all departed replicas.
DEPARTED_S = 120.0
# Taste: how many ids of departed replicas are remembered, so that their late reports are not counted again.
REMEMBERED = 1000


class State(msgspec.Struct):
    """The saved state. reports: each replica's newest; departed: the sum of the departed replicas; gone: their ids."""

    reports: dict[str, bytes] = {}
    departed: list[Family] = []
    gone: list[str] = []


class Hub:
    """Takes reports and shows their sum. keep: saves the state; kept: the state that an earlier hub saved."""

    def __init__(
        self,
        *,
        keep: Callable[[bytes], object] = lambda _: None,
        kept: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._state = msgspec.msgpack.decode(zlib.decompress(kept), type=State) if kept else State()
        self._seen_s = dict.fromkeys(self._state.reports, clock())
        self._changed = False

    def push(self, replica: str, report: bytes) -> None:
        """Takes a replica's newest report and marks the replica as live."""
        if replica in self._state.gone:
            return
        self._seen_s[replica] = self._clock()
        if self._state.reports.get(replica) != report:
            self._state.reports[replica] = report
            self._changed = True

    def text(self) -> bytes:
        """The sum as Prometheus text (version 0.0.4)."""
        now_s = self._clock()
        self._retire_silent(now_s)
        if self._changed:
            self._keep(zlib.compress(msgspec.msgpack.encode(self._state), 1))
            self._changed = False
        merged = _Sum(self._state.departed)
        for replica, report in self._state.reports.items():
            living = now_s - self._seen_s[replica] < LIVING_S
            merged.add(family for family in families_of(report) if living or is_counted(family))
        return generate_latest(merged)

    def _retire_silent(self, now_s: float) -> None:
        for replica in [name for name, seen_s in self._seen_s.items() if now_s - seen_s >= DEPARTED_S]:
            merged = _Sum(self._state.departed)
            merged.add(family for family in families_of(self._state.reports.pop(replica)) if is_counted(family))
            self._state.departed = list(merged.families())
            self._state.gone = [*self._state.gone, replica][-REMEMBERED:]
            del self._seen_s[replica]
            self._changed = True


class _Sum(Collector):
    """A sum of metric families, sample by sample."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families: dict[str, Family] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        self.add(families)

    def add(self, families: Iterable[Family]) -> None:
        """Adds a report's families."""
        for family in families:
            self._families[family.name] = family
            values = self._values.setdefault(family.name, {})
            for name, labels, value in family.samples:
                before = values.get((name, labels), 0.0)
                values[name, labels] = max(before, value) if name.endswith("_info") else before + value

    def families(self) -> Iterator[Family]:
        """The sums as families."""
        for name, family in self._families.items():
            samples = tuple((sample, labels, value) for (sample, labels), value in self._values[name].items())
            yield Family(name, family.kind, family.help, samples)

    def collect(self) -> Iterator[Metric]:
        """The sums as prometheus-client's metrics."""
        for family in self.families():
            metric = Metric(family.name, family.help, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
