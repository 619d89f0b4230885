"""Starts the S3 server of a development start and of tests: SeaweedFS, which verifies signatures."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pipeline.errors import ColorMatchError
from serve.local.processes import HOST, free_port
from serve.settings import S3Environment
from serve.uploads.object_store import ObjectStore

BUCKET = "uploads"
# Taste: SeaweedFS takes some seconds, and longer on a busy machine.
START_TIMEOUT_S = 60.0
POLL_S = 0.1
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
# Taste: how long a development start keeps uploads.
MAX_OBJECTS_DAYS = 1


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """A started server and its credentials."""

    url: str
    access_key_id: str
    secret_access_key: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def config(self, bucket: str = BUCKET) -> S3Environment:
        """The settings of the service for one of its buckets."""
        return S3Environment(
            bucket=bucket,
            endpoint_url=self.url,
            access_key_id=self.access_key_id,
            secret_access_key=SecretStr(self.secret_access_key),
        )

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables."""
        return {
            "S3_BUCKET": BUCKET,
            "S3_ENDPOINT_URL": self.url,
            "S3_ACCESS_KEY_ID": self.access_key_id,
            "S3_SECRET_ACCESS_KEY": self.secret_access_key,
        }


class ObjectServerFailed(Exception):
    """The server did not start; the one argument is the end of its log."""


def start(run_folder: Path, data_folder: Path) -> ObjectServer:
    """Starts a server on free ports of the loopback interface; it is ready some seconds later."""
    for folder in (run_folder, data_folder):
        folder.mkdir(parents=True, exist_ok=True)
    access_key_id, secret_access_key = f"local-{secrets.token_hex(4)}", secrets.token_hex(24)
    config, log = run_folder / "objects.json", run_folder / "objects.log"
    credentials = [{"accessKey": access_key_id, "secretKey": secret_access_key}]
    config.touch(mode=0o600)
    actions = ["Admin", "Read", "Write", "List"]
    config.write_text(json.dumps({"identities": [{"name": "local", "credentials": credentials, "actions": actions}]}))
    ports = [free_port() for _ in range(2 * len(PORTS))]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            _command(config, data_folder, ports),
            stdout=output,
            stderr=output,
            cwd=data_folder,
            env={name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
        )
    url = f"http://{HOST}:{ports[PORTS.index('s3.port')]}"
    return ObjectServer(url, access_key_id, secret_access_key, process, log)


def wait_until_ready(server: ObjectServer, bucket: str = BUCKET) -> None:
    """Waits until the server takes objects, and makes the bucket unless it exists. Raises ObjectServerFailed."""
    asyncio.run(_prepare(server, bucket))


async def _prepare(server: ObjectServer, bucket: str) -> None:
    store = ObjectStore(server.config(bucket), timeout_s=START_TIMEOUT_S)
    end_s = time.monotonic() + START_TIMEOUT_S
    try:
        while time.monotonic() < end_s and server.process.poll() is None:
            try:
                await store.make_bucket(expire_days=MAX_OBJECTS_DAYS)
                return
            except ColorMatchError:
                await asyncio.sleep(POLL_S)
    finally:
        await store.close()
    lines = server.log.read_text(errors="replace").splitlines()[-5:]
    raise ObjectServerFailed(f"The object store did not start: {' | '.join(lines)}")


def _command(config: Path, data_folder: Path, ports: list[int]) -> list[str]:
    listen = [f"-{name}={port}" for name, port in zip(PORTS, ports, strict=False)]
    listen += [f"-{name}.grpc={port}" for name, port in zip(PORTS, ports[len(PORTS) :], strict=False)]
    return [
        str(Path(sys.executable).with_name("weed")), "server", f"-ip={HOST}", f"-ip.bind={HOST}", f"-dir={data_folder}",
        "-master.volumeSizeLimitMB=64", "-volume.max=200", "-master.telemetry=false", "-filer=true", "-s3=true",
        f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", *listen,
    ]  # fmt: skip
