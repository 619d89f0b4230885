"""Tests which ports of a running application can be reached, and that Ray's interfaces need a token."""

import httpx
import psutil
import pytest

from tests.cluster.application import Application, cmdline, descendants

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
DASHBOARD_PATHS = ("/api/serve/applications/", "/api/jobs/", "/nodes?view=summary", "/api/v0/actors")


@pytest.mark.parametrize("path", DASHBOARD_PATHS)
def test_the_token_is_needed_when_ray_is_asked(application: Application, path: str) -> None:
    """The dashboard, the job API and the state API refuse requests without Ray's token or with a wrong one."""
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


def test_nothing_listens_beyond_loopback(application: Application) -> None:
    """Every port is on loopback, but for HAProxy's two read-only ports and the replicas' gRPC (docs/security.md)."""
    wide = set()
    for process in [psutil.Process(application.launch.process.pid), *descendants(application.launch.process.pid)]:
        try:
            listening = [one.laddr for one in process.net_connections(kind="tcp") if one.status == psutil.CONN_LISTEN]
        except psutil.Error:
            continue
        if {address.ip for address in listening} - LOOPBACK:
            wide.add(" ".join(cmdline(process)))
    assert [name for name in wide if "haproxy" not in name.split()[0] and "ray::ServeReplica:" not in name] == []
