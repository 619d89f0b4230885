"""Tests jobs that `ray job submit` sends to the running application's Ray."""

import sys
from pathlib import Path

from tests.cluster.application import Application, comes_true, wait_until
from tests.pipeline.backfill.catalogue import paint_catalogue


def test_a_submitted_job_runs_the_services_python(application: Application) -> None:
    """`python` in a submitted job is the interpreter of the environment that Ray runs in."""
    with application.ray_client() as ray:
        submitted = ray.post("/api/jobs/", json={"entrypoint": "python -c 'import sys; print(sys.prefix)'"})
        job = f"/api/jobs/{submitted.raise_for_status().json()['submission_id']}"
        wait_until(lambda: ray.get(job).json()["status"] in ("SUCCEEDED", "FAILED", "STOPPED"))
        assert ray.get(job).json()["status"] == "SUCCEEDED"
        # Ray's own lines may run into the job's.
        assert sys.prefix in ray.get(f"{job}/logs").json()["logs"]


def test_a_backfill_runs_beside_the_service_on_two_cores(application: Application, tmp_path: Path) -> None:
    """The plain command takes what the service leaves free, ends with `_SUCCESS`, and shows no line of Ray's own."""
    paint_catalogue(tmp_path / "photos", 4)
    command = f"python -m pipeline.backfill --input {tmp_path / 'photos'} --output {tmp_path / 'out'}"
    with application.ray_client() as ray:
        submitted = ray.post("/api/jobs/", json={"entrypoint": command})
        job = f"/api/jobs/{submitted.raise_for_status().json()['submission_id']}"
        ended = ("SUCCEEDED", "FAILED", "STOPPED")
        assert comes_true(lambda: ray.get(job).json()["status"] in ended, within_s=110)
        said = ray.get(f"{job}/logs").json()["logs"]
    assert (tmp_path / "out" / "_SUCCESS").exists(), said
    assert "4 of 4 images (100 %)" in said
    assert not [
        noise
        for noise in ("core_worker.cc", "logging.cc", "Connecting to existing", "RAY_AUTH", "Warning")
        if noise in said
    ]
