"""Tests configs/compose: its files exist, its variables are known, and what it prepares is what the service reads."""

import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.keys.keyring import KeyRing
from serve.keys.records import KeyFile
from serve.settings import Environment, S3Environment
from tests.s3_server import S3Server

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "configs" / "compose"
SERVICES: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def test_every_mounted_file_exists() -> None:
    """Docker makes an empty folder of a file that is missing, so each must be there."""
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith(".")]
    assert len(files) >= 7
    assert [name for name in files if not (COMPOSE / name).is_file()] == []


def test_every_port_is_published_on_loopback_alone() -> None:
    """The passwords are in the repository, so nothing may be reached from another machine."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_service_knows_its_variables() -> None:
    """Each variable is one that the service reads."""
    known = {name.upper() for name in Environment.model_fields} | {
        f"S3_{n.upper()}" for n in S3Environment.model_fields
    }
    assert SERVICES["service"]["environment"].keys() <= known
    assert SERVICES["service"]["environment"] == SERVICES["prepare"]["environment"]


def test_the_service_listens_where_docker_looks() -> None:
    """The command replaces the address that stands in the config."""
    command = SERVICES["service"]["command"][-1]
    assert "s/host: 127.0.0.1/host: 0.0.0.0/" in command
    assert "host: 127.0.0.1" in (ROOT / "configs" / "serve.local.yaml").read_text()


def test_prometheus_and_grafana_find_their_files() -> None:
    """The scrape names the service, its key is the one that is made, and the dashboard lies where Grafana looks."""
    (scrape,) = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": ["service:8000"]}]
    assert scrape["authorization"] == {"credentials_file": "/keys/metrics_key"}
    (provider,) = yaml.safe_load((COMPOSE / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert any(mount.split(":")[1].startswith(provider["options"]["path"]) for mount in SERVICES["grafana"]["volumes"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_reads_what_prometheus_gets(tmp_path: Path) -> None:
    """promtool accepts the scrape config with the alerts beside it, where the container has them."""
    shutil.copy(COMPOSE / "prometheus.yaml", tmp_path)
    shutil.copy(ROOT / "configs" / "monitoring" / "alerts.yaml", tmp_path)
    command = ["promtool", "check", "config", "--syntax-only", "prometheus.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        "rules found"
        in subprocess.run(
            ["promtool", "check", "rules", "alerts.yaml"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
    )


@pytest.mark.asyncio
async def test_the_keys_open_the_service_when_prepared(tmp_path: Path) -> None:
    """The development key has every scope, and Prometheus' own may read metrics alone; a second start keeps both."""
    prepare = runpy.run_path(str(COMPOSE / "prepare.py"))
    prepare["make_keys"](tmp_path)
    keys = {name: (tmp_path / name).read_text().strip() for name in ("api_key", "metrics_key")}
    prepare["make_keys"](tmp_path)
    assert keys == {name: (tmp_path / name).read_text().strip() for name in keys}
    ring = KeyRing((tmp_path / "secret").read_text().strip().encode(), file=KeyFile(tmp_path / "keys.json"))
    scopes = {name: (await ring.authenticate(key)).scopes for name, key in keys.items()}
    assert scopes["metrics_key"] == frozenset({"metrics"})
    assert scopes["api_key"] > scopes["metrics_key"]


@pytest.mark.asyncio
async def test_the_bucket_is_made_when_prepared(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket is made in a real S3 server, also when it is there already."""
    for name, value in s3.started.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("S3_BUCKET", "compose-test")
    prepare = runpy.run_path(str(COMPOSE / "prepare.py"))
    await prepare["make_bucket"]()
    await prepare["make_bucket"]()
