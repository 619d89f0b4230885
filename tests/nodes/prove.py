"""Proves what a cluster of nodes survives: `python -m tests.nodes.prove [--only live …]`; `make prove-nodes`.

The command runs a head and four nodes on one machine (tests/nodes/machines.py) with a reduced serve.cluster.yaml. An
open-loop load runs during each step. The command prints a table and puts it into docs/results/deploy.md.
"""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from serve.local.plan import REPOSITORY
from serve.local.processes import HOST
from tests.nodes.machines import Config, Site, copy_of, deployments_of, shrunk, site, wait_until
from tests.reliability import load
from tests.reliability.kit import failed, percentile, tally

DOCUMENT = REPOSITORY / "docs" / "results" / "deploy.md"
MARKS = ("<!-- measured by make prove-nodes -->", "<!-- end -->")
NAMES = ("Advice", "Segmentation", "Extraction", "Harmony")
# Taste: an ample budget of every phase, so that the proof shows Serve's behaviour and not the speed of two cores.
BUDGET_MS = 10_000.0
KINDS = {"new": 0.5, "colors": 0.5}
# Taste: the load before and after each step.
SETTLE_S = 3.0
OTHER_MODEL = "lite0-parse-384"


@dataclass(slots=True)
class Proof:
    """The site, its config and the rows of the table."""

    at: Site
    config: Config
    per_s: float
    rows: list[tuple[str, str, bool]] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Prints progress."""
        print(f"[{time.monotonic() - self._began_s:5.0f} s] {text}", file=sys.stderr, flush=True)

    def row(self, what: str, seen: str, passed: bool) -> None:
        """Adds a row to the table."""
        self.rows.append((what, seen, passed))
        self.say(f"{'pass' if passed else 'SHORT'}: {what}: {seen}")

    def under_load(self, act: Callable[[], str], *, through: str = "head") -> tuple[str, list[load.Shot]]:
        """Acts under a load through one node's HAProxy. Gives the report of the act and the shots of the load."""
        port = self.at.machines[through].proxy_port
        running = load.start(load.Plan(port=port, key=self.at.key, for_s=3600, per_s=self.per_s, kinds=KINDS, seed=7))
        try:
            time.sleep(SETTLE_S)
            report = act()
            time.sleep(SETTLE_S)
        finally:
            running.end()
        return report, running.shots()

    def whole(self) -> None:
        """Waits until every replica runs and the application is ready."""
        wait_until(lambda: self.at.runs() and self.at.is_ready())

    def pids(self) -> dict[str, set[int]]:
        """The process ids of the replicas, by deployment."""
        return {name: set(self.at.replicas(name)) for name in NAMES}

    def put(self, config: Config) -> float:
        """Deploys a config and waits until it is in force. Gives the time it took, s."""
        began_s = time.monotonic()
        self.at.deploy(config)
        # A config that changes nothing is never reported as deploying.
        time.sleep(1.0)
        self.whole()
        self.config = config
        return time.monotonic() - began_s


def spread(proof: Proof) -> None:
    """Shows where the replicas run, and how much of the GPUs they use."""
    found = {name: Counter(proof.at.machine_of(pid) for pid in proof.at.replicas(name)) for name in NAMES}
    usage = proof.at.ask("/api/cluster_status")["data"]["clusterStatus"]["loadMetricsReport"]["usage"]["GPU"]
    groups = all(
        machine.startswith("gpu" if name == "Segmentation" else "cpu") for name in NAMES for machine in found[name]
    )
    said = "; ".join(f"{name} {', '.join(f'{m} {n}' for m, n in sorted(found[name].items()))}" for name in NAMES)
    passed = groups and max(found["Advice"].values()) == 1 and usage[0] == 0.5 * sum(found["Segmentation"].values())
    proof.row("replicas keep to their groups, none on the head", f"{said}; {usage[0]:g} of {usage[1]:g} GPUs", passed)


def live(proof: Proof) -> None:
    """Changes a budget with `serve deploy`. No replica may be replaced."""
    before = proof.pids()

    def act() -> str:
        config = copy_of(proof.config)
        deployments_of(config)["Advice"]["user_config"]["budgets"]["segmentation_ms"] = BUDGET_MS - 1
        return f"in force after {proof.put(config):.0f} s"

    report, shots = proof.under_load(act)
    same = proof.pids() == before
    proof.row(
        "`serve deploy` of a changed budget, under load",
        f"{report}, {'the same' if same else 'OTHER'} replicas; "
        f"{len(failed(shots))} failed of {len(shots)} ({tally(shots)})",
        same and not failed(shots),
    )


def model(proof: Proof) -> None:
    """Changes the network with `serve deploy`. Only `Segmentation` may roll."""
    before = proof.pids()

    def act() -> str:
        config = copy_of(proof.config)
        variables = deployments_of(config)["Segmentation"]["ray_actor_options"]["runtime_env"]["env_vars"]
        variables["SEGMENTATION_MODEL"] = OTHER_MODEL
        took_s = proof.put(config)
        wait_until(lambda: not set(proof.at.replicas("Segmentation")) & before["Segmentation"])
        return f"rolled in {took_s:.0f} s"

    report, shots = proof.under_load(act)
    after = proof.pids()
    others = all(after[name] == before[name] for name in NAMES if name != "Segmentation")
    answers = _segmenter(proof)
    proof.row(
        f"`serve deploy` of another network ({OTHER_MODEL}), under load",
        f"{report}, the other deployments' replicas {'kept' if others else 'CHANGED'}, "
        f"now {answers.partition(':')[0]}; "
        f"{len(failed(shots))} failed of {len(shots)} ({tally(shots)})",
        others and answers.startswith(OTHER_MODEL) and not failed(shots),
    )


def canary(proof: Proof) -> None:
    """Deploys a second application with another network beside the first, and removes it again."""
    before, alone = proof.pids(), proof.config

    def act() -> str:
        config = copy_of(alone)
        second = copy_of(alone)["applications"][0] | {"name": "canary", "route_prefix": "/canary"}
        config["applications"].append(second)
        named = deployments_of(config, 1)
        for deployment in named.values():
            deployment["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
        named["Segmentation"]["ray_actor_options"]["runtime_env"]["env_vars"]["SEGMENTATION_MODEL"] = OTHER_MODEL
        proof.put(config)
        wait_until(lambda: proof.at.runs("canary") and proof.at.is_ready(prefix="/canary"))
        first, other = (_segmenter(proof, prefix).partition(":")[0] for prefix in ("", "/canary"))
        report = f"`/` answers with {first}, `/canary/` with {other}"
        proof.put(alone)
        wait_until(lambda: not proof.at.deployments("canary"))
        return report

    report, shots = proof.under_load(act)
    proof.row(
        "a canary beside the application, and its end, under load",
        f"{report}; the first one's replicas {'kept' if proof.pids() == before else 'CHANGED'}; "
        f"{len(failed(shots))} failed of {len(shots)} ({tally(shots)})",
        f"`/canary/` with {OTHER_MODEL}" in report and proof.pids() == before and not failed(shots),
    )


def _segmenter(proof: Proof, prefix: str = "") -> str:
    """The network version in an application's answer."""
    port = proof.at.machines["head"].proxy_port
    photo = (REPOSITORY / "docs/samples/astronaut.jpg").read_bytes()
    answer = httpx.post(
        f"http://{HOST}:{port}{prefix}/v1/advice",
        headers={"X-API-Key": proof.at.key},
        files={"image": ("photo", photo, "image/jpeg")},
        data={"options": '{"cache": "bypass"}'},
        timeout=60,
        trust_env=False,
    )
    return str(answer.json()["versions"]["segmenter"])


def scaling(proof: Proof) -> None:
    """Sends more photos at a time than the replicas are meant to have, then none."""
    wanted = copy_of(proof.config)
    deployments_of(wanted)["Extraction"]["autoscaling_config"]["target_ongoing_requests"] = 1
    proof.put(wanted)
    before = len(proof.at.replicas("Extraction"))
    port = proof.at.machines["head"].proxy_port
    running = load.start(load.Plan(port=port, key=proof.at.key, for_s=3600, clients=10, kinds={"new": 1.0}, seed=8))
    up_s = down_s = float("inf")
    try:
        with suppress(TimeoutError):
            up_s = wait_until(lambda: len(proof.at.replicas("Extraction")) > before, within_s=150)
    finally:
        running.end()
    shots = running.shots()
    most = len(proof.at.replicas("Extraction"))
    with suppress(TimeoutError):
        down_s = wait_until(lambda: len(proof.at.replicas("Extraction")) == before, within_s=150)
    proof.row(
        "autoscaling: 10 clients, then none",
        f"Extraction {before} → {most} after {up_s:.0f} s, back to {before} {down_s:.0f} s after the end; "
        f"{len(failed(shots))} failed of {len(shots)} ({tally(shots)})",
        most > before and up_s < 150 and down_s < 150,
    )


def lost_node(proof: Proof, name: str) -> None:
    """Kills a node and starts another."""

    def act() -> str:
        gone = {which: sum(proof.at.machine_of(pid) == name for pid in proof.at.replicas(which)) for which in NAMES}
        proof.at.kill(name)
        machine = proof.at.machines[name]
        noticed_s = wait_until(lambda: len(proof.at.nodes()) < len(proof.at.machines))
        proof.at.start(f"{name.partition('-')[0]}-9", cpus=machine.cpus, gpus=machine.gpus)
        del proof.at.machines[name]
        took_s = wait_until(lambda: proof.at.runs())
        lost = ", ".join(f"{which} {count}" for which, count in gone.items() if count)
        return f"lost {lost or 'no replica'}; noticed after {noticed_s:.0f} s, all replaced {took_s:.0f} s later"

    report, shots = proof.under_load(act)
    share = len(failed(shots)) / len(shots)
    degraded = sum(bool(shot.degraded) for shot in shots) / len(shots)
    proof.row(
        f"a node of the {name.partition('-')[0]} group killed (-9), under load; another joins",
        f"{report}; {len(failed(shots))} failed of {len(shots)} = {share:.1%}, "
        f"{degraded:.1%} degraded ({tally(shots)})",
        share <= 0.02,
    )


def lost_head(proof: Proof) -> None:
    """Kills the head and starts it on the same Redis. Requests come in through another node."""
    before = proof.pids()
    through = next(name for name in proof.at.machines if name.startswith("cpu"))

    def act() -> str:
        proof.at.kill("head")
        # The cluster must survive this time without a head.
        time.sleep(10.0)
        proof.at.start_head()
        back_s = wait_until(lambda: proof.at.runs() and proof.at.is_ready())
        return f"10 s without a head, then {back_s:.0f} s until all ran"

    report, shots = proof.under_load(act, through=through)
    kept = sum(len(proof.pids()[name] & before[name]) for name in NAMES)
    p99_ms = percentile([shot.took_s * 1000 for shot in shots if shot.status == 200], 99)
    proof.row(
        "the head killed (-9) and started again, its state in an external Redis, under load by another node",
        f"{report}; {kept} of {sum(map(len, before.values()))} replicas are the same processes; "
        f"{len(failed(shots))} failed of {len(shots)}, p99 {p99_ms:.0f} ms ({tally(shots)})",
        not failed(shots) and kept == sum(map(len, before.values())),
    )


STEPS: dict[str, Callable[[Proof], None]] = {
    "spread": spread,
    "live": live,
    "canary": canary,
    "model": model,
    "cpu-node": lambda proof: lost_node(proof, "cpu-2"),
    "gpu-node": lambda proof: lost_node(proof, "gpu-1"),
    "head": lost_head,
    "scaling": scaling,
}


def main(arguments: list[str]) -> int:
    """Runs the given steps. The exit status is 1 when one falls short."""
    parser = argparse.ArgumentParser(prog="tests.nodes.prove", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=STEPS,
        default=[],
        help="run this step only, and write no document; may be repeated",
    )
    parser.add_argument("--per-s", type=float, default=1.0, help="requests a second: half new photos, half colours")
    given = parser.parse_args(arguments)
    # An exit by exception ends the nodes too. 143 is 128 + SIGTERM, as in shells.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with site() as at:
        for name in ("cpu-1", "cpu-2", "gpu-1", "gpu-2"):
            at.start(name, cpus=4, gpus=int(name.startswith("gpu")))
        port = at.machines["head"].proxy_port
        proof = Proof(at, shrunk("serve.cluster.yaml", port, budget_ms=BUDGET_MS), given.per_s)
        proof.say(f"a head and four nodes; deployed in {proof.put(proof.config):.0f} s")
        for name in given.only or STEPS:
            _take(proof, name)
            if not given.only:
                _keep(_table(proof))
    print(_table(proof))
    return int(not all(passed for _, _, passed in proof.rows))


def _take(proof: Proof, name: str) -> None:
    """Runs a step, once all replicas run. A step that breaks off becomes a row too."""
    try:
        proof.whole()
        STEPS[name](proof)
    except (TimeoutError, RuntimeError, OSError, httpx.HTTPError) as error:
        proof.row(name, f"broke off: {type(error).__name__}", passed=False)


def _table(proof: Proof) -> str:
    lines = [
        f"{os.cpu_count()} cores for everything; a head, two CPU and two GPU nodes with declared resources; "
        f"{proof.per_s:g} requests/s, half new photos, half colours.",
        "",
        "| what | seen | |",
        "|---|---|---|",
        *(f"| {what} | {seen.replace('|', '/')} | {'pass' if ok else '**short**'} |" for what, seen, ok in proof.rows),
    ]
    return "\n".join(lines)


def _keep(table: str) -> None:
    before, rest = DOCUMENT.read_text().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    DOCUMENT.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
