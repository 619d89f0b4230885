"""Tests the breaker against a model of resilience4j's rules on a fake clock, and its rules one by one."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from serve.settings import BreakerConfig
from serve.vocabulary import BreakerState
from serve.walk.breaker import Breaker, Permit

CONFIG = BreakerConfig(
    window_calls=8,
    minimum_calls=4,
    failure_rate=0.5,
    slow_call_s=1.0,
    slow_call_rate=0.75,
    open_s=10.0,
    half_open_calls=3,
)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> Breaker:
    """A breaker that four failures have opened."""
    breaker = Breaker(CONFIG, clock=clock)
    for _ in range(4):
        permitted(breaker).fail()
    assert breaker.state == "open"
    return breaker


def permitted(breaker: Breaker) -> Permit:
    """Takes a permit, which the breaker must give."""
    permit = breaker.acquire()
    assert permit is not None
    return permit


class Model(RuleBasedStateMachine):
    """The rules in their simplest form: it keeps all outcomes of each state and counts them each time."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.changes: list[BreakerState] = []
        self.breaker = Breaker(CONFIG, clock=self.clock, on_change=self.changes.append)
        self.state: BreakerState = "closed"
        self.expected_changes: list[BreakerState] = []
        self.history: list[tuple[bool, bool]] = []
        self.out = 0
        self.opened_s = 0.0

    def turn(self, state: BreakerState) -> None:
        self.state, self.history, self.out = state, [], 0
        self.opened_s = self.clock.now_s
        self.expected_changes.append(state)

    @rule(target=permits)
    def ask(self) -> tuple[Permit, int, float] | None:
        allowed = self.state == "closed" or (self.state == "half_open" and self.out + len(self.history) < 3)
        permit = self.breaker.acquire()
        assert (permit is not None) == allowed
        if permit is None:
            return None
        self.out += self.state == "half_open"
        return permit, len(self.expected_changes), self.clock.now_s

    @rule(held=consumes(permits), outcome=st.sampled_from(("succeed", "fail", "give_back")))
    def tell(self, held: tuple[Permit, int, float] | None, outcome: str) -> None:
        if held is None:
            return
        permit, epoch, began_s = held
        getattr(permit, outcome)()
        # A second report changes nothing.
        permit.fail()
        if epoch != len(self.expected_changes):
            return
        self.out -= self.state == "half_open"
        if outcome == "give_back":
            return
        self.history.append((outcome == "fail", self.clock.now_s - began_s >= 1.0))
        window = self.history[-8:]
        ill = sum(f for f, _ in window) >= 0.5 * len(window) or sum(s for _, s in window) >= 0.75 * len(window)
        if self.state == "closed" and len(window) >= 4 and ill:
            self.turn("open")
        elif self.state == "half_open" and len(window) == 3:
            self.turn("open" if ill else "closed")

    @rule(seconds=st.sampled_from((0.1, 0.4, 1.0, 3.0, 9.9, 10.0)))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds
        if self.state == "open" and self.clock.now_s >= self.opened_s + 10.0:
            assert self.breaker.state == "half_open"
            assert self.changes == self.expected_changes
            self.turn("half_open")
            self.breaker.settle()

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state == self.state
        assert self.changes == self.expected_changes


Model.TestCase.settings = settings(max_examples=120, stateful_step_count=100, derandomize=True, deadline=None)
# The model test takes at most 12,000 steps.
TestBreakerAgreesWithModel = Model.TestCase


def test_three_calls_pass_when_a_thousand_ask_a_half_open_breaker() -> None:
    """Of 1,000 calls in the half-open state, exactly the configured three pass."""
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    permits = [permit for permit in (breaker.acquire() for _ in range(1000)) if permit is not None]
    assert len(permits) == 3
    for permit in permits:
        permit.succeed()
    assert breaker.state == "closed"


def test_the_breaker_is_half_open_by_time_when_no_call_comes() -> None:
    """Without a call the state is half open after its time, not before it. Settling reports the change once."""
    clock, changes = Clock(), list[BreakerState]()
    breaker = Breaker(CONFIG, clock=clock, on_change=changes.append)
    for _ in range(4):
        permitted(breaker).fail()
    clock.now_s += 9.9
    breaker.settle()
    assert (breaker.state, changes) == ("open", ["open"])
    clock.now_s += 0.2
    assert (breaker.state, changes) == ("half_open", ["open"])
    for _ in range(3):
        breaker.settle()
    assert (breaker.state, changes) == ("half_open", ["open", "half_open"])
    assert [breaker.acquire() is not None for _ in range(5)] == [True, True, True, False, False]


def test_a_permit_returns_when_the_client_caused_the_error() -> None:
    """A half-open probe that ends in a client's error returns its permit and leaves the state."""
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    first, *_ = (permitted(breaker) for _ in range(3))
    assert breaker.acquire() is None
    first.give_back()
    assert breaker.state == "half_open"
    assert breaker.acquire() is not None


def test_the_breaker_stays_closed_when_clients_send_errors() -> None:
    """A closed breaker stays closed, however many permits are given back."""
    breaker = Breaker(CONFIG, clock=Clock())
    for _ in range(100):
        permitted(breaker).give_back()
    assert breaker.state == "closed"


def test_the_breaker_opens_when_answers_are_slow() -> None:
    """Slow successes open the breaker as failures do."""
    clock = Clock()
    breaker = Breaker(CONFIG, clock=clock)
    for _ in range(4):
        permit = permitted(breaker)
        clock.now_s += 1.0
        permit.succeed()
    assert breaker.state == "open"


def test_an_outcome_is_dropped_when_its_call_began_before_a_change() -> None:
    """A call that began in the closed state and ends in the half-open one does not count as a probe."""
    clock = Clock()
    breaker = Breaker(CONFIG, clock=clock)
    late = permitted(breaker)
    for _ in range(4):
        permitted(breaker).fail()
    clock.now_s += 10.0
    probe = permitted(breaker)
    late.fail()
    assert breaker.state == "half_open"
    probe.succeed()
    assert breaker.state == "half_open"


def test_thresholds_change_when_reconfigured() -> None:
    """New thresholds apply to the outcomes that are already known."""
    breaker = Breaker(CONFIG, clock=Clock())
    for _ in range(3):
        permitted(breaker).succeed()
    permitted(breaker).fail()
    breaker.reconfigure(CONFIG.model_copy(update={"failure_rate": 0.2}))
    permitted(breaker).succeed()
    assert breaker.state == "open"
