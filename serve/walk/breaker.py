"""A circuit breaker with resilience4j's semantics and an injected clock.

Closed: all calls pass, and the breaker keeps the outcomes of the last `window_calls`. It opens when at least
`minimum_calls` outcomes are known and the rate of failures or of slow calls reaches its threshold.
Open: all calls are refused for `open_s`. After that the breaker is half open, whether or not a call comes.
Half open: exactly `half_open_calls` calls pass, as probes. Their rates then close the breaker or open it again.

One rule differs from resilience4j: the outcome of a call that began before the last change of state is dropped.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from serve.settings import BreakerConfig
from serve.vocabulary import BreakerState


@dataclass(slots=True)
class Permit:
    """The right to make one call. Call exactly one of its methods, once; later calls change nothing."""

    _breaker: "Breaker"
    _epoch: int
    _began_s: float
    _spent: bool = False

    def succeed(self) -> None:
        """Records that the call gave an answer."""
        self._report(failed=False)

    def fail(self) -> None:
        """Records that the call raised, timed out or lost its replica."""
        self._report(failed=True)

    def give_back(self) -> None:
        """Returns the permit of a call that says nothing about the phase's health.

        Such a call met a client's error or a full queue, or its caller left.
        """
        if not self._spent:
            self._spent = True
            self._breaker._give_back(self._epoch)

    def _report(self, *, failed: bool) -> None:
        if not self._spent:
            self._spent = True
            self._breaker._record(self._epoch, failed=failed, began_s=self._began_s)


class Breaker:
    """One circuit breaker, for use in a single thread. No method waits."""

    def __init__(
        self,
        config: BreakerConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] | None = None,
    ) -> None:
        self._config = config or BreakerConfig()
        self._clock = clock
        self._on_change = on_change
        self._state: BreakerState = "closed"
        # The number of changes of state so far.
        self._epoch = 0
        # Whether each call failed, and whether it was slow.
        self._outcomes: deque[tuple[bool, bool]] = deque(maxlen=self._config.window_calls)
        self._opened_s = 0.0
        self._permits_left = 0

    @property
    def state(self) -> BreakerState:
        """The present state. Reading it changes nothing, so that any thread may."""
        return "half_open" if self._is_half_open_by_time() else self._state

    def settle(self) -> None:
        """Makes the change of state that the time brought, if any, and reports it."""
        if self._is_half_open_by_time():
            self._enter("half_open")

    def acquire(self) -> Permit | None:
        """Gives a permit for one call, or None when the call must not be made."""
        self.settle()
        if self._state == "open":
            return None
        if self._state == "half_open":
            if self._permits_left == 0:
                return None
            self._permits_left -= 1
        return Permit(self, self._epoch, self._clock())

    def reconfigure(self, config: BreakerConfig) -> None:
        """Changes the thresholds. The state and the newest outcomes stay."""
        self._config = config
        if self._state != "half_open":
            self._outcomes = deque(self._outcomes, maxlen=config.window_calls)

    def _record(self, epoch: int, *, failed: bool, began_s: float) -> None:
        if epoch != self._epoch:
            return
        self._outcomes.append((failed, self._clock() - began_s >= self._config.slow_call_s))
        if self._state == "closed" and len(self._outcomes) >= self._least_calls() and self._is_unhealthy():
            self._enter("open")
        elif self._state == "half_open" and len(self._outcomes) == self._outcomes.maxlen:
            self._enter("open" if self._is_unhealthy() else "closed")

    def _give_back(self, epoch: int) -> None:
        if epoch == self._epoch and self._state == "half_open":
            self._permits_left += 1

    def _is_half_open_by_time(self) -> bool:
        return self._state == "open" and self._clock() - self._opened_s >= self._config.open_s

    def _least_calls(self) -> int:
        return min(self._config.minimum_calls, self._config.window_calls)

    def _is_unhealthy(self) -> bool:
        known = len(self._outcomes)
        failures = sum(failed for failed, _ in self._outcomes)
        slow = sum(slow for _, slow in self._outcomes)
        return failures / known >= self._config.failure_rate or slow / known >= self._config.slow_call_rate

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._epoch += 1
        half_open = state == "half_open"
        self._permits_left = self._config.half_open_calls if half_open else 0
        self._outcomes = deque(maxlen=self._permits_left or self._config.window_calls)
        if state == "open":
            self._opened_s = self._clock()
        if self._on_change is not None:
            self._on_change(state)
