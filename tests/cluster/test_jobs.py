"""Tests jobs that `ray job submit` sends to the running application's Ray."""

import sys

from tests.cluster.application import Application, wait_until


def test_a_submitted_job_runs_the_services_python(application: Application) -> None:
    """`python` in a submitted job is the interpreter of the environment that Ray runs in."""
    with application.ray_client() as ray:
        submitted = ray.post("/api/jobs/", json={"entrypoint": "python -c 'import sys; print(sys.prefix)'"})
        job = f"/api/jobs/{submitted.raise_for_status().json()['submission_id']}"
        wait_until(lambda: ray.get(job).json()["status"] in ("SUCCEEDED", "FAILED", "STOPPED"))
        assert ray.get(job).json()["status"] == "SUCCEEDED"
        assert sys.prefix in ray.get(f"{job}/logs").json()["logs"].split()
