"""Assigns every millisecond of a new photo, from socket to socket, and draws it.

    python -m tests.bench.serving.profile --out docs/results/profile.svg [--bar before=before.json]
    python -m tests.bench.serving.profile --url http://127.0.0.1:8001 --key KEY > before.json

One client sends new photos one after the other. The answer's own timings give the phases, and the replicas' metrics the
work within them; what is left of a phase is the road to it and back. The second form measures a service that runs
already, such as one of an older commit, for a bar of its own.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from serve.local.plan import REPOSITORY
from tests.bench.serving.photos import tinted
from tests.bench.serving.systems import OURS, running
from tests.reliability.messages import marked

# About 1 megapixel.
SIZE_PX = (896, 1120)
PHASES = ("segmentation", "extraction", "harmony")
# Taste: enough for a stable median, and how long the replicas may take to report their metrics.
WARM_UP, PHOTOS, REPORTED_WITHIN_S = 25, 100, 60.0
# The parts in the order of a request, with the colours of the drawing: work is dark, roads are light.
PARTS = {
    "HAProxy and sockets": "#c9ced6",
    "ingress: form, keys, caches, JSON": "#7a8699",
    "decoding, in its own process": "#b0713c",
    "segmentation: work": "#2f6f73",
    "segmentation: road": "#a9cfd0",
    "extraction: work": "#4a5fa5",
    "extraction: road": "#b9c3e6",
    "harmony: work": "#8c4a78",
    "harmony: road": "#e0bdd5",
}
WIDTH_PX, LEFT_PX, BAR_PX, LINE_PX = 960, 110, 34, 20


def measured(url: str, key: str) -> dict[str, float]:
    """The median milliseconds of each of PARTS for one client's new photos at a running service."""
    headers = {"X-API-Key": key}
    with (
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(base_url=url, headers=headers, timeout=60.0, trust_env=False) as client,
    ):
        photos = sorted(tinted(Path(folder), SIZE_PX, WARM_UP + PHOTOS).glob("*.jpg"))
        run = f"{time.time_ns():x}"

        def ask(path: Path) -> tuple[float, Mapping[str, float]]:
            files = {"image": ("photo.jpg", marked(path.read_bytes(), run), "image/jpeg")}
            began_s = time.perf_counter()
            answer = client.post("/v1/advice", files=files, data={"options": '{"include": ["timings"]}'})
            took_ms = (time.perf_counter() - began_s) * 1e3
            answer.raise_for_status()
            return took_ms, answer.json()["meta"]["timing_ms"]

        for path in photos[:WARM_UP]:
            ask(path)
        before = _work_s(client, least=WARM_UP)
        shots = [ask(path) for path in photos[WARM_UP:]]
        after = _work_s(client, least=min(count for _, count in before.values()) + PHOTOS)
    whole = statistics.median(took for took, _ in shots)
    steps = {name: statistics.median(timings[name] for _, timings in shots) for name in shots[0][1]}
    parts = {"HAProxy and sockets": whole - steps["total"], "decoding, in its own process": steps["decode"]}
    for phase in PHASES:
        work = (after[phase][0] - before[phase][0]) / (after[phase][1] - before[phase][1]) * 1e3
        parts |= {f"{phase}: work": work, f"{phase}: road": steps[phase] - work}
    parts["ingress: form, keys, caches, JSON"] = steps["total"] - sum(steps[name] for name in ("decode", *PHASES))
    return {name: max(0.0, parts[name]) for name in PARTS}


def _work_s(client: httpx.Client, *, least: float) -> dict[str, tuple[float, float]]:
    """The seconds of work and the number of photos of each phase so far, once `least` photos are reported."""
    until_s = time.monotonic() + REPORTED_WITHIN_S
    while time.monotonic() < until_s:
        found = _reported(client)
        if all(count >= least for _, count in found.values()):
            return found
        time.sleep(1.0)
    raise TimeoutError(f"The replicas report {found}, and not {least:.0f} photos each.")


def _reported(client: httpx.Client) -> dict[str, tuple[float, float]]:
    found: dict[str, dict[str, float]] = {phase: {} for phase in PHASES}
    for family in text_string_to_metric_families(client.get("/v1/metrics").text):
        for sample in family.samples:
            if sample.name.startswith("colormatch_compute_seconds") and sample.labels.get("phase") in found:
                kept = found[sample.labels["phase"]]
                kept[sample.name] = kept.get(sample.name, 0.0) + (0 if "bucket" in sample.name else sample.value)
    name = "colormatch_compute_seconds"
    return {phase: (kept.get(f"{name}_sum", 0.0), kept.get(f"{name}_count", 0.0)) for phase, kept in found.items()}


def drawn(bars: Mapping[str, Mapping[str, float]]) -> str:
    """The bars as an SVG picture with a legend."""
    most_ms = max(sum(parts.values()) for parts in bars.values())
    scale = (WIDTH_PX - LEFT_PX - 90) / most_ms
    top_px, lines = 44, []
    for name, parts in bars.items():
        lines.append(f'<text x="{LEFT_PX - 10}" y="{top_px + 22}" text-anchor="end">{name}</text>')
        at_px = float(LEFT_PX)
        for part, ms in parts.items():
            wide_px = ms * scale
            fill = f'fill="{PARTS[part]}"'
            lines.append(f'<rect x="{at_px:.1f}" y="{top_px}" width="{wide_px:.1f}" height="{BAR_PX}" {fill}/>')
            at_px += wide_px
        total = f"{sum(parts.values()):.0f} ms"
        lines.append(f'<text x="{at_px + 8:.1f}" y="{top_px + 22}" font-weight="600">{total}</text>')
        top_px += BAR_PX + 14
    top_px += 14
    heads = "".join(
        f'<text x="{LEFT_PX + 330 + 90 * k}" y="{top_px}" text-anchor="end" font-weight="600">{name}, ms</text>'
        for k, name in enumerate(bars)
    )
    lines.append(heads)
    for part, color in PARTS.items():
        top_px += LINE_PX
        lines.append(f'<rect x="{LEFT_PX}" y="{top_px - 11}" width="12" height="12" fill="{color}"/>')
        lines.append(f'<text x="{LEFT_PX + 20}" y="{top_px}">{part}</text>')
        for k, parts in enumerate(bars.values()):
            lines.append(f'<text x="{LEFT_PX + 330 + 90 * k}" y="{top_px}" text-anchor="end">{parts[part]:.1f}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {top_px + 20}" font-family="sans-serif"'
    title = '<text x="20" y="24" font-size="16" font-weight="600">One new photo, from socket to socket</text>'
    background = f'<rect width="{WIDTH_PX}" height="{top_px + 20}" fill="#ffffff"/>'
    return "\n".join([f'{head} font-size="13" fill="#1c2330">', background, title, *lines, "</svg>"]) + "\n"


def main() -> int:
    """Measures, draws and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="measure the service at this address and print the parts as JSON")
    parser.add_argument("--key", default="", help="its API key")
    parser.add_argument(
        "--out", type=Path, default=REPOSITORY / "docs/results/profile.svg", help="the SVG file to write"
    )
    parser.add_argument("--bar", action="append", default=[], metavar="NAME=FILE", help="draw these parts first")
    given = parser.parse_args()
    if given.url:
        print(json.dumps(measured(given.url, given.key)))
        return 0
    bars = {name: json.loads(Path(file).read_text()) for name, _, file in (bar.partition("=") for bar in given.bar)}
    with running(OURS, threads=1) as system:
        bars["now"] = measured(f"http://127.0.0.1:{system.port}", system.key)
    given.out.write_text(drawn(bars))
    print(json.dumps(bars, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
