"""Patience with an object store: retries with backoff and jitter, under a budget; stamina only."""

import threading
from collections.abc import Callable
from typing import TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

R = TypeVar("R")


class Retries:
    """Calls again what failed for a reason that may pass.

    attempts: of one call, the first included. share, reserve: each call earns this share of a retry, and at most
    `reserve` are saved up: a store that fails more often is down, and asking it ever more often would keep it down.
    wait_s: before the first retry; it doubles, with jitter, up to 50 times that.
    """

    def __init__(
        self,
        passing: Callable[[Exception], bool],
        *,
        attempts: int = 6,
        share: float = 0.3,
        reserve: int = 30,
        wait_s: float = 0.1,
    ) -> None:
        set_on_retry_hooks([])  # stamina would log every single one
        self._passing = passing
        self._share = share
        self._left = self._reserve = float(reserve)
        self._lock = threading.Lock()
        self._caller = stamina.RetryingCaller(
            attempts=attempts, timeout=None, wait_initial=wait_s, wait_max=50 * wait_s, wait_jitter=wait_s
        ).on(self._again)

    @property
    def spent(self) -> bool:
        """Whether the budget allows no further retry."""
        return self._left < 1

    def call(self, work: Callable[[], R]) -> R:
        """The work's result. Raises its last error."""
        with self._lock:
            self._left = min(self._left + self._share, self._reserve)
        return self._caller(work)

    def _again(self, error: Exception) -> bool:
        if not self._passing(error):
            return False
        with self._lock:
            allowed = self._left >= 1
            self._left -= allowed
        return allowed
