"""The backfill against a bare loop, and killed again and again: `python -m tests.bench.backfill speed|chaos PHOTOS`.

speed: images/s per core of the command (from the first checkpoint to the last, and with its start) and of a loop over
the same functions in one process.  chaos: the driver is killed KILLS times at random moments, and the rows are counted.
PHOTOS is a folder; COUNT=300 of its photos are used.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from models.registry import DEFAULT_MODEL, load_card
from models.segmenter import Segmenter
from pipeline.analysis import analyse, look_vector
from pipeline.answer import advice_to_json
from pipeline.image import decode_image
from pipeline.types import Options

ROOT = Path(__file__).parents[2]


def bare_loop(photos: list[Path]) -> float:
    """Images/s of the same functions in this process, on one thread."""
    segmenter = Segmenter(load_card(DEFAULT_MODEL), threads=1)
    segmenter.warm_up()
    began_s = time.perf_counter()
    for path in photos:
        photo = decode_image(path.read_bytes(), network_px=segmenter.input_px)
        advice = analyse(photo, Options(), segmenter.segment_photo)
        advice_to_json(advice)
        look_vector(advice.garments)
    return len(photos) / (time.perf_counter() - began_s)


def start(source: Path, output: Path, count: int) -> "subprocess.Popen[str]":
    """Gives the command, in a process group of its own."""
    arguments = ("--input", str(source), "--limit", str(count), "--output", str(output), "--log-every", "1")
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.backfill", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def checkpoints(output: Path) -> list[tuple[float, int]]:
    """(Time of saving, rows) of each checkpoint that is there."""
    found = (output / "_work/results").glob("0*.parquet")
    return [(path.stat().st_mtime, pq.read_metadata(path).num_rows) for path in found]


def speed(source: Path, count: int) -> None:
    """Prints both rates and their ratio."""
    photos = sorted(path for path in source.rglob("*") if path.is_file())[:: max(1, count // 60)][:60]
    bare = bare_loop(photos)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        run = start(source, output, count)
        seen: list[tuple[float, int]] = []
        memory: list[float] = []
        while run.poll() is None:
            seen = max(seen, checkpoints(output), key=len)
            memory.append(_memory_mib(run.pid))
            time.sleep(0.5)
        text = run.communicate()[0]
    assert run.returncode == 0, text
    first, last = min(seen)[0], max(seen)[0]
    steady = sum(rows for saved_s, rows in seen if saved_s > first) / (last - first)
    cores = os.cpu_count() or 1
    half = len(memory) // 2
    print(f"bare loop {bare:.2f} images/s on one core; backfill {steady:.2f} images/s on {cores} cores")
    print(f"per core {steady / cores:.2f} images/s: {steady / cores / bare:.0%} of the bare loop")
    print(f"memory of all processes: {max(memory[:half]):.0f} MiB in the first half, {max(memory[half:]):.0f} after")
    print("".join(re.findall(r"pace.*\n", text)))


def chaos(source: Path, count: int, kills: int) -> None:
    """Prints rows, doubles and what was redone."""
    chance = random.Random(8)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        for kill in range(kills):
            run = start(source, output, count)
            goal = len(checkpoints(output)) + chance.randrange(1, 6)
            wait_s = chance.uniform(0, 2)
            while run.poll() is None and len(checkpoints(output)) < goal:
                time.sleep(0.05)
            time.sleep(wait_s)
            _kill(run)
            print(f"kill {kill + 1}: {sum(rows for _, rows in checkpoints(output))} rows were saved")
        last = start(source, output, count)
        text = last.communicate()[0]
        assert last.returncode == 0, text
        ids = [id for path in output.glob("[ad]*/*.parquet") for id in pq.read_table(path)["id"].to_pylist()]
        print(f"{len(ids)} rows, {len(set(ids))} different ids, {count} wanted")
        assert len(ids) == len(set(ids)) == count


def _kill(run: "subprocess.Popen[str]") -> None:
    """SIGKILL to the driver and everything below it, as when a node is lost."""
    try:
        below = psutil.Process(run.pid).children(recursive=True)
    except psutil.Error:
        below = []
    os.kill(run.pid, signal.SIGKILL)
    for process in below:
        if process.is_running():
            process.kill()
    run.communicate()


def _memory_mib(pid: int) -> float:
    total = 0
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            total += process.memory_info().rss - process.memory_info().shared
    except psutil.Error:
        pass
    return total / 2**20


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    number = int(os.environ.get("COUNT", "300"))
    if sys.argv[1] == "speed":
        speed(folder, number)
    else:
        chaos(folder, number, int(os.environ.get("KILLS", "10")))
