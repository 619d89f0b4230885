"""Fixtures for the S3 server that all tests share."""

from pathlib import Path

import pytest

from tests.s3_server import S3Server


@pytest.fixture
def server(s3: S3Server) -> S3Server:
    """The S3 server."""
    return s3


@pytest.fixture
def bucket(server: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A bucket for this test alone. The environment names the server."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    server.make_bucket(name)
    return name
