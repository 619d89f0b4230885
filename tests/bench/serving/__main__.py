"""Measures the service beside its floors and its peers, and writes docs/results/performance.md: `make bench`.

Every system runs alone on the machine, serves the same photos, no two of one colour, and is driven by the same loads:
one client; four and eight clients without pause, of which the better counts; and a schedule at 0.8 of that. It takes
about a quarter of an hour, on a machine that does nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import count, cycle, repeat
from pathlib import Path
from typing import Any

import httpx
import psutil

from models import processor
from serve.local.plan import REPOSITORY
from tests.bench.serving.functions import Functions
from tests.bench.serving.photos import tinted
from tests.bench.serving.systems import GRAPH, OURS, PEER_NAMES, PHOTOS_ONLY, System, running
from tests.reliability.load import Plan, Shot, once, start
from tests.reliability.messages import marked

DOCUMENT = REPOSITORY / "docs" / "results" / "performance.md"
SIZES_PX = {"1 MP": (896, 1120), "12 MP": (3096, 3872)}
# Taste: more tints of the sample than a system gets photos, so that no cache knows the colours of one.
TINTS = {"1 MP": 1000, "12 MP": 40}
# Taste: enough for a stable median, and for a 99th percentile that is one of the slowest answers.
PHOTOS_ALONE, LARGE_ALONE, COLORS_ALONE, WARM_UP = 100, 30, 200, 25
# Taste: two and four a core. The more clients, the longer they queue, and a service with a budget refuses those.
CLIENTS = (4, 8)
# What decides the speed of the network on a processor, the fastest first.
BEST_SETS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
# Where each load begins among the tints: further on than the one before it goes.
_FIRST = count(step=401)
LOAD_S = 15.0
# Contract: the targets, as factors of the floors.
TRANSPORT_FACTOR, CPU_FACTOR, RATE_FACTOR, COLORS_MS, CACHED_FACTOR, MEMORY_GIB = 1.25, 1.15, 0.9, 1.5, 1.25, 2.0


@dataclass(slots=True)
class Row:
    """What was measured of one system. Times in ms; None: the system does not do that."""

    name: str
    ready_s: float | None = None
    memory_mib: float | None = None
    photo_p50: float | None = None
    photo_p99: float | None = None
    large_p50: float | None = None
    cached_p50: float | None = None
    colors_p50: float | None = None
    clients: int | None = None
    photos_per_s: float = 0.0
    photo_cpu_ms: float | None = None
    loaded_p99: float | None = None
    notes: list[str] = field(default_factory=list)


def main() -> int:
    """Measures, prints the tables and writes the document; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=(OURS, GRAPH, *PEER_NAMES), help="these systems alone")
    parser.add_argument("--bare", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(json.dumps(_bare(*options.bare)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        photos = {name: tinted(Path(folder) / name, size, TINTS[name]) for name, size in SIZES_PX.items()}
        rows = [_bare_row(photos)]
        for name in options.only or (GRAPH, OURS, *PEER_NAMES):
            print(f"{name}: starting", flush=True)
            with running(name, threads=1) as system:
                rows.append(_measured(system, photos))
            print(json.dumps({key: getattr(rows[-1], key) for key in Row.__slots__}), flush=True)
    text = _document(rows)
    print(text)
    if not options.only:
        DOCUMENT.write_text(text)
        print(f"Written to {DOCUMENT.relative_to(REPOSITORY)}")
    return 0


# --- the floor of compute -------------------------------------------------------------------------------------
def _bare(photo: Path, large: Path) -> dict[str, Any]:
    """The functions in this process, without a service: their fastest times."""
    found: dict[str, Any] = {}
    for threads in (2, 1):
        functions = Functions(threads=threads)
        for name, work, times in (
            ("photo", _each(functions.photo, photo), PHOTOS_ALONE),
            ("large", _each(functions.photo, large), LARGE_ALONE),
            ("colors", repeat(partial(functions.colors, ["#1f2a44", "#c19a6b"])), COLORS_ALONE),
        ):
            for _ in range(5):
                next(work)()
            took, cpu_s = [], time.process_time()
            for _ in range(times):
                one = next(work)
                since = time.perf_counter()
                one()
                took.append((time.perf_counter() - since) * 1e3)
            found[f"{name} {threads}"] = {
                "p50": statistics.median(took),
                "cpu": (time.process_time() - cpu_s) / times * 1e3,
            }
    found["memory"] = psutil.Process().memory_full_info().pss / 2**20
    return found


def _each(work: Callable[[bytes], bytes], folder: Path) -> Iterator[Callable[[], bytes]]:
    """The work on each photo of the folder in turn, without end."""
    return (partial(work, path.read_bytes()) for path in cycle(sorted(folder.glob("*.jpg"))))


def _bare_row(photos: dict[str, Path]) -> Row:
    print("bare functions", flush=True)
    asked = [sys.executable, "-m", "tests.bench.serving", "--bare", *map(str, photos.values())]
    done = subprocess.run(asked, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    found = json.loads(done.stdout)
    cpu_ms = found["photo 1"]["cpu"]
    return Row(
        "bare functions, one process",
        memory_mib=found["memory"],
        photo_p50=found["photo 2"]["p50"],
        large_p50=found["large 2"]["p50"],
        colors_p50=found["colors 2"]["p50"],
        photos_per_s=(os.cpu_count() or 1) * 1000 / cpu_ms,
        photo_cpu_ms=cpu_ms,
    )


# --- one system -----------------------------------------------------------------------------------------------
def _measured(system: System, photos: dict[str, Path]) -> Row:
    row = Row(system.name, ready_s=system.ready_s)
    _warm(system, photos["1 MP"])
    if system.name != GRAPH:
        row.notes += _differences(system, photos["1 MP"])
    row.photo_p50, row.photo_p99 = _alone(system, {"new": 1.0}, PHOTOS_ALONE, photos["1 MP"])
    row.large_p50, _ = _alone(system, {"new": 1.0}, LARGE_ALONE, photos["12 MP"])
    if system.name not in PHOTOS_ONLY:
        row.colors_p50, _ = _alone(system, {"colors": 1.0}, COLORS_ALONE, photos["1 MP"])
    if system.name in (OURS, GRAPH):
        row.cached_p50, _ = _alone(system, {"same": 1.0}, COLORS_ALONE, photos["1 MP"])
    row.memory_mib = system.memory_bytes() / 2**20
    shots = _without_pause(system, photos["1 MP"], row)
    loaded = _load(system, photos["1 MP"], per_s=0.8 * row.photos_per_s)
    row.loaded_p99 = _percentile([shot.took_s * 1e3 for shot in loaded], 0.99)
    for what, some in ((f"{row.clients} clients without pause", shots), ("at 0.8", loaded)):
        bad = [shot for shot in some if not shot.good]
        if bad:
            row.notes.append(f"{what}: {len(bad)} of {len(some)} answers refused or degraded")
    return row


def _without_pause(system: System, photo: Path, row: Row) -> list[Shot]:
    """Fills in photos/s, CPU and clients of the load that gives the most photos/s; returns that load's answers."""
    best: list[Shot] = []
    for clients in CLIENTS:
        before_s = system.cpu_s()
        shots = _load(system, photo, clients=clients)
        good = sum(shot.good for shot in shots)
        if good > LOAD_S * row.photos_per_s:
            best, row.clients, row.photos_per_s = shots, clients, good / LOAD_S
            row.photo_cpu_ms = (system.cpu_s() - before_s) * 1000 / good
    return best


def _plan(system: System, photo: Path, **what: Any) -> Plan:
    return Plan(port=system.port, key=system.key, photo=str(photo), first=next(_FIRST), **{"for_s": LOAD_S, **what})


def _warm(system: System, photo: Path) -> None:
    """Lets every worker of a system open what it opens at its first photo."""
    start(_plan(system, photo, for_s=5.0, clients=4)).shots()
    once(_plan(system, photo), WARM_UP)


def _alone(system: System, kinds: dict[str, float], times: int, photo: Path) -> tuple[float, float]:
    """The median and the 99th percentile, ms, of one client. Raises RuntimeError for an answer other than 200."""
    once(_plan(system, photo, kinds=kinds), 3)
    shots = _seconds_each(system, photo, kinds, times)
    bad = [shot for shot in shots if not shot.good]
    if bad:
        raise RuntimeError(f"{system.name}: {bad[0]}")
    took = [shot.took_s * 1e3 for shot in shots]
    return statistics.median(took), _percentile(took, 0.99)


def _seconds_each(system: System, photo: Path, kinds: dict[str, float], times: int) -> list[Shot]:
    """The requests one by one, each timed from its own start."""
    return once(_plan(system, photo, kinds=kinds), times)


def _load(system: System, photo: Path, **how: Any) -> list[Shot]:
    return start(_plan(system, photo, **how)).shots()


def _differences(system: System, photo: Path) -> list[str]:
    """What of a system's answer differs from the functions' own, which must be nothing."""
    data = marked(next(photo.glob("*.jpg")).read_bytes(), "equal")
    expected = json.loads(Functions(threads=2).photo(data))
    answer = httpx.post(
        f"http://127.0.0.1:{system.port}/v1/advice",
        files={"image": ("photo.jpg", data, "image/jpeg")},
        headers={"X-API-Key": system.key},
        timeout=60,
        trust_env=False,
    ).json()
    differing = sorted(name for name in expected if answer.get(name) != expected[name])
    return [f"its answer differs in {', '.join(differing)}"] if differing else []


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


# --- the document ---------------------------------------------------------------------------------------------
COLUMNS = {
    "ready_s": ("ready, s", 1),
    "memory_mib": ("memory, MiB", 0),
    "photo_p50": ("new photo, 1 MP: p50, ms", 1),
    "photo_p99": ("p99", 1),
    "large_p50": ("12 MP: p50, ms", 1),
    "cached_p50": ("cached photo: p50, ms", 2),
    "colors_p50": ("colours: p50, ms", 2),
    "photos_per_s": ("photos/s", 1),
    "clients": ("with clients", 0),
    "photo_cpu_ms": ("CPU-ms a photo", 1),
    "loaded_p99": ("p99 at 0.8, ms", 0),
}


def _document(rows: Sequence[Row]) -> str:
    lines = [
        "# Speed, measured side by side",
        "",
        "`make bench` wrote this page. [performance.md](../performance.md) says what the rows mean.",
        "",
        f"{os.cpu_count()} cores of {_processor()}, Python {sys.version.split()[0]}, Ray {version('ray')}, OpenVINO "
        f"{version('openvino')}.",
        "",
        "| system | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for row in rows:
        cells = [_cell(getattr(row, name), digits) for name, (_, digits) in COLUMNS.items()]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    notes = [f"- {row.name}: {note}." for row in rows for note in row.notes]
    lines += ["", *notes] if notes else []
    return "\n".join([*lines, *_targets({row.name: row for row in rows})]) + "\n"


def _cell(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _targets(rows: dict[str, Row]) -> list[str]:
    """The service beside its targets; none where a floor was not measured."""
    bare, graph, ours = rows.get("bare functions, one process"), rows.get(GRAPH), rows.get(OURS)
    if bare is None or graph is None or ours is None:
        return []
    cpu = _known(bare.photo_cpu_ms) + _known(graph.photo_cpu_ms)
    possible = (os.cpu_count() or 1) * 1000 / cpu
    found = [
        (
            "new photo, p50, ms",
            ours.photo_p50,
            "≤",
            _known(bare.photo_p50) + TRANSPORT_FACTOR * _known(graph.photo_p50),
        ),
        ("CPU-ms a photo", ours.photo_cpu_ms, "≤", CPU_FACTOR * cpu),
        ("photos/s", ours.photos_per_s, "≥", RATE_FACTOR * possible),
        ("colours, p50, ms", ours.colors_p50, "≤", _known(graph.colors_p50) + COLORS_MS),
        ("cached photo, p50, ms", ours.cached_p50, "≤", CACHED_FACTOR * _known(graph.cached_p50)),
        ("memory, GiB", _known(ours.memory_mib) / 1024, "≤", MEMORY_GIB),
    ]
    for name in PEER_NAMES:
        if name in rows:
            found.append(
                (f"photos/s beside {name}", _known(ours.photos_per_s) / _known(rows[name].photos_per_s), "≥", 0.85)
            )
    lines = ["", "| target | measured | wanted | |", "|---|---|---|---|"]
    for what, value, sign, wanted in found:
        met = _known(value) <= wanted if sign == "≤" else _known(value) >= wanted
        lines.append(f"| {what} | {_known(value):.2f} | {sign} {wanted:.2f} | {'met' if met else 'short'} |")
    return lines


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _processor() -> str:
    best = next((one for one in BEST_SETS if one in processor.instruction_sets()), "")
    return f"{processor.name()} with {best}" if best else processor.name()


if __name__ == "__main__":
    sys.exit(main())
