"""Tests retries: transient errors are retried, others are not, and a budget spares a store that is down."""

import pytest

from pipeline.backfill.stores.retries import Retries


class Flaky:
    """A call that fails some times and then succeeds."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def quick_retries(*, attempts: int = 6, share: float = 0.3, reserve: int = 30) -> Retries:
    """Retries with very short waits."""
    is_transient = lambda error: isinstance(error, ConnectionError)  # noqa: E731
    return Retries(is_transient, attempts=attempts, share=share, reserve=reserve, wait_s=0.0001)


def test_the_answer_comes_when_the_failure_passes() -> None:
    """Six attempts survive five failures."""
    work = Flaky(5)
    assert quick_retries().call(work) == "answer"
    assert work.calls == 6


def test_the_last_error_is_raised_when_no_attempt_succeeds() -> None:
    """The error of the last attempt is raised."""
    work = Flaky(6)
    with pytest.raises(ConnectionError):
        quick_retries().call(work)
    assert work.calls == 6


def test_an_error_is_raised_at_once_when_it_will_not_pass() -> None:
    """An error that is not transient is raised without a retry."""
    work = Flaky(1, PermissionError)
    with pytest.raises(PermissionError):
        quick_retries().call(work)
    assert work.calls == 1


def test_retries_end_when_the_budget_is_spent() -> None:
    """A store that is down gets the reserve of retries, and then hardly more than one request per call."""
    retries, works = quick_retries(share=0.25, reserve=10), [Flaky(99) for _ in range(40)]
    for work in works:
        with pytest.raises(ConnectionError):
            retries.call(work)
    assert 40 + 10 <= sum(work.calls for work in works) <= 40 + 10 + 40 * 0.25
    assert retries.spent


def test_the_budget_lasts_when_one_call_in_ten_fails() -> None:
    """Ten per cent of failures never exhaust the budget."""
    retries = quick_retries()
    for k in range(2000):
        retries.call(Flaky(1 if k % 10 == 0 else 0))
    assert not retries.spent
