"""Measures the engines side by side: time, start, memory and equal labels.  Launch: make bench-engines PHOTOS=folder

Each engine runs in a process of its own.  The result is a Markdown table, for docs/results/engines.md.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from models.cards import DEFAULT_MODEL, load_card
from models.engines.choice import open_segmenter
from models.engines.openvino import best_dtypes
from models.segmenter import Segmenter
from pipeline.errors import ColorMatchError
from pipeline.image.decode import decode_image
from pipeline.options import PhotoOptions
from pipeline.palette.extraction import extract
from pipeline.palette.vector import palette_error
from pipeline.parts import Garment

# Taste: enough calls for a stable median.
CALLS = 30
ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("openvino", "fp32"), ("openvino", "bf16"))


def main() -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of photos; those below it count too")
    parser.add_argument("--count", type=int, default=40, help="default: %(default)s")
    parser.add_argument("--one", nargs=3, metavar=("ENGINE", "DTYPE", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_one(*options.one)))
        return 0
    rows = [
        "| engine | dtype | ms, 1 thread | ms, 2 threads | start, s of CPU | memory, MB | labels as torch fp32: mean |"
    ]
    rows[0] += " least | palettes: mean ΔE00 |"
    rows.append("|" + "---|" * 9)
    files = _chosen(options.photos, options.count)
    for engine, dtype in ENGINES:
        if engine == "openvino" and dtype not in best_dtypes():
            continue
        one, two = (_in_a_process(options.photos, engine, dtype, threads) for threads in (1, 2))
        mean, least, de00 = _agreement(engine, dtype, files)
        rows.append(
            f"| {engine} | {dtype} | {one['ms']:.1f} | {two['ms']:.1f} | {two['start_s']:.2f} | {two['mb']:.0f} "
            f"| {mean:.2%} | {least:.2%} | {de00:.2f} |"
        )
    print("\n".join(rows), flush=True)
    print(f"\n{len(files)} photos; segmentation from the network's input to the label map; {DEFAULT_MODEL}.")
    return 0


def _chosen(folder: Path, count: int) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return files[:: max(1, len(files) // count)][:count]


def _in_a_process(folder: Path, engine: str, dtype: str, threads: int) -> dict[str, float]:
    asked = [sys.executable, "-m", "tests.bench.engines", str(folder), "--one", engine, dtype, str(threads)]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _open(engine: str, dtype: str, threads: int = 2) -> Segmenter:
    named: Any = {"engine": engine, "dtype": dtype}
    return open_segmenter(load_card(DEFAULT_MODEL), threads=threads, **named)


def _one(engine: str, dtype: str, threads: str) -> dict[str, float]:
    began = time.process_time()
    segmenter = _open(engine, dtype, int(threads))
    segmenter.warm_up()
    start_s = time.process_time() - began
    (blank,) = segmenter.blank(1)
    times = []
    for _ in range(CALLS):
        since = time.perf_counter()
        segmenter.segment([blank])
        times.append(time.perf_counter() - since)
    memory = psutil.Process().memory_full_info().pss
    return {"ms": float(np.median(times)) * 1e3, "start_s": start_s, "mb": memory / 1e6}


def _agreement(engine: str, dtype: str, files: list[Path]) -> tuple[float, float, float]:
    """Of the photos' labels that torch in fp32 gives: the mean share, the least; and the garments' mean difference."""
    card = load_card(DEFAULT_MODEL)
    reference, segmenter = _open("torch", "fp32"), _open(engine, dtype)
    shares, differences = [], []
    for path in files:
        try:
            image = decode_image(path.read_bytes(), network_px=card.input_px)
        except ColorMatchError:
            continue
        theirs, ours = reference.segment_photo(image), segmenter.segment_photo(image)
        shares.append(float((theirs.labels == ours.labels).mean()))
        first, second = (
            extract(image.pixels, one.labels, one.confidence, PhotoOptions()).garments for one in (theirs, ours)
        )
        pairs = [(a, b) for a in first for b in second if _is_same(a, b)]
        differences += [palette_error(a.colors, b.colors) for a, b in pairs]
    return float(np.mean(shares)), min(shares), float(np.mean(differences))


def _is_same(a: Garment, b: Garment) -> bool:
    """Whether two garments are one: boxes that overlap by more than half."""
    if a.bbox is None or b.bbox is None or not a.colors or not b.colors:
        return False
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.bbox, b.bbox
    across = min(ax + aw, bx + bw) - max(ax, bx)
    down = min(ay + ah, by + bh) - max(ay, by)
    both = max(across, 0.0) * max(down, 0.0)
    return a.category == b.category and both > 0.5 * (aw * ah + bw * bh - both)


if __name__ == "__main__":
    sys.exit(main())
