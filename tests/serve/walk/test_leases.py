"""Tests leases: equal photos at several ingress replicas cost one forward, and no replica waits in vain."""

import asyncio
import time

import pytest

from pipeline.errors import PhaseFailed
from serve.settings import AdviceConfig, Budgets
from serve.walk.advisor import Advisor
from serve.walk.flights import COALESCING_SHARE, LEASE_POLL_S
from serve.walk.question import Answer
from tests.serve.fakes import Walk, descriptions, photo, until

REPLICAS = 3
# A machine that stands still for seconds ends nobody's wait for the lease.
PATIENT = AdviceConfig(
    budgets=Budgets(segmentation_ms=60_000, extraction_ms=60_000, harmony_ms=60_000, total_ms=60_000)
)


def replicas(walk: Walk) -> list[Advisor]:
    """Three ingress replicas that share phases and store."""
    made = [walk.replica() for _ in range(REPLICAS)]
    for replica in made:
        replica.reconfigure(PATIENT)
        for description in descriptions():
            replica.learn(description)
    return made


async def flood(advisors: list[Advisor], count: int) -> list[Answer]:
    """Asks equal questions at once, spread over the replicas, and gives the answers."""
    answers = await asyncio.gather(*(advisors[i % len(advisors)].advise(photo()) for i in range(count)))
    for advisor in advisors:
        await advisor.close()
    return list(answers)


async def test_one_forward_is_made_when_500_equal_photos_miss(walk: Walk) -> None:
    """The network runs once, all answers have the same bytes, and the lease is released."""
    answers = await flood(replicas(walk), 500)
    assert walk.calls()["segmentation"] == 1
    assert len({answer.body for answer in answers}) == 1
    assert sum(answer.progress.cache["advice"] == "miss" for answer in answers) == 1
    assert walk.store.leases == {}


async def test_one_forward_per_replica_is_made_when_the_store_is_gone(walk: Walk) -> None:
    """Without the store, each replica still makes only one forward."""
    walk.store.down = True
    answers = await flood(replicas(walk), 60)
    assert walk.calls()["segmentation"] == REPLICAS
    assert len({answer.body for answer in answers}) == 1


async def test_one_forward_is_made_when_the_store_fails_for_a_moment(walk: Walk) -> None:
    """A replica that knows of another's lease keeps waiting while the store fails."""
    walk.segmentation.gate.clear()
    asked = asyncio.create_task(flood(replicas(walk), 2 * REPLICAS))
    await until(lambda: walk.calls()["segmentation"] == 1)
    walk.store.down = True
    await asyncio.sleep(5 * LEASE_POLL_S)
    walk.store.down = False
    walk.segmentation.gate.set()
    assert len({answer.body for answer in await asked}) == 1
    assert walk.calls()["segmentation"] == 1


async def test_the_next_replica_walks_when_the_first_answer_is_degraded(walk: Walk) -> None:
    """Replicas do not share a degraded answer. The next one takes the lease and makes a whole answer."""
    walk.segmentation.errors = [PhaseFailed("Broken.")]
    answers = await flood(replicas(walk), 2)
    assert sorted(len(answer.progress.degraded) for answer in answers) == [0, 1]
    assert walk.store.leases == {}


async def test_a_photo_is_answered_when_the_lease_is_never_released(walk: Walk) -> None:
    """A replica waits for a dead holder's lease for part of its time, then walks without it."""
    walk.advisor.reconfigure(AdviceConfig(budgets=Budgets(total_ms=1500)))
    await walk.advisor.advise(photo())
    await walk.advisor.close()
    (key,) = (key for key in walk.store.values if key.startswith("advice:"))
    del walk.store.values[key]
    walk.store.leases[f"lease:{key}"] = b"a dead replica's"
    since_s = time.perf_counter()
    answer = await walk.advisor.advise(photo())
    assert answer.progress.degraded == []
    assert time.perf_counter() - since_s >= 1.5 * COALESCING_SHARE
    assert walk.store.leases == {f"lease:{key}": b"a dead replica's"}


async def test_the_lease_is_released_when_every_caller_leaves(walk: Walk) -> None:
    """A walk goes on without its callers. It leaves its answer and no lease behind."""
    walk.segmentation.gate.clear()
    asker = asyncio.create_task(walk.advisor.advise(photo()))
    await until(lambda: walk.calls()["segmentation"] == 1)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    walk.segmentation.gate.set()
    await walk.advisor.close()
    await until(lambda: walk.store.leases == {})
    assert "advice" in walk.store.layers()
