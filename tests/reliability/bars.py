"""Defines every bar that the kit measures: its number, its name, what is done, and the target.

A bar is one promise of the service in numbers. Its number names it in docs/results/reliability.md and on the command
line. Numbers never change and are not used again, so there are gaps. C is the capacity of the machine: whole answers to
new photos per second.
"""

from dataclasses import dataclass

# Taste: how far a degraded answer may exceed the budgets of the phases that hang.
MARGIN_MS = 150.0
# Taste: how much the slowest request of the first second of a Redis fault may exceed that of a second before.
FIRST_MS = 60.0
# Taste: how much a Redis fault may add to the p99 after that second; less than a request waits for Redis.
NO_WAIT_MS = 25.0
# Contract: what may be refused, how much slower degraded answers may be, and how soon answers are whole again after the
# successor of a phase's only replica is ready.
LOST_REFUSED, LOST_SLOWER_MS, LOST_WHOLE_S = 0.02, 100.0, 2.0
# Contract: the CPU time, s, that a replica's start may take over that of an empty one. The ingress starts decoders too.
START_CPU_S = {"Advice": 0.5, "Segmentation": 1.5, "Extraction": 0.5, "Harmony": 0.5}
# Taste: how soon after a Redis fault lookups must find entries again.
RESUME_S = 5.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. done: what the kit does, as a clause. target: what must hold for the bar to pass."""

    name: str
    done: str
    target: str

    @property
    def sentence(self) -> str:
        """The definition in one sentence."""
        return f"{self.done}; target: {self.target}."


BARS: dict[str, Bar] = {
    "1": Bar(
        "twice the capacity",
        "New photos arrive at 2 C for a minute",
        "goodput ≥ 85 % of C (the mean of both); p99 ≤ 2 × its value at 0.8 C",
    ),
    "2": Bar(
        "five times the capacity",
        "New photos arrive at 5 C for half a minute, then at 0.8 C",
        "goodput ≥ 70 % of C; no restart; p99 back within 10 s",
    ),
    "3": Bar(
        "cheap refusals",
        "The refusals of bars 1 and 2 are checked and timed",
        "503/429 + Retry-After, problem+json; p50 ≤ a tenth of a served photo's",
    ),
    "4": Bar(
        "killed phase replicas",
        "Replicas of the three phases, two of each, are killed one after the other at 0.5 C",
        "0 answers 5xx, ≤ 2 % degraded",
    ),
    "5": Bar(
        "killed ingress replicas",
        "Replicas of the ingress, two in all, are killed one after the other at 0.5 C",
        "failures ≤ 0.5 %",
    ),
    "6": Bar(
        "rolling update and scaling",
        "Every deployment is rolled, scaled to three replicas and back to two, at 0.5 C",
        "0 failed",
    ),
    "7": Bar(
        "hung phases",
        "Each phase hangs, then all three, while one client sends a photo of five garments",
        f"200 degraded, at most {MARGIN_MS:.0f} ms over the hung budget and a healthy answer's p50 (all: over the"
        " budgets alone); once the breaker is open, p50 no slower than healthy",
    ),
    "8": Bar(
        "budget precision",
        "One client calls a phase that hangs, with the budget of each phase",
        "overshoot p95 ≤ 25 ms",
    ),
    "9": Bar(
        "nothing left behind",
        "A hundred phase calls time out, as many at a time as may queue",
        "no coroutine, slot or queued item left after 2 s",
    ),
    "10": Bar(
        "circuit breaker",
        "The breaker runs beside a model of its rules, and 1,000 calls ask it while it is half open",
        "no divergence in 10,000 steps; exactly N probes",
    ),
    "11": Bar(
        "Redis faults",
        "Redis is killed, stopped, made read-only, filled and slowed at 0.3 C, and its connection pool is exhausted",
        f"0 answers 5xx; slowest of the first second ≤ {FIRST_MS:.0f} ms over that of a second before; then bypassed:"
        f" p99 ≤ {NO_WAIT_MS:.0f} ms over the p99 before; hits resume ≤ {RESUME_S:.0f} s after",
    ),
    "12": Bar(
        "stampede",
        "500 equal new photos arrive at once at three ingress replicas, with Redis and without",
        "1 forward while Redis is up, ≤ 1 per replica without; all answered",
    ),
    "13": Bar(
        "degraded answers and the cache",
        "Each phase and each combination of phases fails and heals, and each input of a cache key changes alone",
        "never cached, full quality after healing; 100 % miss",
    ),
    "14": Bar(
        "exact rate limit",
        "One key with a limit of 100 requests a minute sends 500 at once to three ingress replicas",
        "admitted = limit exactly, the others 429 with Retry-After",
    ),
    "23": Bar(
        "merged metrics",
        "Metrics of three ingress replicas are scraped under load, among junk addresses, and after a replica is killed",
        "monotonic; sums equal the requests after 5 s of quiet; < 50 series of junk",
    ),
    "24": Bar(
        "lost phases",
        "The only replica of each phase is killed in turn at 0.5 C, in the shipped local layout",
        f"while it is away ≤ {LOST_REFUSED:.0%} answers 503, no other 5xx, only that phase degraded, p50 of degraded"
        f" answers ≤ {LOST_SLOWER_MS:.0f} ms over a healthy one's; whole {LOST_WHOLE_S:.0f} s after the successor is"
        " ready; 0 degraded before the first kill",
    ),
    "25": Bar(
        "soak",
        "Mixed requests arrive at 0.5 C for 20 minutes while the kit samples memory and file descriptors",
        "RSS slope < 1 % per 10 min, file descriptors flat",
    ),
    "26": Bar(
        "cold start",
        "The application starts on a new cluster, and one client sends photos as soon as readiness answers 200",
        "readyz not 200 until warm (503, HAProxy's own before a replica is there); first photo ≤ 2 × the p99 after it",
    ),
    "27": Bar(
        "replica starts",
        "The only replica of each deployment is killed without load, beside an application that does nothing",
        "the successor's CPU until it is ready ≤ an empty one's + 0.5 s; Segmentation + 1.5 s",
    ),
}


def listed() -> str:
    """The definitions as text, one bar a line."""
    return "\n".join(f"  {number:>2}  {bar.name}: {bar.sentence}" for number, bar in BARS.items())
