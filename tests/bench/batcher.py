"""Compares the batcher with `@serve.batch` and a bare loop, in one process: `make bench-batcher`, `bench-gpu`.

Arrivals are a Poisson process and do not wait for answers. An answer that takes longer than the budget does not count.
Ray is imported, not started. On a GPU: make bench-gpu (MODEL= DTYPE=bf16 COMPILE=reduce-overhead can be set).
"""

import argparse
import asyncio
import os
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from ray import serve as ray_serve
from ray.serve import context

from models.cards import DEFAULT_MODEL, load_card
from models.engines.torch import TorchSegmenter, device_is_lost
from models.segmenter import SegmentationInput, bucket
from pipeline.errors import PhaseTimeout
from serve.deployments import batch_limits
from serve.replica.batcher import Batcher, BatchReport
from serve.settings import BatchConfig
from tests.bench.tables import write_section

PAGE = Path(__file__).parents[2] / "docs" / "results" / "batching.md"
# Contract: the phase's budget in the default configuration.
BUDGET_S = 1.2
# Taste: the offered rates, as shares of the bare loop's.
LOADS = (0.5, 0.8, 1.2, 2.0)
WINDOWS_S = (0.0, 0.005, 0.01, 0.05)
LABELS_PX = (384, 512)
BARE_S = 3.0
# Submits a photo with its deadline, Unix time.
Ask = Callable[[SegmentationInput, float], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one load: answers in time per second, their latencies, and the mean batch."""

    per_s: float
    p50_ms: float
    p99_ms: float
    lost: float
    batch: float


class Sizes:
    """Counts batches and the photos in them."""

    def __init__(self) -> None:
        self.batches = self.photos = 0

    def note(self, photos: int) -> None:
        """Counts one batch."""
        self.batches += 1
        self.photos += photos

    def take(self) -> float:
        """The mean size since the last call."""
        mean = self.photos / max(1, self.batches)
        self.batches = self.photos = 0
        return mean


def ours(segmenter: TorchSegmenter, config: BatchConfig, sizes: Sizes, *, on_cpu: bool) -> Ask:
    """The replica's own batcher, as deployed."""

    def observe(report: BatchReport) -> None:
        sizes.note(report.items)

    limits = batch_limits(config, on_cpu=on_cpu)
    batcher: Batcher[Any, Any] = Batcher(segmenter.stages, limits, is_fatal=device_is_lost, observe=observe)
    warm = sorted({bucket(count) for count in range(1, limits.max_items + 1)})
    batcher.warm_up([segmenter.blank(size) for size in warm for _ in range(3)])

    async def ask(photo: SegmentationInput, deadline_s: float) -> Any:
        px = photo.pixels.shape[0] * photo.pixels.shape[1] + photo.width_px * photo.height_px
        return await batcher.submit(photo, px=px, deadline_s=deadline_s)

    return ask


def serve_batch(segmenter: TorchSegmenter, most: int, window_s: float, sizes: Sizes) -> Ask:
    """Ray Serve's decorator over the same network and one thread."""
    thread = ThreadPoolExecutor(1)
    config = SimpleNamespace(max_ongoing_requests=10_000)
    # The decorator reads this limit from its replica, for a warning. There is no replica here.
    context._INTERNAL_REPLICA_CONTEXT = SimpleNamespace(  # type: ignore[assignment]
        _deployment_config=config, app_name="bench", deployment="bench", replica_tag="bench", replica_id="bench"
    )

    @ray_serve.batch(max_batch_size=most, batch_wait_timeout_s=window_s)
    async def segment(photos: list[SegmentationInput]) -> Any:
        sizes.note(len(photos))
        return await asyncio.get_running_loop().run_in_executor(thread, segmenter.segment, photos)

    async def ask(photo: SegmentationInput, deadline_s: float) -> Any:
        async with asyncio.timeout(deadline_s - time.time()):
            return await segment(photo)

    return ask


async def offered(ask: Ask, photos: Sequence[SegmentationInput], rate: float, for_s: float, sizes: Sizes) -> Outcome:
    """Offers photos at a rate, 1/s, and measures the answers in time."""
    gaps = np.random.default_rng(11).exponential(1 / rate, max(1, round(rate * for_s)))
    began_s, latencies, tasks = time.time(), list[float](), []

    async def one(photo: SegmentationInput, due_s: float) -> None:
        try:
            await ask(photo, due_s + BUDGET_S)
        except (PhaseTimeout, TimeoutError):
            return
        latencies.append(time.time() - due_s)

    for k, due_s in enumerate(began_s + np.cumsum(gaps)):
        if due_s > time.time():
            await asyncio.sleep(due_s - time.time())
        tasks.append(asyncio.ensure_future(one(photos[k % len(photos)], float(due_s))))
    sent_s = time.time() - began_s
    await asyncio.gather(*tasks)
    in_time = np.array([latency for latency in latencies if latency <= BUDGET_S] or [np.nan]) * 1e3
    p50_ms, p99_ms = np.percentile(in_time, (50, 99))
    answered = int(np.isfinite(in_time).sum())
    return Outcome(answered / sent_s, float(p50_ms), float(p99_ms), 1 - answered / len(tasks), sizes.take())


def bare(segmenter: TorchSegmenter, photos: Sequence[SegmentationInput], at_once: int, *, whole: bool) -> float:
    """Photos per second of a bare loop: over all steps (whole), or over the network only."""
    batch = [photos[k % len(photos)] for k in range(at_once)]
    ready = segmenter.preprocess([photo.pixels for photo in batch])

    def step() -> None:
        if whole:
            segmenter.answer(segmenter.infer(segmenter.prepare(batch)))
        else:
            segmenter.forward(ready)

    for _ in range(3):
        step()
    _synchronise()
    began_s, rounds = time.perf_counter(), 0
    while time.perf_counter() - began_s < BARE_S:
        step()
        rounds += 1
        if rounds % 8 == 0:
            _synchronise()
    _synchronise()
    return rounds * at_once / (time.perf_counter() - began_s)


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def photos_of(input_px: tuple[int, int]) -> list[SegmentationInput]:
    """Photos of noise at the network's size."""
    random = np.random.default_rng(3)
    shape = (input_px[1], input_px[0], 3)
    return [SegmentationInput(random.integers(0, 256, shape, np.uint8), *LABELS_PX) for _ in range(8)]


def measured(options: argparse.Namespace) -> str:
    """Measures everything, and gives it as Markdown."""
    segmenter = TorchSegmenter(
        load_card(options.model, allow_non_commercial=True),
        device=options.device,
        dtype=options.dtype,
        threads=options.threads,
        compile_mode=options.compile_mode,
    )
    on_cpu, photos = options.device == "cpu", photos_of(segmenter.input_px)
    counts = (1, 2, 4, 8) if on_cpu else (1, 2, 4, 8, 16, 32, 64)
    network = {count: bare(segmenter, photos, count, whole=False) for count in counts}
    most = 1 if on_cpu else max(network, key=lambda count: network[count] if count <= 32 else 0.0)
    capacity = bare(segmenter, photos, most, whole=True)
    lines = [
        f"{_machine(options.device)}, `{segmenter.version}`. A bare loop of the network alone, photos/s by batch: "
        + ", ".join(f"{count}: {per_s:.0f}" for count, per_s in network.items())
        + f". Of all steps, a batch of {most}: {capacity:.1f}, which is C.",
        "",
        "| offered | batcher | answered/s | of the bare network | p50 ms | p99 ms | late or refused | mean batch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    best = max(network.values())
    for load in LOADS:
        for name, outcome in asyncio.run(_compared(segmenter, photos, load * capacity, options, on_cpu=on_cpu)).items():
            print(f"{load} C, {name}: {outcome}", flush=True)
            lines.append(
                f"| {load:g} C | {name} | {outcome.per_s:.1f} | {outcome.per_s / best:.0%} | {outcome.p50_ms:.0f} "
                f"| {outcome.p99_ms:.0f} | {outcome.lost:.1%} | {outcome.batch:.1f} |"
            )
    return "\n".join(lines)


async def _compared(
    segmenter: TorchSegmenter,
    photos: Sequence[SegmentationInput],
    rate: float,
    options: argparse.Namespace,
    *,
    on_cpu: bool,
) -> dict[str, Outcome]:
    sizes, most = Sizes(), 8 if on_cpu else 32
    arms = {"ours": ours(segmenter, BatchConfig(max_photos=options.most), sizes, on_cpu=on_cpu)}
    for window_s in WINDOWS_S:
        arms[f"`@serve.batch`, {window_s * 1e3:g} ms"] = serve_batch(segmenter, most, window_s, sizes)
    return {name: await offered(ask, photos, rate, options.seconds, sizes) for name, ask in arms.items()}


def _machine(device: str) -> str:
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {version('torch')}"
    return f"{os.cpu_count()} cores of {platform.machine()}, torch {version('torch')}, Ray {version('ray')}"


def main() -> None:
    """Measures, prints, and writes the page's section."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batcher", description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="default: %(default)s")
    parser.add_argument("--dtype", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--compile-mode", default="off", help="off, default, reduce-overhead or max-autotune")
    parser.add_argument("--threads", type=int, default=2, help="the number of torch threads on a CPU")
    parser.add_argument("--most", type=int, help="the most photos in a batch of ours; default: as deployed")
    parser.add_argument("--seconds", type=float, default=6.0, help="the duration for each rate and batcher")
    parser.add_argument("--section", metavar="NAME", help="write this section of docs/results/batching.md")
    options = parser.parse_args()
    table = measured(options)
    print(f"\n{table}")
    if options.section:
        write_section(options.section, table, PAGE)


if __name__ == "__main__":
    main()
