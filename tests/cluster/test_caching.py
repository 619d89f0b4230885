"""Tests what the caches keep, seen from outside and in a real Valkey."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis

from tests.cluster.application import comes_true, photo_form, wait_until
from tests.cluster.conftest import House
from tests.cluster.contract import must_be_answer


@pytest.fixture
def store(house: House) -> Iterator[redis.Redis]:
    """The cache server, emptied."""
    with redis.Redis.from_url(house.cache_url, decode_responses=True) as store:
        store.flushall()
        yield store


def without_own_parts(response: httpx.Response) -> bytes:
    """An answer's bytes without request_id and meta, which belong to one request."""
    answer: dict[str, Any] = response.json()
    head = f'{{"request_id":"{answer["request_id"]}",'
    meta = ',"meta":' + json.dumps(answer["meta"], separators=(",", ":")) + "}"
    assert response.text.startswith(head)
    assert response.text.endswith(meta)
    return response.text.removeprefix(head).removesuffix(meta).encode()


@pytest.mark.parametrize("path", ["/v1/advice", "/v1/segment", "/v1/extract", "/v1/harmony"])
def test_answers_are_equal_bytes_when_both_are_computed(client: httpx.Client, astronaut: bytes, path: str) -> None:
    """`cache: bypass` computes twice; apart from request_id and meta the two are the same, byte for byte."""
    include = ["masks", "alternatives", "vector"]
    first, second = (client.post(path, **photo_form(astronaut, cache="bypass", include=include)) for _ in range(2))
    assert first.json()["degraded"] == second.json()["degraded"] == []
    assert first.json()["meta"]["cache"]["segmentation"] == "bypass"
    assert without_own_parts(first) == without_own_parts(second)


# The service gives the store only 40 ms, which a busy machine may overrun: then it is not asked for a second.
MISSED = ("miss", "unavailable")


def layers(store: redis.Redis) -> set[str]:
    """The kinds of keys in the store."""
    return {str(key).partition(":")[0] for key in store.scan_iter()}


def ask_until(kept: Callable[[], bool], ask: Callable[[int], httpx.Response]) -> None:
    """Asks new questions until an answer is cached, because a write may be lost."""
    numbers = itertools.count(1)

    def asked() -> bool:
        assert ask(next(numbers)).status_code == 200
        return comes_true(kept, within_s=2.0)

    wait_until(asked)


def test_advice_is_a_hit_when_asked_again(client: httpx.Client, astronaut: bytes, store: redis.Redis) -> None:
    """The second equal question is answered from the cache, with the same bytes."""
    form = photo_form(astronaut, max_suggestions=7)
    first = client.post("/v1/advice", **form)
    must_be_answer(first, "AdviceAnswer")
    second = client.post("/v1/advice", **form)
    must_be_answer(second, "AdviceAnswer")
    statuses = {"advice": "hit", "segmentation": "skipped", "extraction": "skipped", "harmony": "skipped"}
    assert first.json()["meta"]["cache"]["advice"] in MISSED
    assert second.json()["meta"]["cache"] == statuses
    assert without_own_parts(first) == without_own_parts(second)


def test_phases_are_hits_when_only_the_harmony_changes(
    client: httpx.Client, astronaut: bytes, store: redis.Redis
) -> None:
    """Every layer is kept in the store, and another intent needs neither the network nor the palettes again."""
    ask_until(
        lambda: layers(store) == {"advice", "segmentation", "extraction", "harmony"},
        lambda number: client.post("/v1/advice", **photo_form(astronaut, intent="subtle", max_suggestions=number)),
    )
    statuses = {"advice": "miss", "segmentation": "hit", "extraction": "hit", "harmony": "miss"}
    numbers = itertools.count(1)

    def only_harmony_works() -> bool:
        form = photo_form(astronaut, intent="bold", max_suggestions=next(numbers))
        return bool(must_be_answer(client.post("/v1/advice", **form), "AdviceAnswer")["meta"]["cache"] == statuses)

    wait_until(only_harmony_works)


@pytest.mark.parametrize(("chosen", "size"), [({"store": False}, 7), ({"cache": "bypass"}, 9)], ids=str)
def test_nothing_is_kept_when_the_client_says_so(
    client: httpx.Client, grace_hopper: bytes, store: redis.Redis, chosen: dict[str, Any], size: int
) -> None:
    """No key is left in the store, nor an answer in the replica's memory."""
    form = photo_form(grace_hopper, max_colors=size, **chosen)
    must_be_answer(client.post("/v1/advice", **form), "AdviceAnswer")
    must_be_answer(client.post("/v1/advice", json={"colors": ["teal"], "options": chosen}), "AdviceAnswer")
    assert list(store.scan_iter()) == []
    # Once this later answer is stored, the earlier ones would be stored too.
    ask_until(
        lambda: int(store.dbsize()) > 0,
        lambda number: client.post("/v1/advice", json={"colors": [f"#{size}{size}{number:04x}"]}),
    )
    assert int(store.dbsize()) == 1
    again = client.post("/v1/advice", **photo_form(grace_hopper, max_colors=size))
    assert again.json()["meta"]["cache"]["advice"] in MISSED


def test_answers_are_refreshed_when_asked_to(client: httpx.Client, store: redis.Redis) -> None:
    """`refresh` computes anew and writes, so that the next default question is a hit."""
    body = {"colors": ["olive"], "options": {"cache": "refresh"}}
    answers = [must_be_answer(client.post("/v1/advice", json=body), "AdviceAnswer") for _ in range(2)]
    assert [answer["meta"]["cache"]["advice"] for answer in answers] == ["refresh", "refresh"]
    found = client.post("/v1/advice", json={"colors": ["olive"]})
    assert found.json()["meta"]["cache"]["advice"] == "hit"
