"""Kills the backfill repeatedly, and runs it on a failing store; counts its rows and reads (by inotify on Linux)."""

import ctypes
import os
import random
import shutil
import struct
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.backfill.report.samples import SAMPLES
from tests.bench.backfill_runs import INLINE, ON_RAY, Command, family, start
from tests.pipeline.backfill.fault_proxy import KINDS, fault_proxy
from tests.s3_server import s3_server

# Standard: inotify(7).
IN_CLOSE_NOWRITE, IN_ISDIR = 0x10, 0x40000000
EVENT = struct.Struct("iIII")
# Taste: the share of failing requests, and one broken photo in so many.
FAULTS, BROKEN_EVERY = 0.1, 100
BUCKET = "bench"


class Reads:
    """Counts, by inotify, how often each file below a folder was opened for reading and closed."""

    def __init__(self, folder: Path) -> None:
        self.count: Counter[tuple[int, bytes]] = Counter()
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(0)
        for one in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            assert libc.inotify_add_watch(self._descriptor, os.fsencode(one), IN_CLOSE_NOWRITE) >= 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while data := os.read(self._descriptor, 2**16):
            at = 0
            while at < len(data):
                watch, mask, _, length = EVENT.unpack_from(data, at)
                name = data[at + EVENT.size : at + EVENT.size + length].rstrip(b"\0")
                # The kernel also reports listed folders, which do not count.
                self.count[watch, name] += not mask & IN_ISDIR
                at += EVENT.size + length


def chaos(source: Path, count: int, kills: int, *, module: str = ON_RAY) -> None:
    """Prints the rows after each kill, the final rows, and how many photos were read more than once."""
    chance = random.Random(8)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        # The run gets a copy, because reads by other processes would count too.
        source = shutil.copytree(source, Path(folder) / "photos")
        output, reads = Path(folder) / "out", Reads(source)
        arguments = ["--input", str(source), "--limit", str(count), "--output", str(output)]
        run = start(arguments, module=module)
        for kill in range(kills):
            goal = _saved(output) + chance.randrange(2 * count // (kills + 2))
            while run.process.poll() is None and _saved(output) < min(goal, count - 20):
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 1))
            what = "all" if module == INLINE else chance.choice(("worker", "driver", "all"))
            run = _strike(run, what) or start(arguments, module=module)
            print(f"kill {kill + 1} ({what}): {_saved(output)} rows were saved", flush=True)
        assert run.follow() == 0, run.text
        ids = [id for path in output.glob("[ad]*/*.parquet") for id in pq.read_table(path)["id"].to_pylist()]
        redone = sum(reads.count.values()) - SAMPLES - len(ids)
        print(f"{len(ids)} rows, {len(set(ids))} different ids, {count} wanted")
        print(f"{redone} photos were read again: {redone / count:.1%} ({SAMPLES} reads for the report not counted)")
        assert len(ids) == len(set(ids)) == count


def _strike(run: Command, what: str) -> Command | None:
    """Kills a part of the run. Gives the run when it goes on by itself, else None."""
    if what == "worker":
        workers = [one for one in family(run.process.pid) if "MapWorker" in " ".join(one.cmdline())]
        if workers:
            workers[0].kill()
            return run
    if what == "driver":
        run.process.kill()
        run.process.wait()
    else:
        run.kill()
    return None


def _saved(output: Path) -> int:
    """The rows in checkpoints. All shards but the last of a part have the same size."""
    starts = sorted(path.stem for path in (output / "_work/results").glob("0*.parquet"))
    sizes = [pq.read_metadata(output / f"_work/results/{starts[0]}.parquet").num_rows] if starts else [0]
    return sizes[0] * len(starts)


def faults(source: Path, count: int, *, module: str = ON_RAY) -> None:
    """Prints the proxy's failures and the rows of the result."""
    photos = sorted(path for path in source.rglob("*") if path.is_file())[:count]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, s3_server(Path(folder)) as server:
        server.make_bucket(BUCKET)
        for k, path in enumerate(photos):
            data = path.read_bytes()
            broken = data[: len(data) // 2] if k % BROKEN_EVERY == 0 else data
            server.put(BUCKET, {f"photos/{path.relative_to(source).as_posix()}": broken})
        with fault_proxy(server.url, share=FAULTS) as proxy:
            places = ["--input", f"s3://{BUCKET}/photos", "--output", f"s3://{BUCKET}/out"]
            run = start([*places, "--endpoint-url", proxy.url], server.environment, module=module)
            assert run.follow() == 0, run.text
        failed = sum(proxy.counts[kind] for kind in KINDS)
        print(f"{sum(proxy.counts.values())} requests, {failed} failed: {dict(proxy.counts)}")
        rows = Counter[str]()
        for table in ("answers", "dead_letters"):
            keys = server.keys(BUCKET, f"out/{table}/")
            parts = [pq.read_table(pa.BufferReader(server.get(BUCKET, key))) for key in keys]
            rows.update(id for part in parts for id in part["id"].to_pylist())
            print(f"{table}: {sum(part.num_rows for part in parts)}")
        print(f"{rows.total()} rows, {len(rows)} different ids, {len(photos)} wanted")
        print("".join(run.lines[-9:]))
        assert rows.total() == len(rows) == len(photos)
