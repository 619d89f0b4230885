"""Provides an advisor on phases that work."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.serve.fakes import Walk


@pytest_asyncio.fixture
async def walk() -> AsyncIterator[Walk]:
    """An advisor on three working phases, with an empty cache."""
    made = Walk()
    yield made
    await made.advisor.close()
