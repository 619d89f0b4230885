"""What the bars share: one cluster for many of them, loads, percentiles, and the rows of the table."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.reliability import layouts
from tests.reliability.cluster import Cluster, cluster
from tests.reliability.load import Plan, Shot, start

DEADLINE_S = 2.5  # of a request, by the shipped budgets
CAPACITY_CLIENTS = 4
TOLD = 30  # requests of a load that were not answered well


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    bar: str
    what: str
    target: str
    measured: str
    passed: bool
    transport: str
    command: str


@dataclass(slots=True)
class Kit:
    """The bars' workplace. share: of every duration and count, for a short run. noted: what else is to be said."""

    transport: str = "fast"
    share: float = 1.0
    rows: list[Row] = field(default_factory=list)
    capacities: list[float] = field(default_factory=list)  # all that this run has measured
    _stack: ExitStack = field(default_factory=ExitStack)
    _cluster: Cluster | None = None
    _began_s: float = field(default_factory=time.monotonic)

    def cluster(self, config: layouts.Config) -> Cluster:
        """The cluster with this config, healthy."""
        at = self.bare()
        at.faults.heal()
        at.deploy(config)
        return at

    def bare(self) -> Cluster:
        """The cluster with whatever runs on it; a new one with nothing."""
        if self._cluster is None:
            self.say(f"starting a cluster ({self.transport})")
            self._cluster = self._stack.enter_context(cluster(self.transport))
        return self._cluster

    def fresh(self) -> None:
        """The next cluster is a new one."""
        self._stack.close()
        self._cluster = None

    def load(self, at: Cluster, *, for_s: float, **plan: object) -> list[Shot]:
        """Runs a load to its end."""
        made: Plan = at.load(for_s=for_s * self.share, **plan)
        self.say(
            f"load for {made.for_s:.0f} s: " + (f"{made.per_s:.2f}/s" if made.per_s else f"{made.clients} clients")
        )
        return start(made).shots()

    def capacity(self, at: Cluster, *, for_s: float = 15.0) -> float:
        """Whole answers to new photos a second, of a few clients that wait for them: C."""
        self.load(at, for_s=6.0 / self.share, clients=CAPACITY_CLIENTS, seed=71)
        shots = self.load(at, for_s=max(for_s, 8.0 / self.share), clients=CAPACITY_CLIENTS, seed=72)
        capacity = sum(shot.good for shot in shots) / max(shot.due_s + shot.took_s for shot in shots)
        self.say(f"C = {capacity:.2f}/s ({tally(shots)})")
        if capacity == 0:
            raise RuntimeError("The machine gives no photo a whole answer.")
        self.capacities.append(capacity)
        return capacity

    def part_of_capacity(self, at: Cluster, share: float) -> float:
        """Photos a second, of what the machine can do in its slow minutes too: a virtual machine's pace may halve."""
        for _ in range(max(1, 2 - len(self.capacities))):
            self.capacity(at)
        rate = share * min(self.capacities)
        self.say(f"{share} C = {rate:.2f}/s, of C = {', '.join(f'{one:.1f}' for one in self.capacities)}")
        return rate

    def times(self, count: int) -> int:
        """The bar's count of repetitions, in this run."""
        return max(2, round(count * self.share))

    def say(self, text: str) -> None:
        """Progress."""
        print(f"[{time.monotonic() - self._began_s:5.0f} s] {text}", file=sys.stderr, flush=True)

    def tell(self, shots: Sequence[Shot]) -> None:
        """Says which requests of a load did not get a whole answer, when they were due, and why."""
        for shot in sorted((shot for shot in shots if not shot.good), key=lambda one: one.due_s)[:TOLD]:
            why = f"degraded: {', '.join(shot.degraded)}" if shot.degraded else f"{shot.code} {shot.detail}"
            self.say(f"due at {shot.due_s:.1f} s of the load, took {shot.took_s:.2f} s: {shot.status} {why}")

    def row(self, bar: str, what: str, target: str, measured: str, passed: bool, *, command: str = "") -> None:
        """Adds a row."""
        made = command or f"python -m tests.reliability.run --bar {bar} --transport {self.transport}"
        self.rows.append(Row(bar, what, target, measured, passed, self.transport, made))
        self.say(f"bar {bar}: {'pass' if passed else 'FAIL'}: {what}: {measured} (target {target})")


Bar = Callable[[Kit], None]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 of none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)] if ranked else 0.0


def goodput(shots: Sequence[Shot], for_s: float) -> float:
    """Whole answers within the deadline, a second."""
    return sum(shot.good and shot.took_s <= DEADLINE_S for shot in shots) / for_s


def p99_ms(shots: Sequence[Shot]) -> float:
    """Of the answers that are not refusals, ms."""
    return percentile([shot.took_s * 1000 for shot in shots if shot.status == 200], 99)


def failed(shots: Sequence[Shot]) -> list[Shot]:
    """What a client would call an error: 5xx, or no answer."""
    return [shot for shot in shots if shot.status == 0 or shot.status >= 500]


def tally(shots: Sequence[Shot]) -> str:
    """The shots by status, in words."""
    answers = Counter(f"{shot.status or 'lost'} {shot.code}".strip() for shot in shots)
    counts = ", ".join(f"{count}×{answer}" for answer, count in sorted(answers.items()))
    phases = Counter(phase for shot in shots for phase in shot.degraded)
    which = ", ".join(f"{phase} {count}" for phase, count in phases.items())
    return f"{counts}; {sum(bool(shot.degraded) for shot in shots)} degraded{f' ({which})' if which else ''}"
