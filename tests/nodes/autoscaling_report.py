"""Writes the proof of autoscaling: docs/results/autoscaling.md and its chart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from serve.local.plan import REPOSITORY
from tests.nodes.slow_app import STRETCH
from tests.reliability.load import Shot

DOCUMENT = REPOSITORY / "docs" / "results" / "autoscaling.md"
CHART = DOCUMENT.with_suffix(".svg")
MARKS = ("<!-- measured by make prove-autoscaling -->", "<!-- end -->")
COLOURS = {"Advice": "#3f6ea5", "Segmentation": "#a07a35", "Extraction": "#b3424a", "Harmony": "#4c8a54"}
# The end of a step, in which its goodput counts, s.
SETTLED_S = 45.0
# Contract: the share of the doubled load that must be answered whole by then.
FOLLOWS = 0.95
# The width of a point of the goodput's curve, s.
BIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The wanted and the running replicas by deployment, s after the beginning."""

    at_s: float
    wanted: dict[str, int]
    running: dict[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A constant load: its start after the beginning, its length, s, and its photos/s at full speed with their answers.

    share: of the most that the least replicas can do.
    """

    since_s: float
    for_s: float
    share: float
    per_s: float
    shots: tuple[Shot, ...]

    @property
    def until_s(self) -> float:
        """Its end after the beginning, s."""
        return self.since_s + self.for_s

    def offered_and_good(self, since_s: float, until_s: float) -> tuple[float, float]:
        """The photos that were due in this part of the step, and their whole answers, photos/s at full speed."""
        due = [shot.good for shot in self.shots if since_s <= self.since_s + shot.due_s < until_s]
        return STRETCH * len(due) / (until_s - since_s), STRETCH * sum(due) / (until_s - since_s)

    def at_its_end(self) -> tuple[float, float]:
        """The same for the part of the step in which replicas have had time to come."""
        return self.offered_and_good(self.until_s - SETTLED_S, self.until_s)


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, and whether replicas came in time and left again."""

    text: str
    passed: bool


def first_more(step: Step, samples: Sequence[Sample], of: Callable[[Sample], dict[str, int]]) -> dict[str, float]:
    """How long after a step's start each deployment first had more replicas than before it, s."""
    before = [sample for sample in samples if sample.at_s <= step.since_s + 1][-1]
    found: dict[str, float] = {}
    for sample in samples:
        if step.since_s < sample.at_s < step.until_s:
            for name, count in of(sample).items():
                if count > of(before)[name]:
                    found.setdefault(name, sample.at_s - step.since_s)
    return found


def write(steps: Sequence[Step], samples: Sequence[Sample], *, within_s: float, machine: str, keep: bool) -> Report:
    """The report; with keep it also becomes the document and its chart."""
    rising = [later for earlier, later in pairwise(steps) if later.share > earlier.share]
    added = [min(first_more(step, samples, lambda one: one.running).values(), default=float("inf")) for step in rising]
    follows = [good >= FOLLOWS * offered for offered, good in (step.at_its_end() for step in rising)]
    leave = steps[-1].share >= steps[-2].share or samples[-1].running == samples[0].running
    passed = all(took_s <= within_s for took_s in added) and all(follows) and leave
    verdicts = [
        (f"twice the offered load adds a replica within {within_s:.0f} s", all(took_s <= within_s for took_s in added)),
        (f"goodput follows: {FOLLOWS:.0%} of the load in the last {SETTLED_S:.0f} s of a doubled step", all(follows)),
        ("replicas leave again: at the end as many as at the beginning", leave),
    ]
    lines = [
        machine,
        "",
        f"| load, photos/s | replicas wanted at its end | first one more wanted, running | offered and whole answers, "
        f"last {SETTLED_S:.0f} s | refused, lost, degraded |",
        "|---|---|---|---|---|",
        *(_row(step, samples) for step in steps),
        "",
        *(f"- {'Shown' if ok else '**Not shown**'}: {what}." for what, ok in verdicts),
    ]
    text = "\n".join(lines)
    if keep:
        head, rest = DOCUMENT.read_text().split(MARKS[0])
        _, tail = rest.split(MARKS[1])
        DOCUMENT.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}")
        CHART.write_text(chart(steps, samples))
    return Report(text, passed)


def _row(step: Step, samples: Sequence[Sample]) -> str:
    last = [sample for sample in samples if sample.at_s < step.until_s][-1]
    wanted, running = (first_more(step, samples, of) for of in (lambda one: one.wanted, lambda one: one.running))
    more = "; ".join(f"{name} {wanted[name]:.0f} s, {_s(running.get(name))}" for name in wanted)
    offered, good = step.at_its_end()
    count = len(step.shots)
    # HAProxy answers 503 as well, for what a replica lost.
    refused = sum(shot.code == "OVERLOADED" for shot in step.shots)
    lost = sum(shot.status != 200 for shot in step.shots) - refused
    degraded = sum(bool(shot.degraded) for shot in step.shots)
    cells = (
        f"{step.per_s:.0f} for {step.for_s:.0f} s",
        ", ".join(f"{name} {number}" for name, number in last.wanted.items()),
        more or "none",
        f"{offered:.0f}, {good:.0f}",
        f"{refused}, {lost}, {degraded} of {count}",
    )
    return f"| {' | '.join(cells)} |"


def _s(time_s: float | None) -> str:
    return "not in time" if time_s is None else f"{time_s:.0f} s"


def chart(steps: Sequence[Step], samples: Sequence[Sample]) -> str:
    """The curves as SVG: the offered load and the goodput above, wanted and running replicas below."""
    end_s = steps[-1].until_s
    most = 1.1 * max(step.per_s for step in steps)
    top = max(max(sample.wanted.values()) for sample in samples) + 1

    def x(at_s: float) -> float:
        return 60 + 700 * at_s / end_s

    def load_y(per_s: float) -> float:
        return 200 - 160 * per_s / most

    def count_y(count: float) -> float:
        return 460 - 210 * count / top

    offered = [(x(at_s), load_y(step.per_s)) for step in steps for at_s in (step.since_s, step.until_s)]
    good = []
    for step in steps:
        since_s = step.since_s
        while since_s + BIN_S <= step.until_s:
            good.append((x(since_s + BIN_S / 2), load_y(step.offered_and_good(since_s, since_s + BIN_S)[1])))
            since_s += BIN_S
    curves = [_line(offered, "#1d2530", "2 4"), _line(good, "#3f6ea5")]
    labels = []
    for number, (name, colour) in enumerate(COLOURS.items()):
        # The lines lie beside each other where counts are equal.
        shift = 2.0 * number
        for dashes, counts in (("2 4", [one.wanted for one in samples]), ("", [one.running for one in samples])):
            pairs = zip(samples, counts, strict=True)
            points = [(x(sample.at_s), count_y(count[name]) - shift) for sample, count in pairs]
            curves.append(_line(_steps(points), colour, dashes))
        labels.append(_text(70 + 150 * number, 490, name, colour))
    ticks = [_text(x(at_s), 476, f"{at_s:.0f} s", anchor="middle") for at_s in range(0, int(end_s) + 1, 60)]
    marks = [_text(52, load_y(step.per_s) + 4, f"{step.per_s:.0f}", anchor="end") for step in steps[:3]]
    marks += [_text(52, count_y(count) + 4, str(count), anchor="end") for count in range(0, top + 1, 2)]
    titles = [
        _text(60, 24, "photos/s at full speed: offered (dotted), whole answers (line)"),
        _text(60, 236, "replicas: wanted (dotted), running (line)"),
    ]
    axes = [f'<path d="M60 {y}H760" stroke="#8a94a3" fill="none"/>' for y in (200, 460)]
    body = "\n  ".join((*axes, *curves, *titles, *labels, *ticks, *marks))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 504" width="800" height="504" role="img" '
        'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12">\n'
        '  <title id="t">Load, goodput and replicas over time</title>\n'
        '  <desc id="d">The offered load doubles and goes back; the wanted and running replicas of each '
        "deployment follow it, and so does the number of whole answers.</desc>\n"
        f'  <rect width="800" height="504" fill="#fff"/>\n  {body}\n</svg>\n'
    )


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a curve that jumps."""
    found = list(points[:1])
    for at, value in points[1:]:
        if value != found[-1][1]:
            found += [(at, found[-1][1]), (at, value)]
    return [*found, points[-1]]


def _line(points: Sequence[tuple[float, float]], colour: str, dashes: str = "") -> str:
    path = " ".join(f"{at:.1f},{value:.1f}" for at, value in points)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'


def _text(at: float, value: float, words: str, colour: str = "#1d2530", *, anchor: str = "start") -> str:
    return f'<text x="{at:.0f}" y="{value:.0f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'
