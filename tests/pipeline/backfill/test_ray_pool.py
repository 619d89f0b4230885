"""Tests the command on a real Ray: killed, stopped and as a job. Every photo has one answer."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.pipeline.backfill.catalogue import WHOLE, backfill, contents, paint_catalogue, painted
from tests.pipeline.backfill.mortal_worker import POISON_RGB
from tests.pipeline.backfill.ray_host import ROOT, Cluster, ray_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
PHOTOS = 32
PATIENCE_S = 240
STOPPED = 130


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of one node."""
    with ray_cluster(2) as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted catalogue."""
    folder = tmp_path_factory.mktemp("catalogue") / "photos"
    paint_catalogue(folder, PHOTOS)
    return folder


@pytest.fixture(scope="module")
def wanted(photos: Path) -> dict[str, bytes]:
    """The tables of a run without Ray."""
    return contents(backfill("--input", photos, output=photos.parent / "peace").output)


def command(photos: Path, output: Path, *more: str) -> list[str]:
    """The arguments of a run with small checkpoints and two workers."""
    steps = ("--options", WHOLE, "--checkpoint-rows", "2", "--workers", "2")
    return ["-m", "pipeline.backfill", "--input", str(photos), "--output", str(output), *steps, *more]


def start(photos: Path, output: Path, environment: dict[str, str], *more: str) -> "subprocess.Popen[str]":
    """Starts the command in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, *command(photos, output, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )


def finish(run: "subprocess.Popen[str]") -> str:
    """Waits for the success of a run. Gives its text."""
    said = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == 0, said
    return said


def wait_for(output: Path, shards: int, run: "subprocess.Popen[str]") -> None:
    """Waits until this number of shards is saved."""
    end_s = time.monotonic() + PATIENCE_S
    while len(list((output / "_work/results").glob("0*.parquet"))) < shards:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < end_s, "no shard was saved in time"
        time.sleep(0.005)


def test_every_photo_is_answered_once_when_a_worker_and_the_driver_are_killed(
    cluster: Cluster, photos: Path, wanted: dict[str, bytes], tmp_path: Path
) -> None:
    """After SIGKILL of both the same command resumes, and the files equal those of a run without Ray."""
    output = tmp_path / "out"
    run = start(photos, output, cluster.environment, "--cpus-per-worker", "0.5")
    wait_for(output, 2, run)
    cluster.workers()[0].kill()
    wait_for(output, 5, run)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert not (output / "answers").exists()
    said = finish(start(photos, output, cluster.environment, "--cpus-per-worker", "0.5"))
    assert "images are done already" in said
    ids = [id for path in sorted((output / "answers").glob("*")) for id in pq.read_table(path)["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == PHOTOS
    assert contents(output) == wanted


def test_a_photo_that_kills_its_worker_is_given_up_when_it_killed_four(
    cluster: Cluster, photos: Path, wanted: dict[str, bytes], tmp_path: Path
) -> None:
    """Ray replaces every dead process. The poison photo becomes a dead letter, and all others have answers."""
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos/poison.jpg").write_bytes(painted(POISON_RGB))
    output = tmp_path / "out"
    arguments = command(tmp_path / "photos", output)
    arguments[1] = "tests.pipeline.backfill.mortal_worker"
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=cluster.environment, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows_of(output, "answers")) == PHOTOS
    ((id, code),) = [(row["id"], row["code"]) for row in rows_of(output, "dead_letters")]
    assert (id, code) == ("poison.jpg", "INTERNAL")


def rows_of(output: Path, table: str) -> list[dict[str, object]]:
    """The rows of a published table."""
    return [row for path in sorted((output / table).glob("*")) for row in pq.read_table(path).to_pylist()]


def test_a_run_ends_in_order_when_it_is_asked_to(
    cluster: Cluster, photos: Path, wanted: dict[str, bytes], tmp_path: Path
) -> None:
    """SIGTERM, as from `ray job stop`, gives exit code 130 and a sentence without a traceback. The run can resume."""
    output = tmp_path / "out"
    run = start(photos, output, cluster.environment)
    wait_for(output, 2, run)
    os.kill(run.pid, signal.SIGTERM)
    said = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == STOPPED, said
    assert "Stopped: give the same command again to resume." in said
    assert "Traceback" not in said
    assert "images are done already" in finish(start(photos, output, cluster.environment))
    assert contents(output) == wanted


def test_nothing_is_left_running_when_ctrl_c_is_pressed(photos: Path, tmp_path: Path) -> None:
    """After SIGINT to the command and all its processes, as from a terminal, its own Ray ends in order."""
    output = tmp_path / "out"
    free = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    run = start(photos, output, {**free, "RAY_TMPDIR": "/tmp"})
    wait_for(output, 2, run)
    below = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=PATIENCE_S)[0]
    assert run.returncode == STOPPED, said
    assert said.rstrip().endswith("Stopped: give the same command again to resume.")
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(below, timeout=60)
    assert alive == []


def test_a_job_does_the_work_when_it_is_submitted_with_the_token(
    cluster: Cluster, photos: Path, wanted: dict[str, bytes], tmp_path: Path
) -> None:
    """The documented `ray job submit` command works, and is refused without the token."""
    submit = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--address", cluster.dashboard_url]
    job = [*submit, "--working-dir", ".", "--", "python", *command(photos, tmp_path / "out", "--log-every", "0")]
    shell = {**cluster.environment, "RAY_ADDRESS": ""}
    stranger = subprocess.run(
        job, env={**shell, "RAY_AUTH_TOKEN": "wrong" * 8}, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert stranger.returncode != 0
    assert not (tmp_path / "out").exists()
    done = subprocess.run(job, env=shell, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "images/s" in done.stdout
    assert contents(tmp_path / "out") == wanted


def test_every_photo_is_answered_once_when_a_node_is_lost(
    photos: Path, wanted: dict[str, bytes], tmp_path: Path
) -> None:
    """After the loss of one of two nodes, the other one does all that is left."""
    output = tmp_path / "out"
    with ray_cluster(1, 1) as nodes:
        run = start(photos, output, nodes.environment)
        wait_for(output, 4, run)
        # A raylet is the parent of its node's workers.
        assert len({one.ppid() for one in nodes.workers()}) == 2
        nodes.lose_last_node()
        finish(run)
    assert contents(output) == wanted
