"""The kit's short version: what must hold on any machine, on one cluster with two replicas of each phase."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.application import mentioning
from tests.reliability import layouts, load
from tests.reliability.cluster import Cluster, cluster, wait_until
from tests.reliability.faults import HANG_S, Fault
from tests.reliability.kit import failed

PAIRS = layouts.with_user_config(layouts.layout(2, Advice=1), budgets=layouts.AMPLE)
FEW = 2  # clients that wait for their answers: a slow machine has fewer requests, not more at a time


@pytest.fixture(scope="module")
def at() -> Iterator[Cluster]:
    """The cluster, with ample budgets; it is gone afterwards."""
    with cluster("fast") as made:
        made.deploy(PAIRS)
        yield made
        folder = made.folder
    assert mentioning(folder) == []
    assert not folder.exists()


@pytest.fixture(autouse=True)
def healed(at: Cluster) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    at.faults.heal()


def test_no_photo_fails_when_a_replica_of_each_phase_is_killed(at: Cluster) -> None:
    """kill -9 under load: the other replica answers, and each is replaced."""
    running = load.start(at.load(for_s=600, clients=FEW))
    for name in ("Segmentation", "Extraction", "Harmony"):
        victim, _ = at.replicas(name)
        victim.kill()
        wait_until(partial(_is_replaced, at, name, victim.pid))
    running.end()
    shots = running.shots()
    assert shots
    assert failed(shots) == []


def _is_replaced(at: Cluster, name: str, pid: int) -> bool:
    found = {one.pid for one in at.replicas(name)}
    return pid not in found and len(found) == at.running()[name] == 2


@pytest.mark.parametrize(
    "fault", [Fault(error="KeyError"), Fault(error="ColorMatchError"), Fault(error="PhaseLost")], ids=str
)
@pytest.mark.parametrize("phase", ["segmentation", "extraction", "harmony"])
def test_the_answer_is_degraded_when_a_phase_breaks(at: Cluster, phase: str, fault: Fault) -> None:
    """Whatever a phase raises that is no client's fault: 200, the phase is named, and whole again after it."""
    at.faults.put(phase, fault)
    (shot,) = load.once(at.load(for_s=0, kinds={"bypass": 1.0}), 1)
    assert (shot.status, shot.degraded) == (200, (phase,))
    at.faults.heal()
    wait_until(lambda: load.once(at.load(for_s=0, kinds={"bypass": 1.0}), 1)[0].good)


def test_photos_are_refused_in_time_when_the_network_hangs(at: Cluster) -> None:
    """Beyond the seats: 503 with Retry-After and a problem document, at once; health answers beside them."""
    at.faults.put("segmentation", Fault(delay_s=HANG_S))
    running = load.start(at.load(for_s=3, per_s=20, kinds={"bypass": 0.9, "health": 0.1}))
    began_s = time.monotonic()
    wait_until(lambda: at.faults.calls("segmentation") > 0 and time.monotonic() - began_s > 3)
    at.faults.heal()
    shots = running.shots()
    refused = [shot for shot in shots if shot.status == 503]
    assert refused
    assert all(shot.retry_after and shot.problem for shot in refused)
    assert {shot.status for shot in shots if shot.kind == "health"} == {200}
    wait_until(lambda: load.once(at.load(for_s=0, kinds={"bypass": 1.0}), 1)[0].good)


def test_no_request_fails_when_the_cache_is_killed_and_comes_back(at: Cluster) -> None:
    """A miss, never an error."""
    running = load.start(at.load(for_s=600, clients=FEW, kinds={"again": 0.5, "colors": 0.5}))
    at.kill_cache()
    before = load.once(at.load(for_s=0, kinds={"again": 1.0}), 3)
    at.restart_cache()
    after = load.once(at.load(for_s=0, kinds={"again": 1.0}), 3)
    running.end()
    assert failed([*running.shots(), *before, *after]) == []
