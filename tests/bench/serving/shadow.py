"""Proves that a shadow costs no latency, and writes docs/results/shadow.md: `make prove-shadow`.

A schedule sends new photos at a third of what the service can do, in turns without and with a shadow that compares
each of them: first with a second network that waits and needs no CPU, as if it ran elsewhere, then with a real one on
the same cores. The answers' times count from the moment at which each was due. It takes ten minutes, on a machine that
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
PER_S, STEP_S, TURNS = 5.0, 25.0, 3
# Taste: the first photos after a start and after a change are not measured.
WARM_UP_S = 6.0
BUILDS = {
    "elsewhere": "tests.bench.serving.remote_canary_app:build",
    "on the same cores": "serve.app:build",
}


def main() -> int:
    """Measures, prints the tables and writes the document; returns the exit code."""
    lines = [
        "# A shadow's cost, measured",
        "",
        f"`make prove-shadow` wrote this page on {os.cpu_count()} cores. {PER_S:g} new photos of 1 MP a second come on"
        f" a schedule, in {TURNS} turns of {STEP_S:g} s without and with a shadow of every photo. *Elsewhere* is a"
        " second network that takes its time and no CPU, as on another machine. *On the same cores* is the shipped"
        f" network under the name `{NEXT}`, with `SEGMENTATION_NICE: 19`.",
    ]
    with tempfile.TemporaryDirectory(prefix="shadow-") as name:
        photos = tinted(Path(name) / "photos", SIZE_PX, round(PER_S * (STEP_S + WARM_UP_S) * TURNS * 2 * 1.3))
        for title, build in BUILDS.items():
            lines += ["", f"## The second network {title}", *_measured(Path(name) / title, photos, build)]
    DOCUMENT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


def _measured(folder: Path, photos: Path, build: str) -> list[str]:
    folder.mkdir()
    shots: dict[float, list[Shot]] = {0.0: [], 1.0: []}
    second = SecondNetwork(folder, share=0.0, mode="shadow", build=build)
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
            print(f"{build}, share {share:g}: {_row(found)}", flush=True)
        return [
            "| shadow | photos | p50, ms | p95, ms | p99, ms | not whole |",
            "|---|---|---|---|---|---|",
            *(
                f"| {'every photo' if share else 'none'} | {len(found)} | {_row(found)} |"
                for share, found in shots.items()
            ),
            "",
            _told(second),
        ]
    finally:
        second.stop(interrupt_alone)


def _told(second: SecondNetwork) -> str:
    """What the metrics say of the comparisons."""

    def mean(name: str, **labels: str) -> float:
        return second.total(f"{name}_sum", **labels) / max(1.0, second.total(f"{name}_count", **labels))

    compared = second.total("shadow_label_agreement_count")
    # The stand-in finds no garment that the main network finds.
    same = second.total("shadow_palette_de00_count")
    colors = f" main colours differ by ΔE00 {mean('shadow_palette_de00'):.1f};" if same else ""
    return (
        f"{compared:.0f} photos were compared. From the metrics, means: the networks agree on"
        f" {mean('shadow_label_agreement'):.1%} of the pixels;{colors} the main network took"
        f" {mean('shadow_seconds', role='main') * 1e3:.0f} ms, the second"
        f" {mean('shadow_seconds', role='canary') * 1e3:.0f} ms."
    )


def _row(shots: Sequence[Shot]) -> str:
    took_ms = [shot.took_s * 1e3 for shot in shots]
    cells = [f"{percentile(took_ms, share):.0f}" for share in (50, 95, 99)]
    return " | ".join([*cells, str(sum(not shot.good for shot in shots))])


if __name__ == "__main__":
    sys.exit(main())
