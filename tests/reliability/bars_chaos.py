"""Measures bars 4 to 6 and 24: kills, rolls and scales replicas while photos arrive."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from tests.cluster.application import is_alive
from tests.reliability import layouts, load
from tests.reliability.bars import LOST_REFUSED, LOST_SLOWER_MS, LOST_WHOLE_S
from tests.reliability.cluster import DEPLOYMENTS, PHASES, Cluster, wait_until
from tests.reliability.kit import Kit, failed, percentile, tally

PAIRS = layouts.layout(2)
# Taste: the pause after a change before the next one.
SETTLE_S = 4.0
# Taste: how long bar 24 watches the healthy service.
HEALTHY_S = 20.0
# Taste: each look costs CPU of what is measured, for Serve's status and for a walk through all processes.
LOOK_S = 1.0


def killed_phases(kit: Kit) -> None:
    """Measures bar 4, killed phase replicas."""
    shots, kills = _killed(kit, PHASES)
    degraded = sum(bool(shot.degraded) for shot in shots) / len(shots)
    kit.row(
        "4",
        f"kill -9 of phase replicas, {kills} times at 0.5 C, 2 replicas each",
        f"{len(failed(shots))} failed of {len(shots)}; {degraded:.1%} degraded ({tally(shots)})",
        not failed(shots) and degraded <= 0.02,
    )


def killed_ingress(kit: Kit) -> None:
    """Measures bar 5, killed ingress replicas."""
    shots, kills = _killed(kit, ("Advice",))
    share = len(failed(shots)) / len(shots)
    kit.row(
        "5",
        f"kill -9 of ingress replicas, {kills} times at 0.5 C, 2 replicas",
        f"{share:.2%}: {len(failed(shots))} of {len(shots)}, {len(failed(shots)) / kills:.2f} a kill ({tally(shots)})",
        share <= 0.005,
    )


def _killed(kit: Kit, deployments: tuple[str, ...]) -> tuple[list[load.Shot], int]:
    """Kills replicas under a load, each once the one before it is replaced. Gives the shots and the number of kills."""
    at = kit.cluster(PAIRS)
    rate = kit.part_of_capacity(at, 0.5)
    rng, kills = random.Random(4), kit.times(20)
    running = load.start(at.load(for_s=3600, per_s=rate, seed=21))
    try:
        for number in range(kills):
            name = deployments[number % len(deployments)]
            victim = rng.choice(at.replicas(name))
            time.sleep(SETTLE_S + rng.random())
            victim.kill()
            took_s = wait_until(partial(_is_noticed, at, name, victim), every_s=LOOK_S)
            took_s += wait_until(partial(_have, at, (name,), 2), every_s=LOOK_S)
            kit.say(f"kill {number + 1} of {kills}: {name}, replaced after {took_s:.0f} s")
        time.sleep(SETTLE_S)
    finally:
        running.end()
    shots = running.shots()
    kit.tell(shots)
    return shots, kills


@dataclass(frozen=True, slots=True)
class _Loss:
    """One lost replica: its phase, when it was killed, and when its successor was ready, s after the load's start."""

    phase: str
    killed_s: float
    ready_s: float


def lost_phases(kit: Kit) -> None:
    """Measures bar 24, lost phases."""
    at = kit.cluster(layouts.layout(1))
    running = load.start(at.load(for_s=3600, per_s=kit.part_of_capacity(at, 0.5), seed=24))
    began_s, losses = time.monotonic(), list[_Loss]()
    try:
        time.sleep(HEALTHY_S)
        for name in PHASES * kit.times(3):
            (victim,) = at.replicas(name)
            killed_s = time.monotonic() - began_s
            victim.kill()
            wait_until(partial(_is_succeeded, at, name, victim.pid), every_s=0.2)
            losses.append(_Loss(name.lower(), killed_s, time.monotonic() - began_s))
            kit.say(f"{name} killed, ready again after {losses[-1].ready_s - killed_s:.1f} s")
            time.sleep(LOST_WHOLE_S + SETTLE_S)
    finally:
        running.end()
    shots = running.shots()
    kit.tell(shots)
    _judge_losses(kit, shots, losses)


def _judge_losses(kit: Kit, shots: Sequence[load.Shot], losses: Sequence[_Loss]) -> None:
    before = [shot for shot in shots if shot.due_s + shot.took_s < losses[0].killed_s]
    away = [[one for one in shots if loss.killed_s <= one.due_s < loss.ready_s] for loss in losses]
    during = [shot for group in away for shot in group]
    refused = sum(shot.status == 503 for shot in during) / max(1, len(during))
    others = [shot for shot in failed(shots) if shot.status != 503]
    also = [one for loss, group in zip(losses, away, strict=True) for one in group if set(one.degraded) - {loss.phase}]
    late = [one for one in shots if not one.good and _is_whole_again(one, losses)]
    slow_ms, healthy_ms = (
        [percentile([shot.took_s * 1000 for shot in group], percent) for percent in (50, 95)]
        for group in ([shot for shot in during if shot.degraded], [shot for shot in before if shot.good])
    )
    not_whole = [shot for shot in before if not shot.good]
    away_s = percentile([loss.ready_s - loss.killed_s for loss in losses], 50)
    kit.row(
        "24",
        f"kill -9 of the only replica of a phase, {len(losses)} times at 0.5 C",
        f"away {away_s:.1f} s: {refused:.1%} of {len(during)} 503,"
        f" {len(others)} other failures, {len(also)} with another phase degraded; degraded p50 {slow_ms[0]:.0f} ms, p95"
        f" {slow_ms[1]:.0f} ms, healthy {healthy_ms[0]:.0f} and {healthy_ms[1]:.0f} ms; {len(late)} not whole"
        f" {LOST_WHOLE_S:.0f} s after; {len(not_whole)} of {len(before)} not whole before ({tally(shots)})",
        refused <= LOST_REFUSED
        and not others
        and not also
        and not late
        and not not_whole
        and slow_ms[0] <= healthy_ms[0] + LOST_SLOWER_MS,
    )


def _is_whole_again(shot: load.Shot, losses: Sequence[_Loss]) -> bool:
    """Whether a request was answered between LOST_WHOLE_S after a successor was ready and the next kill."""
    ends = [*(loss.killed_s for loss in losses[1:]), float("inf")]
    return any(
        loss.ready_s + LOST_WHOLE_S <= shot.due_s and shot.due_s + shot.took_s < end
        for loss, end in zip(losses, ends, strict=True)
    )


def _is_succeeded(at: Cluster, name: str, pid: int) -> bool:
    """Whether another replica runs. Serve counts a dead one as running until it notices."""
    found = {one.pid for one in at.replicas(name)}
    return bool(found) and pid not in found and at.running()[name] == 1


def _is_noticed(at: Cluster, name: str, victim: psutil.Process) -> bool:
    """Whether a killed replica is dead and Serve has noticed."""
    return not is_alive(victim) and at.running()[name] < 2


def _have(at: Cluster, names: tuple[str, ...], count: int) -> bool:
    running = at.running()
    return all(running[name] == len(at.replicas(name)) == count for name in names)


def _are_replaced(at: Cluster, name: str, pids: set[int]) -> bool:
    return not pids & {process.pid for process in at.replicas(name)}


def rolling(kit: Kit) -> None:
    """Measures bar 6, rolling update and scaling."""
    at = kit.cluster(PAIRS)
    rate = kit.part_of_capacity(at, 0.5)
    running = load.start(at.load(for_s=3600, per_s=rate, seed=31))
    kit.say("the load begins")
    done = list[str]()
    try:
        config = PAIRS
        for name in DEPLOYMENTS[: 4 if kit.share >= 0.5 else 2]:
            before = {process.pid for process in at.replicas(name)}
            config = layouts.rolled(config, name, "rolled")
            _change(kit, at, config, f"{name} rolled", done)
            wait_until(partial(_are_replaced, at, name, before), every_s=LOOK_S)
        for count in (3, 2):
            config = layouts.counted(config, count)
            _change(kit, at, config, f"scaled to {count}", done)
            wait_until(partial(_have, at, DEPLOYMENTS, count), every_s=LOOK_S)
        time.sleep(SETTLE_S)
    finally:
        running.end()
    shots = running.shots()
    kit.tell(shots)
    degraded = sum(bool(shot.degraded) for shot in shots)
    kit.row(
        "6",
        f"at 0.5 C: {', '.join(done)}",
        f"{len(failed(shots))} failed of {len(shots)}, {degraded} degraded ({tally(shots)})",
        not failed(shots),
    )


def _change(kit: Kit, at: Cluster, config: layouts.Config, what: str, done: list[str]) -> None:
    at.deploy_soon(config)
    took_s = at.hear("running")
    done.append(what)
    kit.say(f"{what} in {took_s:.0f} s")
