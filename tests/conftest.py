"""Provides the fixtures that the tests of several packages share."""

from collections.abc import Iterator

import pytest

from tests.clients.packed import Packed, pack
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for all tests that need one."""
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """Both clients, packed once and installed as their users have them."""
    return pack(tmp_path_factory.mktemp("clients"))
