"""Bars 4 to 6: replicas killed, and replicas exchanged and counted up and down, while photos come."""

import random
import time
from functools import partial

import psutil

from tests.cluster.application import is_alive
from tests.reliability import layouts, load
from tests.reliability.cluster import DEPLOYMENTS, Cluster, wait_until
from tests.reliability.kit import Kit, failed, tally

PAIRS = layouts.layout(2)
PHASES = ("Segmentation", "Extraction", "Harmony")
SETTLE_S = 4.0
LOOK_S = 1.0  # Serve's status and a walk through all processes cost a part of what is measured


def killed_phases(kit: Kit) -> None:
    """Bar 4."""
    shots, kills = _killed(kit, PHASES)
    degraded = sum(bool(shot.degraded) for shot in shots) / len(shots)
    kit.row(
        "4",
        f"kill -9 of phase replicas, {kills} times at 0.5 C, 2 replicas each",
        "0 answers 5xx, ≤ 2 % degraded",
        f"{len(failed(shots))} failed of {len(shots)}; {degraded:.1%} degraded ({tally(shots)})",
        not failed(shots) and degraded <= 0.02,
    )


def killed_ingress(kit: Kit) -> None:
    """Bar 5."""
    shots, kills = _killed(kit, ("Advice",))
    share = len(failed(shots)) / len(shots)
    kit.row(
        "5",
        f"kill -9 of ingress replicas, {kills} times at 0.5 C, 2 replicas",
        "failures ≤ 0.5 %",
        f"{share:.2%}: {len(failed(shots))} of {len(shots)}, {len(failed(shots)) / kills:.2f} a kill ({tally(shots)})",
        share <= 0.005,
    )


def _killed(kit: Kit, deployments: tuple[str, ...]) -> tuple[list[load.Shot], int]:
    """A load while replicas are killed one after the other, each once the one before is replaced."""
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
            took_s = wait_until(partial(_is_missed, at, name, victim), every_s=LOOK_S)
            took_s += wait_until(partial(_are, at, (name,), 2), every_s=LOOK_S)
            kit.say(f"kill {number + 1} of {kills}: {name}, replaced after {took_s:.0f} s")
        time.sleep(SETTLE_S)
    finally:
        running.end()
    shots = running.shots()
    kit.tell(shots)
    return shots, kills


def _is_missed(at: Cluster, name: str, victim: psutil.Process) -> bool:
    """Whether a killed replica is dead and Serve knows."""
    return not is_alive(victim) and at.running()[name] < 2


def _are(at: Cluster, names: tuple[str, ...], count: int) -> bool:
    running = at.running()
    return all(running[name] == len(at.replicas(name)) == count for name in names)


def _are_gone(at: Cluster, name: str, pids: set[int]) -> bool:
    return not pids & {one.pid for one in at.replicas(name)}


def rolling(kit: Kit) -> None:
    """Bar 6: every deployment's replicas exchanged, then counted up to three and down to two again."""
    at = kit.cluster(PAIRS)
    rate = kit.part_of_capacity(at, 0.5)
    running = load.start(at.load(for_s=3600, per_s=rate, seed=31))
    kit.say("the load begins")
    done = list[str]()
    try:
        config = PAIRS
        for name in DEPLOYMENTS[: 4 if kit.share >= 0.5 else 2]:
            before = {one.pid for one in at.replicas(name)}
            config = layouts.rolled(config, name, "rolled")
            _change(kit, at, config, f"{name} rolled", done)
            wait_until(partial(_are_gone, at, name, before), every_s=LOOK_S)
        for count in (3, 2):
            config = layouts.counted(config, count)
            _change(kit, at, config, f"scaled to {count}", done)
            wait_until(partial(_are, at, DEPLOYMENTS, count), every_s=LOOK_S)
        time.sleep(SETTLE_S)
    finally:
        running.end()
    shots = running.shots()
    kit.tell(shots)
    degraded = sum(bool(shot.degraded) for shot in shots)
    kit.row(
        "6",
        f"at 0.5 C: {', '.join(done)}",
        "0 failed",
        f"{len(failed(shots))} failed of {len(shots)}, {degraded} degraded ({tally(shots)})",
        not failed(shots),
    )


def _change(kit: Kit, at: Cluster, config: layouts.Config, what: str, done: list[str]) -> None:
    at.deploy_soon(config)
    took_s = at.hear("running")
    done.append(what)
    kit.say(f"{what} in {took_s:.0f} s")
