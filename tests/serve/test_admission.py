"""The number of photos at a time: found from the strain they report, on a machine simulated in numbers."""

from contextlib import ExitStack

import pytest

from pipeline.errors import Overloaded
from serve.admission import LEAST, START, STRAINED, Admission

PLENTY = 1000


def work_round(admission: Admission, *, photo_s: float, budget_s: float, offered: int = PLENTY) -> int:
    """As many photos at once as may come, on a device that serves one after the other; how many came."""
    with ExitStack() as photos:
        came = 0
        while came < offered:
            try:
                seat = photos.enter_context(admission.seat())
            except Overloaded:
                break
            came += 1
            seat.took(came * photo_s, budget_s)
    return came


@pytest.mark.parametrize("photo_s", [0.01, 0.05, 0.15, 0.25])
def test_photos_stay_within_half_a_budget_when_any_machine_is_flooded(photo_s: float) -> None:
    """Whatever a photo takes, the last of those at a time is answered near half of its budget, and never beyond it."""
    admission = Admission(PLENTY)
    rounds = [work_round(admission, photo_s=photo_s, budget_s=1.2) for _ in range(400)][200:]
    assert max(rounds) * photo_s <= 1.2 * STRAINED + 2 * photo_s
    assert min(rounds) * photo_s >= 1.2 * STRAINED * 0.7 or min(rounds) == LEAST


def test_the_number_is_the_configured_one_at_most_when_nothing_is_strained() -> None:
    """max_photos_in_flight bounds it, live."""
    admission = Admission(12)
    for _ in range(400):
        work_round(admission, photo_s=0.001, budget_s=1.2)
    assert admission.seats == 12
    admission.most = 3
    assert admission.seats == work_round(admission, photo_s=0.001, budget_s=1.2) == 3


def test_the_number_stays_when_few_photos_come() -> None:
    """Photos that come one by one say nothing about more at a time."""
    admission = Admission(PLENTY)
    for _ in range(400):
        work_round(admission, photo_s=0.01, budget_s=1.2, offered=1)
    assert admission.seats == START


def test_the_number_falls_once_when_photos_that_were_together_are_all_late() -> None:
    """A stall of a moment is one sign, however many photos it hit."""
    admission = Admission(PLENTY)
    work_round(admission, photo_s=1.0, budget_s=1.0)
    assert admission.seats == int(START * 0.8)


def test_two_come_through_when_everything_is_late() -> None:
    """Never fewer: with none at work nothing could be learned."""
    admission = Admission(PLENTY)
    for _ in range(100):
        work_round(admission, photo_s=9.0, budget_s=1.0)
    assert admission.seats == LEAST


def test_a_photo_is_refused_when_no_seat_is_free_and_let_in_when_one_is() -> None:
    """A seat is free again after its photo, answered or not."""
    admission = Admission(1)
    with admission.seat():
        with pytest.raises(Overloaded, match="1 photos are being worked on"):
            admission.check()
        with pytest.raises(Overloaded), admission.seat():
            raise AssertionError("no second seat")
    with pytest.raises(ZeroDivisionError), admission.seat():
        raise ZeroDivisionError
    admission.check()
