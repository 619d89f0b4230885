"""Tests a key's limits over HTTP: 429, the RateLimit fields, and concurrency slots."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.serve.application import Application, form, running
from tests.serve.fakes import until

NAVY = {"colors": ["navy"]}


@pytest_asyncio.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    """An application of one replica."""
    async with running(tmp_path, limit_replicas=1) as made:
        yield made


async def ask(application: Application, key: str) -> httpx.Response:
    """Asks for advice for navy with this key."""
    return await application.stranger.post("/v1/advice", json=NAVY, headers={"X-API-Key": application.keys[key]})


async def test_the_rate_limit_fields_count_down_to_429(application: Application) -> None:
    """A limit of three a minute gives three answers, then 429. The fields say what is left and when it resets."""
    answers = [await ask(application, "few") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    left = [answer.headers["RateLimit"].split(";")[1] for answer in answers]
    assert left == ["r=2", "r=1", "r=0", "r=0"]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"minute";q=3;w=60'}
    refused = answers[-1]
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"] == f'"minute";r=0;t={refused.headers["Retry-After"]}'


async def test_other_keys_are_served_when_one_is_used_up(application: Application) -> None:
    """Keys do not share limits, and a key without a limit gets no such fields."""
    for _ in range(4):
        await ask(application, "few")
    answer = await ask(application, "whole")
    assert answer.status_code == 200
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & set(answer.headers)


async def test_refused_requests_count_when_they_reach_the_key(application: Application) -> None:
    """A request that is refused for its content counts. One with a wrong key does not."""
    key = {"X-API-Key": application.keys["few"]}
    for _ in range(3):
        assert (await application.stranger.post("/v1/advice", json={}, headers=key)).status_code == 422
        assert (await application.stranger.post("/v1/advice", json=NAVY)).status_code == 401
    assert (await ask(application, "few")).status_code == 429


async def test_a_second_request_is_refused_when_the_first_is_in_progress(application: Application) -> None:
    """A key with one slot gets 429 and Retry-After during its own request, and an answer after it."""
    gate = application.walk.segmentation.gate
    gate.clear()
    key = {"X-API-Key": application.keys["single"]}
    first = asyncio.create_task(application.stranger.post("/v1/advice", headers=key, **form()))
    await until(lambda: application.walk.calls()["segmentation"] == 1)
    refused = await ask(application, "single")
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["Retry-After"] == "1"
    assert (await ask(application, "whole")).status_code == 200
    gate.set()
    assert (await first).status_code == 200
    assert (await ask(application, "single")).status_code == 200
