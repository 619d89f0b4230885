"""Proves that a shadow costs no latency, and writes docs/results/shadow.md: `make prove-shadow`.

A schedule sends new photos at a third of what the service can do, in turns without and with a shadow that compares each
of them. The answers' times count from the moment at which each was due. It takes about five minutes, on a machine that
does nothing else.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from serve.local.plan import REPOSITORY
from tests.bench.serving.photos import tinted
from tests.cluster.application import interrupt_alone, wait_until
from tests.cluster.second_network import NEXT, SecondNetwork
from tests.reliability.kit import percentile
from tests.reliability.load import Plan, Shot, start

DOCUMENT = REPOSITORY / "docs" / "results" / "shadow.md"
SIZE_PX = (896, 1120)
# Taste: a third of the capacity, as on a service with room to spare; and enough photos for a stable 95th percentile.
PER_S, STEP_S, TURNS = 5.0, 30.0, 4
# Taste: the first photos after a start and after a change are not measured.
WARM_UP_S = 6.0
METRICS = {
    "shadow_label_agreement": "pixels on which the two agree, mean",
    "shadow_palette_de00": "ΔE00 of a garment's main colour, mean",
}


def main() -> int:
    """Measures, prints the table and writes the document; returns the exit code."""
    shots: dict[float, list[Shot]] = {0.0: [], 1.0: []}
    with tempfile.TemporaryDirectory(prefix="shadow-") as name:
        folder = Path(name)
        photos = tinted(folder / "photos", SIZE_PX, round(PER_S * (STEP_S + WARM_UP_S) * TURNS * 2 * 1.3))
        second = SecondNetwork(folder, share=0.0, mode="shadow")
        first = 0
        try:
            wait_until(lambda: second.total("canary_ready") == 1)
            for turn in range(2 * TURNS):
                share = float(turn % 2)
                second.put(share, "shadow")
                for seconds in (WARM_UP_S, STEP_S):
                    plan = Plan(
                        port=int(second.application.launch.port), key=second.application.key, for_s=seconds,
                        per_s=PER_S, seed=turn // 2, photo=str(photos), first=first,
                    )  # fmt: skip
                    found = start(plan).shots()
                    first += len(found)
                shots[share] += found
                print(f"share {share:g}: {_row(found)}", flush=True)
            lines = _lines(shots, second)
        finally:
            second.stop(interrupt_alone)
    DOCUMENT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def _lines(shots: dict[float, list[Shot]], second: SecondNetwork) -> list[str]:
    compared = int(second.total("shadow_label_agreement_count"))
    means = {
        text: second.total(f"{name}_sum") / max(1.0, second.total(f"{name}_count")) for name, text in METRICS.items()
    }
    seconds = {
        role: second.total("shadow_seconds_sum", role=role) / max(1.0, second.total("shadow_seconds_count", role=role))
        for role in ("main", "canary")
    }
    return [
        "# A shadow's cost, measured",
        "",
        f"`make prove-shadow` wrote this page on {os.cpu_count()} cores. {PER_S:g} new photos of 1 MP a second come on"
        f" a schedule, in {TURNS} turns of {STEP_S:g} s without and with a shadow of every photo. The shadow is the"
        f" same network under the name `{NEXT}`.",
        "",
        "| shadow | photos | p50, ms | p95, ms | p99, ms | not whole |",
        "|---|---|---|---|---|---|",
        *(f"| {'every photo' if share else 'none'} | {len(found)} | {_row(found)} |" for share, found in shots.items()),
        "",
        f"{compared} photos were compared. From the metrics: "
        + "; ".join(f"{text} {value:.3g}" for text, value in means.items())
        + f"; mean time of the main network {seconds['main'] * 1e3:.0f} ms,"
        f" of the second {seconds['canary'] * 1e3:.0f} ms.",
    ]


def _row(shots: Sequence[Shot]) -> str:
    took_ms = [shot.took_s * 1e3 for shot in shots]
    cells = [f"{percentile(took_ms, share):.0f}" for share in (50, 95, 99)]
    return " | ".join([*cells, str(sum(not shot.good for shot in shots))])


if __name__ == "__main__":
    sys.exit(main())
