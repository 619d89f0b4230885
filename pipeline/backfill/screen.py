"""Shows a run's progress and its result: a bar on a terminal, else a line now and then, and a table at the end."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from pipeline.backfill.report.summary import Summary

# Taste: the rate is measured over this time.
WINDOW_S = 60.0
# Taste: shards that several workers save almost at once say nothing of the rate.
LEAST_SPAN_S = 5.0
# Taste: the number of most frequent colours in the table at the end.
TOP_COLORS = 6


@dataclass(slots=True)
class Count:
    """Counts rows, dead letters and their rate. clock: a monotonic clock in seconds."""

    total: int
    done: int
    dead: int = 0
    clock: Callable[[], float] = time.monotonic
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, rows: int, dead: int) -> None:
        """Counts saved rows."""
        self.done += rows
        self.dead += dead
        now_s = self.clock()
        self._marks.append((now_s, self.done))
        while now_s - self._marks[0][0] > WINDOW_S and len(self._marks) > 2:
            self._marks.popleft()

    @property
    def rate(self) -> float | None:
        """Images per second over the last minute; None before checkpoints some seconds apart."""
        (first_s, first), (last_s, last) = (self._marks[0], self._marks[-1]) if self._marks else ((0.0, 0), (0.0, 0))
        return (last - first) / (last_s - first_s) if last_s - first_s >= LEAST_SPAN_S else None

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total} images ({100 * self.done // max(1, self.total)} %)"]
        if self.rate:
            parts.append(f"{self.rate:.1f} images/s")
            parts.append(f"{duration((self.total - self.done) / self.rate)} left")
        if self.dead:
            parts.append(f"{self.dead} dead letters")
        return ", ".join(parts)


class ProgressDisplay:
    """Shows the progress of one run."""

    def __init__(self, count: Count, show: Callable[[Count], None]) -> None:
        self._count = count
        self._show = show

    def advance(self, rows: int, dead: int) -> None:
        """Counts saved rows, and shows the count."""
        self._count.add(rows, dead)
        self._show(self._count)


class Screen:
    """Prints what a run reports. log_every_s: the time between two lines of progress without a terminal."""

    def __init__(self, console: Console | None = None, *, log_every_s: float = 10.0) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._log_every_s = log_every_s

    def line(self, text: str) -> None:
        """Prints one message."""
        self._console.print(text, markup=False)

    @contextmanager
    def progress(self, *, total: int, done: int) -> Iterator[ProgressDisplay]:
        """Shows progress while the block runs."""
        count = Count(total, done)
        if done:
            self.line(f"{done} of {total} images are done already.")
        if not self._console.is_terminal:
            yield ProgressDisplay(count, self._logged())
            self.line(str(count))
            return
        columns = (SpinnerColumn(), BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task("", total=total, completed=done)
            yield ProgressDisplay(count, lambda c: bar.update(task, completed=c.done, description=_tail(c)))

    def _logged(self) -> Callable[[Count], None]:
        last_s = time.monotonic()

        def show(count: Count) -> None:
            nonlocal last_s
            if time.monotonic() - last_s >= self._log_every_s:
                last_s = time.monotonic()
                self.line(str(count))

        return show

    def summary(self, summary: Summary, output: str) -> None:
        """Prints the table at the end of a run."""
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in _facts(summary, output):
            table.add_row(name, value)
        self._console.print(table, markup=False)


def duration(seconds: float) -> str:
    """A duration in at most two units, such as `1 h 5 min`, `2 min 3 s` and `8 s`."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _tail(count: Count) -> str:
    """The count without its numbers of images, which the bar shows."""
    parts = str(count).split(", ")
    return ", ".join(parts[1:])


def _facts(summary: Summary, output: str) -> Iterator[tuple[str, str]]:
    yield "images", str(summary.rows)
    yield "answers", str(summary.answers)
    yield "dead letters", ", ".join(f"{code} {n}" for code, n in summary.failures.items()) or "0"
    yield "garments", f"{summary.garments} ({', '.join(f'{name} {n}' for name, n in summary.categories.items())})"
    yield "colours", ", ".join(f"{one.name} {one.share:.0%}" for one in summary.colors_basic[:TOP_COLORS])
    if summary.last_run["rows"]:
        rows, seconds = int(summary.last_run["rows"]), summary.last_run["seconds"]
        yield "pace", f"{rows} images in {duration(seconds)}: {summary.last_run['images_per_s']} images/s"
    yield "output", output
    yield "report", f"{output}/report.html"
