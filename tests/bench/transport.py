"""Measures both transport profiles of Ray Serve: `make bench-transport` writes docs/results/transport.md.

Each profile runs the bare application of transport_app.py in a fresh process, on ports and folders of its own; this
process only asks. Needs about three minutes and a machine that does nothing else.
"""

import asyncio
import os
import sys
import time
from importlib.metadata import version

import psutil

from serve.local.plan import REPOSITORY
from tests.bench.transport_load import Measured, measure
from tests.bench.transport_profiles import FAST, PROFILES, STOCK, serving

DOCUMENT = REPOSITORY / "docs" / "results" / "transport.md"
MARKS = ("<!-- measured by make bench-transport -->", "<!-- end -->")
ALONE_S, TOGETHER_S, CLIENTS = 3.0, 4.0, 16
BODY = bytes(300_000)
CASES = {
    "echo": ("echo", b""),
    "1 hop": ("one_hop", b""),
    "3 hops in a row": ("three_hops", b""),
    "300 kB body": ("echo", BODY),
    "300 kB body, 1 hop": ("one_hop", BODY),
}
# For each case: the result of one client, and of many.
Results = dict[str, tuple[Measured, Measured]]


def main() -> None:
    """Measures, prints the table and puts it into the document."""
    results = {profile: _measure_profile(profile) for profile in PROFILES}
    table = _table(results)
    print(f"\n{table}")
    text = DOCUMENT.read_text()
    before, rest = text.split(MARKS[0])
    DOCUMENT.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")
    print(f"\nWritten to {DOCUMENT.relative_to(REPOSITORY)}")


def _measure_profile(profile: str) -> Results:
    print(f"{profile}: starting", flush=True)
    began_s = time.monotonic()
    with serving(profile, "tests.bench.transport_app:build") as url:
        took_s, busy = time.monotonic() - began_s, psutil.cpu_percent(interval=2.0)
        print(f"{profile}: ready after {took_s:.0f} s; with no request the machine is {busy:.0f} % busy", flush=True)
        return {case: _measure_case(profile, case, url) for case in CASES}


def _measure_case(profile: str, case: str, url: str) -> tuple[Measured, Measured]:
    path, body = CASES[case]
    alone = asyncio.run(measure(f"{url}/{path}", body, clients=1, for_s=ALONE_S))
    together = asyncio.run(measure(f"{url}/{path}", body, clients=CLIENTS, for_s=TOGETHER_S))
    print(f"{profile}: {case}: {alone.p50_ms:.1f} ms, {together.per_s:.0f}/s", flush=True)
    return alone, together


def _table(results: dict[str, Results]) -> str:
    lines = [
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, Ray {version('ray')}; "
        f"p50 at 1 client, requests/s at {CLIENTS} clients:",
        "",
        "| profile | " + " | ".join(CASES) + " |",
        "|---" * (len(CASES) + 1) + "|",
    ]
    for profile, cases in results.items():
        cells = (f"{alone.p50_ms:.1f} ms, {together.per_s:,.0f}/s" for alone, together in cases.values())
        lines.append(f"| {profile} | " + " | ".join(cells) + " |")
    ratios = []
    for case in CASES:
        (stock, stock_many), (fast, fast_many) = results[STOCK][case], results[FAST][case]
        ratios.append(f"{stock.p50_ms / fast.p50_ms:.1f} ×, {fast_many.per_s / stock_many.per_s:.1f} ×")
    return "\n".join([*lines, "| gain | " + " | ".join(ratios) + " |"])


if __name__ == "__main__":
    main()
