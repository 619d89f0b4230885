"""A real S3 server of this machine for tests and benches: SeaweedFS, which verifies signatures; standard library."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

START_TIMEOUT_S = 60.0
KEY, SECRET = "test-key", "test-secret"
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server. environment: with it every AWS client finds it and its key."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def make_bucket(self, name: str) -> None:
        """Makes a bucket."""
        self._client().create_bucket(Bucket=name)

    def put(self, bucket: str, objects: dict[str, bytes]) -> None:
        """Writes objects by key."""
        client = self._client()
        for key, data in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=data)

    def get(self, bucket: str, key: str) -> bytes:
        """Reads one object."""
        data: bytes = self._client().get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys below a prefix, sorted."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def _client(self) -> Any:
        return get_session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 4}),
        )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A server on free ports with its data in the folder, ended with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    key = {"accessKey": KEY, "secretKey": SECRET}
    identities = [{"name": "tests", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = _free_ports(2 * len(PORTS))
    listen = [f"-{name}={ports[k]}" for k, name in enumerate(PORTS)]
    listen += [f"-{name}.grpc={ports[len(PORTS) + k]}" for k, name in enumerate(PORTS)]
    command = [
        str(Path(sys.executable).with_name("weed")), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}",
        "-master.volumeSizeLimitMB=64", "-volume.max=200", "-master.telemetry=false", "-filer=true", "-s3=true",
        f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", *listen,
    ]  # fmt: skip
    with (folder / "weed.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={"PATH": os.environ["PATH"]})
    server = S3Server(f"http://127.0.0.1:{ports[PORTS.index('s3.port')]}")
    try:
        _wait(server, process, folder / "weed.log")
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: S3Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end_s:
        assert process.poll() is None, log.read_text()[-2000:]
        with suppress(BotoCoreError, ClientError):
            server.make_bucket("ready")
            server.put("ready", {"probe": b"1"})
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
