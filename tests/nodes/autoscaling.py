"""Proves that the shipped targets scale: `python -m tests.nodes.autoscaling`; `make prove-autoscaling`.

A head, CPU and GPU nodes with declared resources run serve.cluster.yaml as it is shipped, with stand-ins of known cost
(tests/nodes/slow_app.py). An open-loop load doubles, beyond what the least replicas can do, and goes back. The command
writes docs/results/autoscaling.md and its chart.
"""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial

import httpx
import ray
import yaml

from serve.local.plan import REPOSITORY
from serve.settings import Budgets
from tests.nodes.autoscaling_report import Sample, Step, write
from tests.nodes.costs import COSTS
from tests.nodes.machines import Config, Site, deployments_of, site, wait_until
from tests.nodes.slow_app import STRETCH
from tests.reliability import load

NAMES = ("Advice", "Segmentation", "Extraction", "Harmony")
# What rayservice.yaml asks for a pod of each group. Enough nodes for the last step; a cloud would start them meanwhile.
CPU_NODES, CPUS_OF_A_CPU_NODE = 5, 7
GPU_NODES, CPUS_OF_A_GPU_NODE = 2, 3
# Shares of the most that the least replicas can do, and for how long, s.
SHARES = ((0.6, 60.0), (1.2, 150.0), (0.6, 210.0))
DOUBLED_AGAIN = ((0.6, 60.0), (1.2, 150.0), (2.4, 180.0), (0.6, 240.0))
# Taste: the shipped 300 and 600 s would only make the last step longer. With 30 s, replicas left during the overload.
DOWNSCALE_DELAY_S = 120.0
# Contract: twice the load adds a replica within this time.
WITHIN_S = 60.0
SAMPLE_S = 1.0
RAW = REPOSITORY / "out" / "autoscaling.json"


@dataclass(slots=True)
class Watch:
    """Samples of the wanted and running replicas, s after the first step began."""

    at: Site
    samples: list[Sample] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def until(self, end_s: float) -> None:
        """Samples until so many seconds after the beginning."""
        while (now_s := time.monotonic() - self.began_s) < end_s:
            if found := self.at.deployments():
                self.samples.append(Sample(now_s, _wanted(found), _running(found)))
            time.sleep(SAMPLE_S)


def _wanted(found: dict[str, dict[str, int]]) -> dict[str, int]:
    return {name: found[name]["target_num_replicas"] for name in NAMES}


def _running(found: dict[str, dict[str, list[dict[str, str]]]]) -> dict[str, int]:
    return {name: sum(one["state"] == "RUNNING" for one in found[name]["replicas"]) for name in NAMES}


def stretched(port: int) -> Config:
    """serve.cluster.yaml with stand-ins and stretched budgets. Of the scaling only the delay to go down is changed."""
    config: Config = yaml.safe_load((REPOSITORY / "configs/serve.cluster.yaml").read_text())
    config["http_options"] = {"host": "127.0.0.1", "port": port}
    (application,) = config["applications"]
    application["import_path"] = "tests.nodes.slow_app:build"
    application["args"]["decode_workers"] = 1
    for deployment in application["deployments"]:
        deployment["autoscaling_config"] = {
            **deployment["autoscaling_config"],
            "downscale_delay_s": DOWNSCALE_DELAY_S,
        }
    advice = deployments_of(config)["Advice"]["user_config"]
    advice["budgets"] = {name: STRETCH * ms for name, ms in Budgets(**advice["budgets"]).model_dump().items()}
    return config


def most_per_s(config: Config) -> float:
    """The photos a second, at full speed, that the least replicas can do with every thread always busy."""
    return min(
        int(section["autoscaling_config"]["min_replicas"]) * 1000 / COSTS[name].thread_ms
        for name, section in deployments_of(config).items()
        if name != "Segmentation"
    )


def prove(at: Site, config: Config, shares: Sequence[tuple[float, float]]) -> tuple[list[Step], list[Sample]]:
    """Runs the steps. Gives them with their answers, and the samples."""
    port = at.machines["head"].proxy_port
    capacity = most_per_s(config)
    give_up_s = Budgets(**deployments_of(config)["Advice"]["user_config"]["budgets"]).total_ms / 1000
    watch, steps = Watch(at), list[Step]()
    running: list[tuple[float, float, load.Load]] = []
    for number, (share, for_s) in enumerate(shares):
        per_s = share * capacity / STRETCH
        since_s = time.monotonic() - watch.began_s
        plan = load.Plan(port, at.key, for_s, per_s, {"new": 1.0}, seed=40 + number, give_up_s=give_up_s)
        running.append((since_s, share, load.start(plan)))
        _say(f"{share} of {capacity:.0f} photos/s: {per_s:.1f} stretched photos/s for {for_s:.0f} s")
        watch.until(since_s + for_s)
    for (since_s, share, loaded), (_, for_s) in zip(running, shares, strict=True):
        steps.append(Step(since_s, for_s, share, share * capacity, tuple(loaded.shots())))
    return steps, watch.samples


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _starts(at: Site) -> None:
    for number in range(CPU_NODES):
        at.start(f"cpu-{number + 1}", cpus=CPUS_OF_A_CPU_NODE)
    for number in range(GPU_NODES):
        at.start(f"gpu-{number + 1}", cpus=CPUS_OF_A_GPU_NODE, gpus=1)


def _answers(at: Site) -> bool:
    """Whether a photo gets a whole answer by the head's HAProxy."""
    port = at.machines["head"].proxy_port
    with suppress(httpx.HTTPError, OSError):
        return load.once(load.Plan(port, at.key, 1.0, give_up_s=30.0), 1)[0].good
    return False


def main(arguments: list[str]) -> int:
    """Runs the proof. The exit status is 1 when a doubled load adds no replica in time, or none leaves again."""
    parser = argparse.ArgumentParser(prog="tests.nodes.autoscaling", description=__doc__)
    parser.add_argument("--again", action="store_true", help="double once more, and write no document")
    given = parser.parse_args(arguments)
    # An exit by exception ends the nodes too. 143 is 128 + SIGTERM, as in shells.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with site() as at:
        _starts(at)
        config = stretched(at.machines["head"].proxy_port)
        at.deploy(config)
        wait_until(lambda: at.runs() and at.is_ready())
        wait_until(partial(_answers, at))
        _say(f"{len(at.nodes())} nodes; {_running(at.deployments())}")
        steps, samples = prove(at, config, DOUBLED_AGAIN if given.again else SHARES)
    RAW.parent.mkdir(exist_ok=True)
    RAW.write_text(json.dumps({"steps": [asdict(one) for one in steps], "samples": [asdict(one) for one in samples]}))
    report = write(steps, samples, within_s=WITHIN_S, machine=_machine(), keep=not given.again)
    print(report.text)
    return int(not report.passed)


def _machine() -> str:
    """What ran where, and what was not as shipped."""
    costs = ", ".join(f"{name} {cost.thread_ms:g} ms" for name, cost in COSTS.items() if name != "Segmentation")
    return (
        f"{os.cpu_count()} real cores for everything; a head, {CPU_NODES} CPU nodes of {CPUS_OF_A_CPU_NODE} declared "
        f"cores and {GPU_NODES} GPU nodes of {CPUS_OF_A_GPU_NODE} and one GPU; Python {platform.python_version()}, Ray "
        f"{ray.__version__}. A photo costs one thread of each replica: {costs}; Segmentation costs what "
        f"tests/nodes/costs.py estimates for a GPU. All times are {STRETCH:g} × as long. The downscale delay is "
        f"{DOWNSCALE_DELAY_S:g} s instead of 300 and 600; every other value of the scaling is the shipped one."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
