"""Retries requests to an object store with backoff, jitter and a retry budget."""

import threading
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

R = TypeVar("R")


class Retries:
    """Repeats calls that fail with a transient error. The defaults are taste.

    attempts: the most attempts of one call, with the first one. share, reserve: the budget. Each call earns this share
    of a retry, and at most `reserve` retries are saved. A store that needs more is down, and more requests would keep
    it down. wait_s: the wait before the first retry. It doubles, with jitter, up to 50 times that.
    """

    def __init__(
        self,
        is_transient: Callable[[Exception], bool],
        *,
        attempts: int = 6,
        share: float = 0.3,
        reserve: int = 30,
        wait_s: float = 0.1,
    ) -> None:
        # By default stamina logs every retry.
        set_on_retry_hooks([])
        self._is_transient = is_transient
        self._share = share
        self._left = self._reserve = float(reserve)
        self._lock = threading.Lock()
        self._caller = stamina.RetryingCaller(
            attempts=attempts, timeout=None, wait_initial=wait_s, wait_max=50 * wait_s, wait_jitter=wait_s
        ).on(self._may_retry)

    @property
    def spent(self) -> bool:
        """Whether the budget allows no retry."""
        return self._left < 1

    def call(self, work: Callable[[], R]) -> R:
        """The result of `work`. Raises its last error."""
        with self._lock:
            self._left = min(self._left + self._share, self._reserve)
        return self._caller(work)

    def _may_retry(self, error: Exception) -> bool:
        if not self._is_transient(error):
            return False
        with self._lock:
            allowed = self._left >= 1
            self._left -= allowed
        return allowed
