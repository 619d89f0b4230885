"""Measures what a low-priority backfill costs the service on the same cluster: p99 at 0.3 of capacity."""

import re
import tempfile
from pathlib import Path

from serve.local.plan import ray_environment
from tests.bench.backfill_runs import family, start
from tests.reliability import layouts
from tests.reliability.cluster import Cluster, wait_until
from tests.reliability.kit import Kit, p99_ms, percentile, tally
from tests.reliability.load import Shot

SHARE, FOR_S = 0.3, 60.0
LOW_PRIORITY = ("--workers", "1", "--cpus-per-worker", "0.25", "--nice", "19")


def beside(source: Path) -> None:
    """Prints p50 and p99 before, during and after a backfill, and the ratio of the p99s."""
    kit = Kit()
    try:
        at = kit.cluster(layouts.layout())
        rate = kit.part_of_capacity(at, SHARE)
        alone = [kit.load(at, for_s=FOR_S, per_s=rate, seed=1)]
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            run = start(["--input", str(source), "--output", f"{folder}/out", *LOW_PRIORITY], _environment(at))
            wait_until(lambda: run.rows > 0 or run.process.poll() is not None)
            before = run.rows
            company = kit.load(at, for_s=FOR_S, per_s=rate, seed=2)
            assert run.process.poll() is None, run.text
            done = run.rows - before
            run.process.terminate()
            run.process.wait()
        alone.append(kit.load(at, for_s=FOR_S, per_s=rate, seed=3))
    finally:
        kit.fresh()
    for name, shots in (("alone", alone[0]), ("beside", company), ("alone", alone[1])):
        print(f"{name:7} {_described(shots)}")
    p99 = (p99_ms(alone[0]) + p99_ms(alone[1])) / 2
    print(f"p99 beside a backfill that did {done / FOR_S:.1f} images/s: {p99_ms(company) / p99:.2f} × alone")


def _described(shots: list[Shot]) -> str:
    p50 = percentile([shot.took_s * 1000 for shot in shots if shot.status == 200], 50)
    return f"p50 {p50:.0f} ms, p99 {p99_ms(shots):.0f} ms; {tally(shots)}"


def _environment(at: Cluster) -> dict[str, str]:
    """The environment with which a driver joins the kit's Ray."""
    lines = (" ".join(process.cmdline()) for process in family(at.process.pid))
    (address, *_) = (found[1] for line in lines if (found := re.search(r"--gcs-address=(\S+)", line)))
    return {**ray_environment(at.folder), "RAY_ADDRESS": address}
