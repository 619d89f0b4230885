"""Tests one phase call: it keeps its budget, leaves nothing behind and raises only our errors."""

import asyncio
import time

import pytest

from pipeline import errors
from pipeline.errors import (
    ColorMatchError,
    ImageBomb,
    Overloaded,
    PhaseFailed,
    PhaseLost,
    PhaseTimeout,
    from_pair,
    to_pair,
)
from serve.settings import BreakerConfig
from serve.walk.breaker import Breaker
from serve.walk.phase_call import FROM_A_PHASE, LOOK_EVERY_S, Phase, Replicas
from tests.serve.fakes import FakeCall, FakePhase

SHORT_S = 0.03


class TransportError(Exception):
    """A transport's error, whose text must not reach a client."""


class Wrapped(TransportError, ImageBomb):
    """A transport's error that is also a subclass of one of ours, as Ray makes them."""


def _echo(payload: bytes) -> bytes:
    return b"answer to " + payload


def _translate(error: Exception) -> ColorMatchError:
    """Translates as serve.deployments does: our errors by code and detail, all others by type only."""
    if isinstance(error, ColorMatchError) and not isinstance(error, TransportError):
        return from_pair(*to_pair(error), among=FROM_A_PHASE)
    return ImageBomb("Too large.") if isinstance(error, ImageBomb) else PhaseFailed("A phase failed.")


def _phase(fake: FakePhase) -> Phase:
    return Phase("extraction", fake.start, _translate, replicas=fake.replicas)


def _others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_the_answer_comes_back_when_the_phase_is_in_time() -> None:
    """A call within its budget gives the phase's bytes and is not cancelled."""
    fake = FakePhase(_echo)
    assert await _phase(fake).call(b"x", budget_s=5) == b"answer to x"
    assert not fake.calls[0].cancelled


async def test_a_call_ends_at_its_budget_when_the_phase_hangs() -> None:
    """The caller gets PhaseTimeout in time. The call is cancelled and leaves no task."""
    fake = FakePhase(_echo)
    fake.hangs = True
    since_s = time.perf_counter()
    with pytest.raises(PhaseTimeout, match="extraction took longer than 30 ms"):
        await _phase(fake).call(b"x", budget_s=SHORT_S)
    assert SHORT_S * 0.9 < time.perf_counter() - since_s < 1
    assert fake.calls[0].cancelled
    assert fake.calls[0].ended
    assert not _others()


@pytest.mark.parametrize("budget_s", [0.0, -1.0])
async def test_nothing_is_sent_when_no_time_is_left(budget_s: float) -> None:
    """Without time left, the phase is not called."""
    fake = FakePhase(_echo)
    with pytest.raises(PhaseTimeout, match="no time left"):
        await _phase(fake).call(b"x", budget_s=budget_s)
    assert not fake.calls


async def test_a_call_is_cancelled_when_its_caller_leaves() -> None:
    """A cancelled caller cancels its call."""
    fake = FakePhase(_echo)
    fake.hangs = True
    caller = asyncio.create_task(_phase(fake).call(b"x", budget_s=5))
    while not fake.calls:
        await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert fake.calls[0].cancelled
    assert not _others()


async def test_a_hundred_calls_leave_nothing_when_all_are_late() -> None:
    """Many calls that time out at once leave no task behind."""
    fake = FakePhase(_echo)
    fake.hangs = True
    phase = _phase(fake)
    found = await asyncio.gather(*(phase.call(b"x", budget_s=SHORT_S) for _ in range(100)), return_exceptions=True)
    assert {type(one) for one in found} == {PhaseTimeout}
    assert all(call.cancelled and call.ended for call in fake.calls)
    assert not _others()


@pytest.mark.parametrize(
    ("raised", "kind", "detail"),
    [
        (Overloaded("Full."), Overloaded, "Full."),
        (errors.ImageTooSmall("Small."), errors.ImageTooSmall, "Small."),
        (PhaseFailed("Broken."), PhaseFailed, "Broken."),
        (ColorMatchError("Anything."), PhaseFailed, "A phase failed."),
        (errors.NotFound("No such photo."), PhaseFailed, "A phase failed."),
        (TransportError("10.0.0.7: actor died"), PhaseFailed, "A phase failed."),
        (ValueError("/home/app/secret.py"), PhaseFailed, "A phase failed."),
        (Wrapped("ray::Extraction() at 10.0.0.7"), ImageBomb, "Too large."),
    ],
)
async def test_an_error_is_one_of_ours_when_the_phase_raises(
    raised: Exception, kind: type[ColorMatchError], detail: str
) -> None:
    """An error that a phase may send arrives with its detail. Any other arrives as PhaseFailed."""
    fake = FakePhase(_echo)
    fake.error = raised
    with pytest.raises(ColorMatchError) as caught:
        await _phase(fake).call(b"x", budget_s=5)
    assert type(caught.value) is kind
    assert caught.value.detail == detail


async def test_an_error_is_one_of_ours_when_the_call_cannot_start() -> None:
    """A handle that cannot send makes the phase fail."""

    def start(payload: bytes) -> FakeCall:
        raise TransportError("no replica at 10.0.0.7")

    with pytest.raises(PhaseFailed, match=r"^A phase failed\.$"):
        await Phase("harmony", start, _translate).call(b"x", budget_s=5)


async def test_a_phase_failed_when_it_cancels_the_call_itself() -> None:
    """A call that the other side cancels is a failure of the phase, not a cancellation of the caller."""

    async def gives_up() -> bytes:
        raise asyncio.CancelledError

    with pytest.raises(PhaseFailed, match="harmony was cancelled"):
        await Phase("harmony", lambda _: FakeCall(gives_up), _translate).call(b"x", budget_s=5)


async def _outcomes(phase: Phase, calls: int) -> list[type[BaseException]]:
    found = await asyncio.gather(*(phase.call(b"x", budget_s=SHORT_S) for _ in range(calls)), return_exceptions=True)
    return [type(one) for one in found if isinstance(one, BaseException)]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TransportError("died"), "open"),
        (Overloaded("Full."), "closed"),
        (errors.ImageTooSmall("Small."), "closed"),
    ],
)
async def test_the_breaker_opens_only_when_the_phase_fails(error: Exception, state: str) -> None:
    """Failures open the breaker. Full queues and clients' errors never do."""
    fake = FakePhase(_echo)
    fake.error = error
    phase = _phase(fake)
    await _outcomes(phase, 20)
    assert phase.breaker.state == state


async def test_a_phase_is_left_alone_when_its_breaker_is_open() -> None:
    """Once timeouts have opened the breaker, calls fail at once and do not reach the phase."""
    fake = FakePhase(_echo)
    fake.hangs = True
    phase = _phase(fake)
    await _outcomes(phase, 10)
    sent = len(fake.calls)
    with pytest.raises(PhaseFailed, match="circuit breaker of extraction is open"):
        await phase.call(b"x", budget_s=60)
    assert len(fake.calls) == sent == 10


async def test_a_probe_returns_when_its_caller_leaves() -> None:
    """A caller that leaves during a half-open probe returns its permit, so that the next probe can run."""
    now_s = [0.0]
    fake = FakePhase(_echo)
    phase = Phase(
        "extraction", fake.start, _translate, Breaker(BreakerConfig(half_open_calls=1), clock=lambda: now_s[0])
    )
    fake.error = TransportError("died")
    await _outcomes(phase, 10)
    now_s[0], fake.error, fake.hangs = 60.0, None, True
    leaver = asyncio.create_task(phase.call(b"x", budget_s=5))
    while len(fake.calls) == 10:
        await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    fake.hangs = False
    assert await phase.call(b"x", budget_s=5) == b"answer to x"
    assert phase.breaker.state == "closed"


async def test_another_replica_answers_when_one_is_lost() -> None:
    """A call whose replica died is made once more within the same budget."""
    fake = FakePhase(_echo)
    phase = _phase(fake)
    fake.errors = [PhaseLost("Gone.")]
    assert await phase.call(b"x", budget_s=5) == b"answer to x"
    assert len(fake.calls) == 2


async def test_a_call_is_tried_twice_at_most_when_replicas_are_lost() -> None:
    """A second loss fails the call. Any other error fails it at once."""
    fake = FakePhase(_echo)
    fake.error = PhaseLost("Gone.")
    with pytest.raises(PhaseLost):
        await _phase(fake).call(b"x", budget_s=5)
    assert len(fake.calls) == 2
    fake = FakePhase(_echo)
    fake.error = PhaseFailed("Broken.")
    with pytest.raises(PhaseFailed):
        await _phase(fake).call(b"x", budget_s=5)
    assert len(fake.calls) == 1


async def test_retries_are_a_fifth_of_the_calls_when_all_are_lost() -> None:
    """Of 200 lost calls, only a fifth and the one saved retry are repeated."""
    fake = FakePhase(_echo)
    fake.error = PhaseLost("Gone.")
    phase = Phase("extraction", fake.start, _translate, Breaker(BreakerConfig(window_calls=1000, minimum_calls=1000)))
    for _ in range(200):
        await _outcomes(phase, 1)
    assert 200 + 38 <= len(fake.calls) <= 200 + 41


# --- phases without a replica ---------------------------------------------------------------------------------
AT_ONCE_S = 1.0


async def _time_of(phase: Phase, kind: type[Exception], *, budget_s: float = 60.0) -> float:
    """How long a call takes that raises this error, s."""
    since_s = time.perf_counter()
    with pytest.raises(kind):
        await phase.call(b"x", budget_s=budget_s)
    return time.perf_counter() - since_s


async def test_nothing_is_sent_when_no_replica_runs() -> None:
    """Without a replica calls fail at once, without end and unsent. The first call after its return is answered."""
    fake, counted = FakePhase(_echo), list[str]()
    phase = Phase("extraction", fake.start, _translate, count_outcome=counted.append, replicas=fake.replicas)
    fake.running = 0
    for _ in range(100):
        assert await _time_of(phase, PhaseLost) < AT_ONCE_S
    assert counted == ["absent"] * 100
    assert not fake.calls
    fake.running = 1
    assert await phase.call(b"x", budget_s=5) == b"answer to x"
    assert phase.breaker.state == "closed"


async def test_a_waiting_call_ends_when_the_last_replica_is_gone() -> None:
    """A call that no replica has taken ends soon after the last one is known to be gone, and leaves nothing."""
    fake = FakePhase(_echo)
    phase = _phase(fake)
    fake.running = 0
    counts = iter((1, 1, 1))
    waiting = Phase("extraction", fake.start, _translate, replicas=Replicas(lambda: next(counts, 0), lambda _: False))
    assert await _time_of(waiting, PhaseLost) < AT_ONCE_S
    assert fake.calls[0].cancelled
    assert fake.calls[0].ended
    assert not _others()
    assert phase.absent


async def test_no_retry_is_sent_when_the_lost_replica_was_the_last() -> None:
    """A call that dies with the last replica fails at once. Neither the breaker nor the retries pay for it."""
    fake = FakePhase(_echo)
    fake.error = PhaseLost("Gone.")
    phase = Phase("extraction", fake.start, _translate, replicas=Replicas(lambda: 0 if fake.calls else 1))
    for _ in range(50):
        fake.calls.clear()
        assert await _time_of(phase, PhaseLost) < AT_ONCE_S
        assert len(fake.calls) == 1
    assert phase.breaker.state == "closed"
    assert phase.retries.take()


async def test_a_call_is_answered_when_its_replica_is_stopping() -> None:
    """A replica that takes no new calls still answers those that it has."""
    fake = FakePhase(_echo)
    fake.running = 1
    fake.gate.clear()
    call = asyncio.create_task(_phase(fake).call(b"x", budget_s=5))
    while not (fake.calls and fake.calls[0].taken):
        await asyncio.sleep(0)
    fake.running = 0
    await asyncio.sleep(3 * LOOK_EVERY_S)
    fake.gate.set()
    assert await call == b"answer to x"


@pytest.mark.parametrize("running", [None, 1, 3])
async def test_a_slow_phase_keeps_its_budget_when_a_replica_runs(running: int | None) -> None:
    """A call of a phase that is only slow, or of which nothing is known, has its whole budget."""
    fake = FakePhase(_echo)
    fake.running, fake.hangs = running, True
    assert await _time_of(_phase(fake), PhaseTimeout, budget_s=0.3) >= 0.27
    fake.hangs = False
    fake.gate.clear()
    call = asyncio.create_task(_phase(fake).call(b"x", budget_s=5))
    await asyncio.sleep(3 * LOOK_EVERY_S)
    fake.gate.set()
    assert await call == b"answer to x"


async def test_another_replica_answers_when_one_of_several_is_lost() -> None:
    """The loss of one of two replicas is repeated on the other and degrades nothing."""
    fake = FakePhase(_echo)
    fake.running, fake.errors = 2, [PhaseLost("Gone.")]
    assert await _phase(fake).call(b"x", budget_s=5) == b"answer to x"


async def test_an_answer_counts_when_the_event_loop_was_blocked() -> None:
    """An answer that a blocked loop reads late counts, although the replica has gone since."""
    fake = FakePhase(_echo)
    fake.running = 1
    fake.gate.clear()
    call = asyncio.create_task(_phase(fake).call(b"x", budget_s=0.2))
    while not (fake.calls and fake.calls[0].taken):
        await asyncio.sleep(0)
    fake.gate.set()
    time.sleep(0.3)
    fake.running = 0
    assert await call == b"answer to x"
