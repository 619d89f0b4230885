"""The command as people give it, on a real Ray: workers and the driver are killed, and every photo is answered once."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.backfill.catalogue import WHOLE, backfill, contents, paint_catalogue

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
PHOTOS = 60
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: the environment that finds it, and the process above all of its own."""

    environment: dict[str, str]
    head: psutil.Process

    def workers(self) -> list[psutil.Process]:
        """The processes of the pool's actors."""
        return [one for one in self.head.children(recursive=True) if "MapWorker" in title(one)]


@pytest.fixture(scope="module")
def cluster() -> Iterator["Cluster"]:
    """A Ray cluster of two CPUs with a token."""
    folder = Path(tempfile.mkdtemp(prefix="bf-", dir="/tmp"))  # short, because Ray's sockets lie in it
    free = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 32, "RAY_TMPDIR": str(folder)}
    code = (
        "import ray, sys; c = ray.init('local', num_cpus=2, include_dashboard=False, object_store_memory=10**8);"
        "print(c.address_info['gcs_address'], flush=True); sys.stdin.read()"
    )
    head = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=free, cwd=ROOT
    )
    assert head.stdout is not None
    address = head.stdout.readline().strip()
    try:
        yield Cluster({**free, "RAY_ADDRESS": address}, psutil.Process(head.pid))
    finally:
        head.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def start(photos: Path, output: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Gives the command."""
    command = ("--input", str(photos), "--output", str(output), "--options", WHOLE, "--cpus-per-worker", "0.5")
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.backfill", *command, "--checkpoint-rows", "2", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def saved(output: Path) -> int:
    """How many shards are saved."""
    return len(list((output / "_work/results").glob("0*.parquet")))


def wait_for(output: Path, shards: int, run: "subprocess.Popen[str]") -> None:
    """Waits until so many shards are saved."""
    end_s = time.monotonic() + 120
    while saved(output) < shards:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end_s, "no shard was saved in time"
        time.sleep(0.005)


def test_every_photo_is_answered_once_when_a_worker_and_the_driver_are_killed(cluster: Cluster, tmp_path: Path) -> None:
    """Both are killed by SIGKILL at work; the same command goes on, and the files are those of a run without Ray."""
    photos, output = tmp_path / "photos", tmp_path / "out"
    paint_catalogue(photos, PHOTOS)
    run = start(photos, output, cluster.environment)
    wait_for(output, 2, run)
    cluster.workers()[0].kill()
    wait_for(output, 5, run)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert not (output / "answers").exists()
    again = start(photos, output, cluster.environment)
    said = again.communicate(timeout=200)[0]
    assert again.returncode == 0, said
    assert "images were done before" in said
    ids = [id for path in sorted((output / "answers").glob("*")) for id in pq.read_table(path)["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == PHOTOS
    backfill("--input", photos, output=tmp_path / "peace")
    assert contents(output) == contents(tmp_path / "peace")


def title(process: psutil.Process) -> str:
    """What a process calls itself; empty for one that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
