"""Computes what a number of new photos per second needs and costs, and writes docs/results/sizing.md: `make sizing`."""

import math
import sys
from dataclasses import dataclass

from serve.local.plan import REPOSITORY
from tests.nodes.costs import BUSY, COSTS, GPU_FEED, Cost
from tests.test_capacity import MACHINES

DOCUMENT = REPOSITORY / "docs" / "results" / "sizing.md"
RATES = (5, 20, 50, 100, 200, 500, 1000)
CPU_NODE, GPU_NODE = "c7i.2xlarge", "g6.xlarge"
# Estimate: dollars an hour, on demand, without disks, traffic and stores. Put your own here.
PRICES = {CPU_NODE: 0.357, GPU_NODE: 0.805}
# A lost node must leave a replica of everything.
LEAST_NODES = 2


@dataclass(frozen=True, slots=True)
class Site:
    """What a rate needs. replicas: of each deployment."""

    replicas: dict[str, int]
    cpu_nodes: int
    gpu_nodes: int

    def dollars_a_million(self, per_s: float) -> float:
        """Dollars for a million new photos at this rate, the head node apart."""
        an_hour = self.cpu_nodes * PRICES[CPU_NODE] + self.gpu_nodes * PRICES[GPU_NODE]
        return an_hour / (per_s * 3600) * 1e6


def site(per_s: float, *, gpus: bool) -> Site:
    """The replicas and nodes for this many new photos per second, each kept BUSY."""
    costs = {**COSTS, "Segmentation": GPU_FEED} if gpus else COSTS
    replicas = {name: _count(per_s, cost.thread_ms) for name, cost in costs.items()}
    on_cpus = [cost for name, cost in costs.items() if not (gpus and name == "Segmentation")]
    cores = per_s * sum(cost.cpu_ms for cost in on_cpus) / 1000 / BUSY
    gpu_nodes = max(LEAST_NODES, replicas["Segmentation"]) if gpus else 0
    return Site(replicas, max(LEAST_NODES, math.ceil(cores / MACHINES[CPU_NODE][0])), gpu_nodes)


def _count(per_s: float, thread_ms: float) -> int:
    return math.ceil(per_s * thread_ms / 1000 / BUSY)


def document() -> str:
    """The page."""
    lines = [
        "# What you need, computed",
        "",
        "`make sizing` wrote this page from the costs in `tests/nodes/costs.py`. A test keeps it up to date.",
        "",
        "| deployment | CPU of a new photo, ms | its busiest thread, ms | |",
        "|---|---|---|---|",
        *(_cost_row(name, cost, "measured") for name, cost in COSTS.items()),
        _cost_row("Segmentation on a GPU", GPU_FEED, "estimate"),
        "",
        f"A replica and a core are planned {BUSY:.0%} busy. A CPU node is a {CPU_NODE} with"
        f" {MACHINES[CPU_NODE][0]} vCPUs, a GPU node a {GPU_NODE} with one GPU; there are {LEAST_NODES} of each at"
        " least, so that one may be lost. The head node comes on top.",
        "",
    ]
    for gpus, title in ((False, "CPUs alone"), (True, "With GPUs")):
        lines += [
            f"## {title}",
            f"| new photos/s | {' | '.join(COSTS)} | CPU nodes | GPU nodes | $ a million photos |",
            "|---" * (len(COSTS) + 4) + "|",
        ]
        for per_s in RATES:
            found = site(per_s, gpus=gpus)
            counts = " | ".join(str(found.replicas[name]) for name in COSTS)
            dollars = f"{found.dollars_a_million(per_s):.2f}"
            lines.append(f"| {per_s} | {counts} | {found.cpu_nodes} | {found.gpu_nodes} | {dollars} |")
        lines.append("")
    lines += [
        "With the shipped network a GPU costs more than it saves; a larger network turns that round.",
        "",
        "Estimates: the cost of a photo on a GPU node, which nobody has measured; that a vCPU of these machines is as"
        f" fast as the core of the measurement; and the prices, ${PRICES[CPU_NODE]} and ${PRICES[GPU_NODE]} an hour.",
    ]
    return "\n".join(lines) + "\n"


def _cost_row(name: str, cost: Cost, kind: str) -> str:
    return f"| {name} | {cost.cpu_ms:g} | {cost.thread_ms:g} | {kind} |"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
    print(document())
    sys.exit(0)
