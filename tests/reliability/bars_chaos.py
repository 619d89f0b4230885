"""Measures bars 4 to 6: kills, rolls and scales replicas while photos arrive."""

import random
import time
from functools import partial

import psutil

from tests.cluster.application import is_alive
from tests.reliability import layouts, load
from tests.reliability.cluster import DEPLOYMENTS, PHASES, Cluster, wait_until
from tests.reliability.kit import Kit, failed, tally

PAIRS = layouts.layout(2)
# Taste: the pause after a change before the next one.
SETTLE_S = 4.0
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
