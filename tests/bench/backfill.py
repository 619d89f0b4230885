"""Measures the backfill on your photos: `python -m tests.bench.backfill speed|chaos|faults|beside PHOTOS`.

speed   compares the command's images/s with bare loops of the same functions, one per core, right before and after it;
        shows the CPU time of a photo and memory over time. --s3: the same through an S3 server
chaos   kills a worker, the driver or everything at random moments, then counts rows and repeated reads
faults  runs from S3 to S3 with 10 % failing requests and 1 % broken photos
beside  measures the service's p99 at 0.3 of its capacity, alone and beside a low-priority backfill on its cluster
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from models.cards import DEFAULT_MODEL, load_card
from pipeline.analysis import advise, look_vector
from pipeline.contract import advice_to_json
from pipeline.image.decode import decode_image
from pipeline.options import Options
from tests.bench.backfill_beside import beside
from tests.bench.backfill_chaos import chaos, faults
from tests.bench.backfill_runs import CORES, INLINE, ON_RAY, ROOT, Command, start
from tests.s3_server import s3_server

# Taste: the photos of one bare process, before and after the command.
BARE_PHOTOS = 240
BUCKET = "bench"


# --- the bare loop --------------------------------------------------------------------------------------------
def bare(paths: Sequence[Path]) -> None:
    """Runs the same functions in a loop on one thread, from a line on standard input on. Prints its rate."""
    from models.engines.choice import open_segmenter

    segmenter = open_segmenter(load_card(DEFAULT_MODEL), threads=1)
    segmenter.warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    for path in paths:
        photo = decode_image(path.read_bytes(), network_px=segmenter.input_px)
        advice = advise(photo, segmenter.segment_photo(photo), Options())
        advice_to_json(advice, "en")
        look_vector(advice.garments)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    print(json.dumps([len(paths) / took_s, cpu_s / len(paths)]), flush=True)


@dataclass(frozen=True, slots=True)
class Rate:
    """images_per_s: the rate of all processes together. cpu_s: the CPU time of one image."""

    images_per_s: float
    cpu_s: float


def bare_rate(photos: Sequence[Path], processes: int) -> Rate:
    """The rate of this many bare processes at the same time."""
    arguments = [sys.executable, "-m", "tests.bench.backfill", "bare"]
    shares = [[str(path) for path in photos[k::processes]] for k in range(processes)]
    loops = [
        subprocess.Popen([*arguments, *share], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for share in shares
    ]
    for loop in loops:
        assert cast(IO[str], loop.stdout).readline() == "ready\n"
    for loop in loops:
        sink = cast(IO[str], loop.stdin)
        sink.write("\n")
        sink.flush()
    results = [json.loads(loop.communicate()[0]) for loop in loops]
    return Rate(sum(rate for rate, _ in results), sum(cpu_s for _, cpu_s in results) / len(results))


# --- speed ----------------------------------------------------------------------------------------------------
def speed(source: Path, count: int, *, s3: bool, module: str) -> None:
    """Prints the rates, their ratios, and memory over time."""
    photos = sorted(path for path in source.rglob("*") if path.is_file())
    cores = 1 if module == INLINE else CORES
    sampled = photos[:: max(1, len(photos) // (BARE_PHOTOS * cores))][: BARE_PHOTOS * cores]
    before = bare_rate(sampled, cores)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, _places(source, photos, Path(folder), s3=s3) as places:
        arguments, environment = places
        run = start([*arguments, "--sample", str(min(1.0, count / len(photos)))], environment, module=module)
        assert run.follow() == 0, run.text
    after = bare_rate(sampled, cores)
    loop = (before.images_per_s + after.images_per_s) / 2
    steady, cpu_s = run.steady_rate(), run.steady_cpu_s()
    print(f"bare loop on {cores} cores: {before.images_per_s:.2f} images/s before, {after.images_per_s:.2f} after")
    print(f"backfill on {cores} cores: {steady:.2f} images/s = {steady / loop:.1%} of the bare loop")
    print(f"CPU time of a photo: {cpu_s * 1000:.1f} ms; bare {before.cpu_s * 1000:.1f} and {after.cpu_s * 1000:.1f} ms")
    tell_memory(run)
    print("".join(run.lines[-9:]))


@contextmanager
def _places(
    source: Path, photos: Sequence[Path], folder: Path, *, s3: bool
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The command's arguments for input and output, and its environment variables."""
    if not s3:
        yield ["--input", str(source), "--output", str(folder / "out")], {}
        return
    with s3_server(folder / "s3") as server:
        server.make_bucket(BUCKET)
        for path in photos:
            server.put(BUCKET, {f"photos/{path.relative_to(source).as_posix()}": path.read_bytes()})
        yield ["--input", f"s3://{BUCKET}/photos", "--output", f"s3://{BUCKET}/out"], server.environment


def tell_memory(run: Command) -> None:
    """Prints private memory at ten moments of the run, and compares the last quarter with the second."""
    at_work = run.weighed[len(run.weighed) // 10 :]
    roles = ("driver", "workers", "decoders", "Ray")
    print("memory, MiB    " + "".join(f"{role:>10}" for role in roles))
    for second, found in at_work[:: max(1, len(at_work) // 10)]:
        print(f"after {second:6.0f} s " + "".join(f"{found.get(role, 0.0):10.0f}" for role in roles))
    quarter = len(at_work) // 4
    for role in roles:
        early, late = (
            sorted(found.get(role, 0.0) for _, found in part)[len(part) // 2]
            for part in (at_work[quarter : 2 * quarter], at_work[3 * quarter : -2])
        )
        print(f"{role}: {early:.0f} MiB in the second quarter, {late:.0f} in the last")


def main() -> None:
    """Runs the measurement that the arguments name."""
    if sys.argv[1] == "bare":
        return bare([Path(text) for text in sys.argv[2:]])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "chaos", "faults", "beside"))
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--count", type=int, default=3000, help="use about this many photos (default: 3000)")
    parser.add_argument("--s3", action="store_true", help="speed: read and write through an S3 server")
    parser.add_argument("--kills", type=int, default=10, help="chaos: the number of kills (default: 10)")
    parser.add_argument("--without-ray", action="store_true", help="run the work in the command's own process")
    arguments = parser.parse_args()
    source, module = arguments.photos.resolve(), INLINE if arguments.without_ray else ON_RAY
    match arguments.what:
        case "speed":
            speed(source, arguments.count, s3=arguments.s3, module=module)
        case "chaos":
            chaos(source, arguments.count, arguments.kills, module=module)
        case "faults":
            faults(source, arguments.count, module=module)
        case "beside":
            beside(source)


if __name__ == "__main__":
    main()
