"""What of a running application can be reached, and by whom: Ray's own doors are shut to whoever has no token."""

import httpx
import psutil
import pytest

from tests.cluster.application import Application, cmdline, descendants

LOOPBACK = {"127.0.0.1", "::1"}
DASHBOARD_PATHS = ("/api/serve/applications/", "/api/jobs/", "/nodes?view=summary", "/api/v0/actors")


@pytest.mark.parametrize("path", DASHBOARD_PATHS)
def test_the_token_is_needed_when_ray_is_asked(application: Application, path: str) -> None:
    """The dashboard, the job API and the state API answer nothing without Ray's token, nor with a wrong one."""
    with application.ray_client() as ray:
        known = ray.get(path)
        url = str(ray.base_url)
    assert known.status_code == 200
    with httpx.Client(base_url=url, trust_env=False) as stranger:
        assert stranger.get(path).status_code == 401
        assert stranger.get(path, headers={"Authorization": "Bearer wrong"}).status_code in (401, 403)


def test_no_job_runs_when_it_comes_without_the_token(application: Application) -> None:
    """Submitting a job, which would run any command, is refused."""
    with application.ray_client() as ray:
        url = str(ray.base_url)
    with httpx.Client(base_url=url, trust_env=False) as stranger:
        assert stranger.post("/api/jobs/", json={"entrypoint": "true"}).status_code == 401


def test_nothing_listens_beyond_loopback_when_the_application_runs(application: Application) -> None:
    """Every port below the launcher is bound to the loopback interface, but for HAProxy's two read-only ones."""
    wide: dict[str, int] = {}
    for process in [psutil.Process(application.launch.process.pid), *descendants(application.launch.process.pid)]:
        try:
            ports = {
                one.laddr.port
                for one in process.net_connections(kind="tcp")
                if one.status == psutil.CONN_LISTEN and one.laddr.ip not in LOOPBACK
            }
        except psutil.Error:
            continue
        name = "haproxy" if "haproxy" in " ".join(cmdline(process)[:1]) else " ".join(cmdline(process))[:80]
        if ports:
            wide[name] = wide.get(name, 0) + len(ports)
    assert set(wide) <= {"haproxy"}
