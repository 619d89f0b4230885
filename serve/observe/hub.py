"""One view of the metrics of all replicas, living and dead; pure, prometheus-client for the text.

A replica pushes everything that it counted so far, so a push that is lost or comes twice does no harm.  What counts
up is summed over all replicas that ever were; gauges are summed over those that live, and the infos say 1.  The state
is kept elsewhere before a scrape is answered: whatever was once shown survives the hub, and no counter runs backwards.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator

import msgspec
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from serve.observe.metrics import HEARTBEAT_S, Family, families_of, is_counted

LIVING_S = 3 * HEARTBEAT_S
DEPARTED_S = 120.0  # of silence, after which a replica's counts join those of all that are gone
REMEMBERED = 1000  # ids of replicas that are gone, whose late reports must not be counted again


class State(msgspec.Struct):
    """What outlives the hub. reports: each replica's newest; departed: the sum of all that are gone, ids in gone."""

    reports: dict[str, bytes] = {}
    departed: list[Family] = []
    gone: list[str] = []


class Hub:
    """Takes reports and shows their sum. keep: makes the state outlive this hub. kept: what another one kept."""

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
        """Takes in a replica's newest report, and counts it among the living."""
        if replica in self._state.gone:
            return
        self._seen_s[replica] = self._clock()
        if self._state.reports.get(replica) != report:
            self._state.reports[replica] = report
            self._changed = True

    def text(self) -> bytes:
        """The sum as Prometheus text (version 0.0.4)."""
        now_s = self._clock()
        self._part_with(now_s)
        if self._changed:
            self._keep(zlib.compress(msgspec.msgpack.encode(self._state), 1))
            self._changed = False
        merged = _Sum(self._state.departed)
        for replica, report in self._state.reports.items():
            living = now_s - self._seen_s[replica] < LIVING_S
            merged.add(family for family in families_of(report) if living or is_counted(family))
        return generate_latest(merged)

    def _part_with(self, now_s: float) -> None:
        for replica in [one for one, seen_s in self._seen_s.items() if now_s - seen_s >= DEPARTED_S]:
            merged = _Sum(self._state.departed)
            merged.add(family for family in families_of(self._state.reports.pop(replica)) if is_counted(family))
            self._state.departed = list(merged.families())
            self._state.gone = [*self._state.gone, replica][-REMEMBERED:]
            del self._seen_s[replica]
            self._changed = True


class _Sum(Collector):
    """Families added up, sample by sample."""

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
        """The sums as prometheus-client writes them."""
        for family in self.families():
            metric = Metric(family.name, family.help, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
