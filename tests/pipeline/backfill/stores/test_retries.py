"""Retries: what passes is tried again, what does not is not, and a store that is down is left in peace."""

import pytest

from pipeline.backfill.stores.retries import Retries


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def patient(*, attempts: int = 6, share: float = 0.3, reserve: int = 30) -> Retries:
    """Retries that hardly wait."""
    passing = lambda error: isinstance(error, ConnectionError)  # noqa: E731
    return Retries(passing, attempts=attempts, share=share, reserve=reserve, wait_s=0.0001)


def test_the_answer_comes_when_the_failure_passes() -> None:
    """Five failures are outlasted by six attempts."""
    work = Flaky(5)
    assert patient().call(work) == "answer"
    assert work.calls == 6


def test_the_last_error_is_raised_when_no_attempt_succeeds() -> None:
    """After the last attempt nothing is tried again."""
    work = Flaky(6)
    with pytest.raises(ConnectionError):
        patient().call(work)
    assert work.calls == 6


def test_an_error_is_raised_at_once_when_it_will_not_pass() -> None:
    """A refusal is no reason to ask again."""
    work = Flaky(1, PermissionError)
    with pytest.raises(PermissionError):
        patient().call(work)
    assert work.calls == 1


def test_retries_end_when_the_budget_is_spent() -> None:
    """A store that is down gets the reserve of retries, then one request per call and its share."""
    retries, works = patient(share=0.25, reserve=10), [Flaky(99) for _ in range(40)]
    for work in works:
        with pytest.raises(ConnectionError):
            retries.call(work)
    assert 40 + 10 <= sum(work.calls for work in works) <= 40 + 10 + 40 * 0.25
    assert retries.spent


def test_the_budget_lasts_when_one_call_in_ten_fails() -> None:
    """Faults of ten per cent never spend it, however long they go on."""
    retries = patient()
    for k in range(2000):
        retries.call(Flaky(1 if k % 10 == 0 else 0))
    assert not retries.spent
