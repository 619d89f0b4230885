"""What a person reads while a run goes on."""

import io

import pytest
from rich.console import Console

from pipeline.backfill.screen import Count, Screen, duration


class Clock:
    """A clock that tests set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_rate_and_time_left_are_told_when_two_checkpoints_are_there() -> None:
    """The rate is measured from checkpoint to checkpoint, so that the start of Ray does not spoil it."""
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
    """A slow first hour is forgotten."""
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
    """A job's log gets plain lines, the last one always."""
    text = io.StringIO()
    screen = Screen(Console(file=text, width=200), log_every_s=0.0)
    with screen.progress(total=20, done=5) as progress:
        progress.advance(10, 1)
        progress.advance(5, 0)
    lines = text.getvalue().splitlines()
    assert lines[0] == "5 of 20 images were done before."
    assert lines[1] == "15 of 20 images (75 %), 1 dead letters"
    assert lines[-1].startswith("20 of 20 images (100 %)")


def test_a_bar_is_drawn_when_there_is_a_terminal() -> None:
    """The bar moves in place, and tells the same."""
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
    """Two units at most."""
    assert duration(seconds) == text
