"""Measures how the service grows, and writes docs/results/growth.md: `make bench-growth`.

Each table changes one thing: the photo's size, its garments, the wardrobe, the clients, the replicas, or the entries of
the cache. It takes about five minutes, on a machine that does nothing else.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import redis
import yaml

from pipeline.harmony.harmonise import harmonise
from pipeline.image.decode import decode_image
from pipeline.options import Options
from pipeline.palette.extraction import extract
from pipeline.types import CLASSES, GARMENT_CLASSES
from serve.local import stores
from serve.local.plan import DEFAULT_CONFIG, REPOSITORY
from tests.bench.serving.photos import SAMPLE, tinted
from tests.bench.serving.systems import OURS, System, running
from tests.reliability.kit import percentile
from tests.reliability.load import Plan, Shot, once, start

DOCUMENT = REPOSITORY / "docs" / "results" / "growth.md"
MEGAPIXELS = (0.3, 1, 3, 12, 24)
CLIENTS = (1, 2, 4, 8, 16, 32)
REPLICAS = (1, 2, 4, 8)
WARDROBES = (0, 10, 50, 200, 500)
ENTRIES = (0, 10_000, 100_000)
SIZE_PX, TINTS = (896, 1120), 1000
# Taste: enough for a stable median.
PHOTOS, TIMES, LOAD_S = 25, 100, 8.0
# An entry of the cache that fills it: about an answer's size.
ENTRY_BYTES = 4_000


def main() -> int:
    """Measures, prints the tables and writes the document; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        cache = stores.start_cache(folder)
        os.environ["REDIS_URL"] = cache.url
        try:
            tables = [_garments()]
            with running(OURS, threads=1) as system:
                tables += [
                    _sizes(system, folder),
                    _wardrobes(system),
                    _clients(system, folder),
                    _entries(system, cache.url),
                ]
            tables.append(_replicas(folder))
        finally:
            stores.stop(cache)
    text = "\n".join(["# How the service grows, measured", "", _preface(), *chain(*tables)])
    print(text)
    DOCUMENT.write_text(text + "\n")
    print(f"Written to {DOCUMENT.relative_to(REPOSITORY)}")
    return 0


def _preface() -> str:
    return (
        f"`make bench-growth` wrote this page on {os.cpu_count()} cores. A table changes one thing. Times are medians"
        " of one client unless a table says otherwise. [Performance](../performance.md) draws the conclusions."
    )


def _table(title: str, head: str, rows: Sequence[str]) -> list[str]:
    return ["", f"## {title}", head, "|---" * head.count(" | ") + "|---|", *rows]


# --- one thing at a time --------------------------------------------------------------------------------------
def _garments() -> list[str]:
    """The functions alone, on a photo that is cut into bands of different garments."""
    # Without skin the bands would count as one article on a product photo.
    image, options = decode_image(SAMPLE.read_bytes()), Options(subject="worn")
    height_px, width_px = image.pixels.shape[:2]
    rows = []
    for count in range(1, len(GARMENT_CLASSES) + 1):
        band = np.minimum(np.arange(height_px) * count // height_px, count - 1)
        labels = np.array([CLASSES.index(name) for name in GARMENT_CLASSES], np.uint8)[band]
        labels = np.ascontiguousarray(np.broadcast_to(labels[:, None], (height_px, width_px)))
        took: list[tuple[float, float]] = []
        for _ in range(PHOTOS):
            began_s = time.perf_counter()
            found = extract(image.pixels, labels, None, options)
            between_s = time.perf_counter()
            harmonise(found.garments, options)
            took.append((between_s - began_s, time.perf_counter() - between_s))
        ms = [statistics.median(values) * 1e3 for values in zip(*took, strict=True)]
        rows.append(f"| {len(found.garments)} | {ms[0]:.1f} | {ms[1]:.1f} |")
    return _table("Garments of a photo, in one process", "| garments | extraction, ms | harmony, ms |", rows)


def _sizes(system: System, folder: Path) -> list[str]:
    rows = []
    for megapixels in MEGAPIXELS:
        height_px = round((megapixels * 1.25e6) ** 0.5)
        photos = tinted(folder / f"{megapixels}", (round(0.8 * height_px), height_px), PHOTOS + 5)
        once(_plan(system, photo=str(photos)), 5)
        shots = once(_plan(system, photo=str(photos), first=5), PHOTOS)
        size_mb = statistics.mean(path.stat().st_size for path in photos.glob("*.jpg")) / 1e6
        rows.append(f"| {megapixels:g} | {size_mb:.1f} | {_p50(shots):.0f} |")
    return _table("Size of a photo", "| megapixels | MB | new photo, ms |", rows)


def _wardrobes(system: System) -> list[str]:
    rows = []
    with _client(system) as client:
        for count in WARDROBES:
            owned = [{"id": f"w{k}", "hex": _color(k * 7919), "category": "top"} for k in range(count)]
            options = {"cache": "bypass", **({"wardrobe": owned} if owned else {})}
            took = []
            for k in range(TIMES):
                began_s = time.perf_counter()
                client.post("/v1/advice", json={"colors": [_color(k)], "options": options}).raise_for_status()
                took.append((time.perf_counter() - began_s) * 1e3)
            rows.append(f"| {count} | {statistics.median(took):.1f} |")
    return _table("Colours of a wardrobe", "| colours | advice for one colour, ms |", rows)


def _color(number: int) -> str:
    """A colour for each number, spread over all of sRGB by Knuth's multiplicative hash."""
    return f"#{number * 2_654_435_761 % (1 << 24):06x}"


def _clients(system: System, folder: Path) -> list[str]:
    photos = tinted(folder / "load", SIZE_PX, TINTS)
    measured = []
    for number, clients in enumerate(CLIENTS):
        shots = start(_plan(system, photo=str(photos), first=150 * number, clients=clients, for_s=LOAD_S)).shots()
        good = _whole(shots)
        over_s = max(shot.due_s + shot.took_s for shot in shots)
        measured.append((clients, len(good) / over_s, _p50(good), _p99(good), 1 - len(good) / len(shots)))
    most_per_s, least_ms = max(row[1] for row in measured), measured[0][2]
    rows = [
        f"| {clients} | {per_s:.1f} | {p50:.0f} | {max(least_ms, clients / most_per_s * 1e3):.0f} | {p99:.0f}"
        f" | {refused:.1%} |"
        for clients, per_s, p50, p99, refused in measured
    ]
    head = "| clients | photos/s | p50, ms | p50 by the model, ms | p99, ms | refused or degraded |"
    lines = _table("Clients that wait for their answers, new photos", head, rows)
    return [
        *lines,
        "",
        "The model: an answer takes as long as alone, or clients ÷ the most photos/s, whichever is more.",
    ]


def _entries(system: System, url: str) -> list[str]:
    rows, held = [], 0
    with redis.Redis.from_url(url) as store:
        for count in ENTRIES:
            for first in range(held, count, 1000):
                with store.pipeline(transaction=False) as pipe:
                    for k in range(first, min(first + 1000, count)):
                        pipe.set(f"advice:filler{k}", os.urandom(ENTRY_BYTES), ex=3600)
                    pipe.execute()
            held = count
            once(_plan(system, kinds={"same": 1.0}), 5)
            p50 = _p50(once(_plan(system, kinds={"same": 1.0}), TIMES))
            memory: dict[str, Any] = store.info("memory")
            rows.append(f"| {int(store.dbsize()):,} | {int(memory['used_memory']) / 2**20:.0f} | {p50:.2f} |")
    return _table("Entries of the cache", "| entries | MiB | cached photo, ms |", rows)


def _replicas(folder: Path) -> list[str]:
    rows = []
    for count in REPLICAS:
        with _config(folder, count), running(OURS, threads=1) as system:
            photos = str(folder / "load")
            start(_plan(system, photo=photos, clients=4, for_s=LOAD_S / 2)).shots()
            shots = start(_plan(system, photo=photos, first=200, clients=8, for_s=LOAD_S)).shots()
            good = _whole(shots)
            over_s = max(shot.due_s + shot.took_s for shot in shots)
            rows.append(
                f"| {count} | {len(good) / over_s:.1f} | {_p50(good):.0f} | {system.memory_bytes() / 2**20:,.0f} |"
                f" {system.ready_s:.0f} |"
            )
    head = "| replicas of each deployment | photos/s | p50, ms | memory, MiB | ready, s |"
    lines = _table("Replicas on the same cores, 8 clients", head, rows)
    return [*lines, "", "More replicas than cores serve no more photos: they only cost memory and a slower start."]


@contextmanager
def _config(folder: Path, replicas: int) -> Iterator[None]:
    """The local config with this many replicas of each deployment, as the one that the next start takes."""
    config = yaml.safe_load((REPOSITORY / DEFAULT_CONFIG).read_text())
    for deployment in config["applications"][0]["deployments"]:
        del deployment["autoscaling_config"]
        deployment["num_replicas"] = replicas
        deployment["ray_actor_options"]["num_cpus"] = 0.05
    path = folder / f"replicas-{replicas}.yaml"
    path.write_text(yaml.safe_dump(config))
    os.environ["CONFIG"] = str(path)
    try:
        yield
    finally:
        del os.environ["CONFIG"]


# --- requests -------------------------------------------------------------------------------------------------
def _plan(system: System, **what: Any) -> Plan:
    return Plan(port=system.port, key=system.key, **{"for_s": LOAD_S, "photo": str(SAMPLE), **what})


def _client(system: System) -> httpx.Client:
    url, headers = f"http://127.0.0.1:{system.port}", {"X-API-Key": system.key}
    return httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False)


def _whole(shots: Sequence[Shot]) -> list[Shot]:
    """The shots with whole answers. Raises RuntimeError when there are none, with what came in their place."""
    good = [shot for shot in shots if shot.good]
    if not good:
        others = Counter((shot.status, shot.code, shot.degraded) for shot in shots)
        raise RuntimeError(f"No answer is whole; status, code, degraded phases: {others.most_common(3)}")
    return good


def _p50(shots: Sequence[Shot]) -> float:
    return percentile([shot.took_s * 1e3 for shot in shots], 50)


def _p99(shots: Sequence[Shot]) -> float:
    return percentile([shot.took_s * 1e3 for shot in shots], 99)


if __name__ == "__main__":
    sys.exit(main())
