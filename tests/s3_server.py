"""Runs a real S3 server for tests, which verifies signatures, and a client of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from serve.local import objects as local_objects


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server. environment: the variables by which any AWS client finds the server and its key."""

    started: local_objects.ObjectServer

    @property
    def url(self) -> str:
        """The server's endpoint."""
        return self.started.url

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.started.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.started.secret_access_key,
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

    def remove(self, bucket: str, key: str) -> None:
        """Removes one object."""
        self._client().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys below a prefix, sorted."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def _client(self) -> Any:
        return _client(self.url, self.started.access_key_id, self.started.secret_access_key)


@cache
def _client(url: str, access_key_id: str, secret_access_key: str) -> Any:
    return get_session().create_client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 4}),
    )


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Runs a server on free ports, with its data in the folder, until the end of the block."""
    started = local_objects.start(folder / "run", folder / "data")
    try:
        local_objects.wait_until_ready(started)
        yield S3Server(started)
    finally:
        started.process.kill()
        started.process.wait()
