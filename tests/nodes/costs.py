"""What one new photo costs each deployment: the base of the sizes, of the autoscaling targets and of their proof.

The costs are measured on one core (docs/performance.md), except those of a GPU, which are estimates.
"""

from dataclasses import dataclass

# The share of its busiest thread at which a replica still answers without a long queue.
BUSY = 0.65


@dataclass(frozen=True, slots=True)
class Cost:
    """What one new photo costs a deployment: all its CPU time, and that of its busiest thread, ms."""

    cpu_ms: float
    thread_ms: float


# Segmentation by OpenVINO takes 16 ms alone and 20 to 28 among the others. Decoding takes 5 of Advice's 20 ms.
COSTS = {"Advice": Cost(20, 15), "Segmentation": Cost(28, 28), "Extraction": Cost(32, 32), "Harmony": Cost(11, 11)}
# Estimate: how long a new photo takes in all when its replicas are BUSY, s.
LATENCY_S = 0.14
# Estimate: one Python process feeds a GPU at 300 photos a second.
GPU_FEED = Cost(3.3, 3.3)
# Estimate: the least time of a batch on a GPU, ms.
GPU_BATCH_MS = 30.0
