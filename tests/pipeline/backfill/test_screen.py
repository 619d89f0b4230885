"""Tests the progress that a run shows."""

import io

import pytest
from rich.console import Console

from pipeline.backfill.screen import Count, Screen, duration


class Clock:
    """A clock that the tests set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_rate_and_time_left_are_told_when_two_checkpoints_are_there() -> None:
    """The rate counts from the first checkpoint on, so that Ray's start does not lower it."""
    clock = Clock()
    count = Count(total=1000, done=100, clock=clock)
    assert str(count) == "100 of 1000 images (10 %)"
    clock.now_s = 500.0
    count.add(10, 0)
    assert count.rate is None
    clock.now_s = 510.0
    count.add(90, 2)
    assert count.rate == pytest.approx(9.0)
    assert str(count) == "200 of 1000 images (20 %), 9.0 images/s, 1 min 29 s left, 2 dead letters"


def test_the_rate_is_of_the_last_minute_when_a_run_is_long() -> None:
    """The rate is that of the last minute, even after a slow first hour."""
    clock = Clock()
    count = Count(total=100_000, done=0, clock=clock)
    for _ in range(60):
        clock.now_s += 60.0
        count.add(1, 0)
    for _ in range(20):
        clock.now_s += 5.0
        count.add(50, 0)
    assert count.rate == pytest.approx(10.0)


def test_lines_are_written_when_there_is_no_terminal() -> None:
    """A job's log has plain lines, and always the last one."""
    text = io.StringIO()
    screen = Screen(Console(file=text, width=200), log_every_s=0.0)
    with screen.progress(total=20, done=5) as progress:
        progress.advance(10, 1)
        progress.advance(5, 0)
    lines = text.getvalue().splitlines()
    assert lines[0] == "5 of 20 images are done already."
    assert lines[1] == "15 of 20 images (75 %), 1 dead letters"
    assert lines[-1].startswith("20 of 20 images (100 %)")


def test_a_bar_is_drawn_when_there_is_a_terminal() -> None:
    """A terminal gets a bar with the same numbers."""
    text = io.StringIO()
    screen = Screen(Console(file=text, width=120, force_terminal=True))
    with screen.progress(total=20, done=0) as progress:
        progress.advance(20, 3)
    assert "20/20" in text.getvalue()
    assert "3 dead letters" in text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3600 * 26 + 90, "26 h 1 min")]
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    """A duration has at most two units."""
    assert duration(seconds) == text
