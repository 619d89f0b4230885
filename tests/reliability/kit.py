"""Provides what the measurements share: a cluster, loads, statistics and the rows of the table."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.reliability import layouts
from tests.reliability.bars import BARS
from tests.reliability.cluster import Cluster, cluster
from tests.reliability.load import Plan, Shot, start

# Contract: a request's deadline by the shipped budgets (configs/).
DEADLINE_S = 2.5
# Taste: enough clients to keep two cores busy.
CAPACITY_CLIENTS = 4
# Taste: the number of bad answers of a load that standard error lists.
LISTED = 30


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
    """The state of one run. share: the factor for every duration and count, below 1 for a quick look.

    capacities: every capacity that this run has measured, photos per second.
    """

    transport: str = "fast"
    share: float = 1.0
    rows: list[Row] = field(default_factory=list)
    capacities: list[float] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    _cluster: Cluster | None = None
    _began_s: float = field(default_factory=time.monotonic)

    def cluster(self, config: layouts.Config) -> Cluster:
        """Gives the cluster with this config deployed and without faults."""
        at = self.bare()
        at.faults.heal()
        at.deploy(config)
        return at

    def bare(self) -> Cluster:
        """Gives the cluster as it is, or starts an empty one."""
        if self._cluster is None:
            self.say(f"starting a cluster ({self.transport})")
            self._cluster = self._stack.enter_context(cluster(self.transport))
        return self._cluster

    def fresh(self) -> None:
        """Ends the cluster, so that the next one is new."""
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
        """Measures C: whole answers to new photos per second, for a few clients that wait for their answers."""
        self.load(at, for_s=6.0 / self.share, clients=CAPACITY_CLIENTS, seed=71)
        shots = self.load(at, for_s=max(for_s, 8.0 / self.share), clients=CAPACITY_CLIENTS, seed=72)
        capacity = sum(shot.good for shot in shots) / max(shot.due_s + shot.took_s for shot in shots)
        self.say(f"C = {capacity:.2f}/s ({tally(shots)})")
        if capacity == 0:
            raise RuntimeError("The machine gives no photo a whole answer.")
        self.capacities.append(capacity)
        return capacity

    def part_of_capacity(self, at: Cluster, share: float) -> float:
        """A share of the least capacity of this run, photos per second.

        The least, because the pace of a virtual machine may halve from one minute to the next.
        """
        for _ in range(max(1, 2 - len(self.capacities))):
            self.capacity(at)
        rate = share * min(self.capacities)
        self.say(f"{share} C = {rate:.2f}/s, of C = {', '.join(f'{value:.1f}' for value in self.capacities)}")
        return rate

    def times(self, count: int) -> int:
        """Scales a count of repetitions by the share."""
        return max(2, round(count * self.share))

    def say(self, text: str) -> None:
        """Prints progress."""
        print(f"[{time.monotonic() - self._began_s:5.0f} s] {text}", file=sys.stderr, flush=True)

    def tell(self, shots: Sequence[Shot]) -> None:
        """Prints which requests of a load got no whole answer, when they were due, and why."""
        for shot in sorted((shot for shot in shots if not shot.good), key=lambda shot: shot.due_s)[:LISTED]:
            why = f"degraded: {', '.join(shot.degraded)}" if shot.degraded else f"{shot.code} {shot.detail}"
            self.say(f"due at {shot.due_s:.1f} s of the load, took {shot.took_s:.2f} s: {shot.status} {why}")

    def row(self, bar: str, what: str, measured: str, passed: bool, *, command: str = "") -> None:
        """Adds the row of a bar, with its target from bars.py. what: what was done, with the counts of this run."""
        target = BARS[bar].target
        made = command or f"python -m tests.reliability.run --bar {bar} --transport {self.transport}"
        self.rows.append(Row(bar, what, target, measured, passed, self.transport, made))
        self.say(f"bar {bar}, {BARS[bar].name}: {'pass' if passed else 'FAIL'}: {what}: {measured} (target {target})")


Measurement = Callable[[Kit], None]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; 0 for no values."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)] if ranked else 0.0


def goodput(shots: Sequence[Shot], for_s: float) -> float:
    """Whole answers within the deadline, per second."""
    return sum(shot.good and shot.took_s <= DEADLINE_S for shot in shots) / for_s


def p99_ms(shots: Sequence[Shot]) -> float:
    """The 99th percentile of the times of answers with status 200, ms."""
    return percentile([shot.took_s * 1000 for shot in shots if shot.status == 200], 99)


def failed(shots: Sequence[Shot]) -> list[Shot]:
    """The shots that a client would call errors: 5xx, or no answer."""
    return [shot for shot in shots if shot.status == 0 or shot.status >= 500]


def tally(shots: Sequence[Shot]) -> str:
    """Describes the shots: counts by status, and degraded ones by phase."""
    answers = Counter(f"{shot.status or 'lost'} {shot.code}".strip() for shot in shots)
    counts = ", ".join(f"{count}×{answer}" for answer, count in sorted(answers.items()))
    phases = Counter(phase for shot in shots for phase in shot.degraded)
    which = ", ".join(f"{phase} {count}" for phase, count in phases.items())
    return f"{counts}; {sum(bool(shot.degraded) for shot in shots)} degraded{f' ({which})' if which else ''}"
