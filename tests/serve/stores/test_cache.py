"""The caches: a hit only for a value that this cache wrote, and a miss for everything else."""

import hashlib
import hmac
import re
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.types import PhaseName
from serve.stores.cache import TTL_JITTER, TTL_S, Cache, Found, cache_key
from serve.stores.redis import NoStore
from serve.vocabulary import Layer
from serve.walk.question import Question
from tests.serve.fakes import SECRET, MemoryStore

KEY = cache_key("extraction", "tenant", b"content")
ADVICE_KEY = cache_key("advice", "tenant", b"content")


def _cache(store: MemoryStore, *, secret: bytes = SECRET, memory_bytes: int = 1000) -> Cache:
    return Cache(store, secret=secret, memory_bytes=memory_bytes)


# --- what a lookup gives --------------------------------------------------------------------------------------
async def test_a_value_is_found_when_it_was_kept() -> None:
    """A stored value is a hit, also for another replica on the same store."""
    store = MemoryStore()
    await _cache(store).set(KEY, b"value")
    assert await _cache(store).get(KEY) == Found("hit", b"value")


async def test_a_lookup_misses_when_nothing_was_kept() -> None:
    """An unknown key is a miss without a value."""
    assert await _cache(MemoryStore()).get(KEY) == Found("miss")


async def test_the_store_is_unavailable_when_it_is_down() -> None:
    """With a failing store a lookup misses, and a write is not an error."""
    store = MemoryStore()
    store.down = True
    cache = _cache(store)
    await cache.set(KEY, b"value")
    assert await cache.get(KEY) == Found("unavailable")
    assert not await cache.reachable()
    store.down = False
    assert await cache.reachable()
    assert await cache.get(KEY) == Found("miss")


async def _looked_up(cache: Cache, key: str) -> Found:
    """A value as the walk looks it up: in this process, then in the store."""
    remembered = cache.remembered(key)
    return await cache.get(key) if remembered is None else Found("hit", remembered)


async def test_advice_is_found_in_the_process_when_the_store_is_down() -> None:
    """Whole answers are also kept in the process; phase results are not."""
    store = MemoryStore()
    cache = _cache(store)
    await cache.set(ADVICE_KEY, b"value")
    await cache.set(KEY, b"value")
    store.down = True
    assert await _looked_up(cache, ADVICE_KEY) == Found("hit", b"value")
    assert await _looked_up(cache, KEY) == Found("unavailable")


async def test_an_answer_is_remembered_when_the_store_had_it() -> None:
    """The second lookup of a stored answer does not ask the store."""
    store = MemoryStore()
    await _cache(store).set(ADVICE_KEY, b"value")
    cache = _cache(store)
    for _ in range(3):
        assert await _looked_up(cache, ADVICE_KEY) == Found("hit", b"value")
    assert store.reads == [ADVICE_KEY]


async def test_memory_is_bounded_when_answers_are_many_or_large() -> None:
    """The process keeps the most recently used answers within its limit, and no answer above the limit."""
    store = MemoryStore()
    cache = _cache(store, memory_bytes=100)
    keys = [cache_key("advice", str(k)) for k in range(20)]
    for key in keys:
        await cache.set(key, b"x" * 30)
    await cache.set(ADVICE_KEY, b"x" * 200)
    store.down = True
    found = [(await _looked_up(cache, key)).status for key in (*keys, ADVICE_KEY)]
    assert found == ["unavailable"] * 17 + ["hit"] * 3 + ["unavailable"]


async def test_nothing_is_available_when_no_store_is_configured() -> None:
    """Without Redis every lookup is unavailable."""
    cache = Cache(NoStore(), secret=SECRET, memory_bytes=1)
    await cache.set(KEY, b"value")
    assert await cache.get(KEY) == Found("unavailable")
    assert not await cache.reachable()


async def test_the_store_is_closed_when_the_cache_is() -> None:
    """Closing the cache closes the store."""
    store = MemoryStore()
    await _cache(store).close()
    assert store.closed


# --- what others may have written -----------------------------------------------------------------------------
async def _sealed() -> bytes:
    store = MemoryStore()
    await _cache(store).set(KEY, b"value")
    return store.values[KEY]


@pytest.mark.parametrize("position", [0, 7, 15, 16, 20])
async def test_a_lookup_misses_when_a_byte_was_changed(position: int) -> None:
    """A change in the tag or in the value is a miss."""
    changed = bytearray(await _sealed())
    changed[position] ^= 1
    store = MemoryStore()
    store.values[KEY] = bytes(changed)
    assert await _cache(store).get(KEY) == Found("miss")


async def test_a_lookup_misses_when_a_value_was_moved() -> None:
    """A validly tagged value under another key is a miss, so no tenant gets another's answer."""
    store = MemoryStore()
    other = cache_key("extraction", "other tenant", b"content")
    store.values[other] = await _sealed()
    assert await _cache(store).get(other) == Found("miss")


async def test_a_lookup_misses_when_it_was_tagged_with_another_secret() -> None:
    """A value that was tagged with another secret is a miss."""
    store = MemoryStore()
    await _cache(store, secret=b"another").set(KEY, b"value")
    assert await _cache(store).get(KEY) == Found("miss")


@given(st.binary(max_size=64))
@settings(derandomize=True, deadline=None, max_examples=100)
async def test_a_lookup_misses_when_the_store_holds_junk(junk: bytes) -> None:
    """Any bytes without our tag are a miss, including pickles and bytes that are too short."""
    store = MemoryStore()
    store.values[KEY] = junk
    assert await _cache(store).get(KEY) == Found("miss")


async def test_a_value_is_tagged_with_hmac_sha256_when_kept() -> None:
    """The tag is the first 16 bytes of HMAC-SHA-256 over key, NUL and value."""
    expected = hmac.new(SECRET, KEY.encode() + b"\0value", hashlib.sha256).digest()[:16]
    assert await _sealed() == expected + b"value"


# --- how long -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("layer", get_args(Layer))
async def test_lifetimes_differ_when_values_are_written_together(layer: Layer) -> None:
    """Each key's lifetime is its layer's within a tenth, the same every time, and spread out."""
    store = MemoryStore()
    keys = [cache_key(layer, str(k)) for k in range(200)]
    for _ in range(2):
        lifetimes = dict(store.ttl_s)
        for key in keys:
            await _cache(store).set(key, b"")
    assert store.ttl_s == lifetimes
    least, most = TTL_S[layer] * (1 - TTL_JITTER), TTL_S[layer] * (1 + TTL_JITTER)
    assert all(round(least) <= ttl_s <= round(most) for ttl_s in lifetimes.values())
    assert max(lifetimes.values()) - min(lifetimes.values()) > 0.15 * TTL_S[layer]


def test_lifetimes_are_the_contracts_when_read() -> None:
    """Advice 7 days, segmentation and extraction 24 h, harmony 1 h."""
    assert TTL_S == {"advice": 604_800, "segmentation": 86_400, "extraction": 86_400, "harmony": 3_600}


# --- keys -----------------------------------------------------------------------------------------------------
BASE = Question("image", Options(), "tenant", image=b"photo")
VERSIONS: dict[PhaseName, str] = {"segmentation": "s1", "extraction": "e1", "harmony": "h1"}
ITEM = WardrobeItem("w1", (ColorShare("#ffffff"),))
SHAPING: dict[str, Any] = {
    "segment": "none",
    "subject": "worn",
    "category": "top",
    "garments": ("top",),
    "max_colors": 6,
    "schemes": ("triadic",),
    "intent": "bold",
    "wheel": "ryb",
    "max_suggestions": 7,
    "wardrobe": (ITEM,),
    "white_balance": "apply",
    "lang": "xx",
    "include": ("masks",),
}
NOT_SHAPING: dict[str, Any] = {"include": ("timings",), "cache": "refresh", "store": False}


def _advice_key(question: Question, versions: dict[PhaseName, str] | None = None) -> str:
    return question.advice_key(question.content(), VERSIONS if versions is None else versions)


def test_every_option_is_known_to_shape_or_not_when_listed() -> None:
    """The two tables cover all options, so that the key cannot miss a new one."""
    assert SHAPING.keys() | NOT_SHAPING.keys() == {field.name for field in fields(Options)}


@pytest.mark.parametrize(("name", "value"), SHAPING.items())
def test_the_advice_key_differs_when_one_option_does(name: str, value: Any) -> None:
    """Every option that shapes the answer is in the key."""
    assert _advice_key(replace(BASE, options=Options(**{name: value}))) != _advice_key(BASE)


@pytest.mark.parametrize(("name", "value"), NOT_SHAPING.items())
def test_the_advice_key_is_the_same_when_an_option_shapes_nothing(name: str, value: Any) -> None:
    """Options that only steer the caches, or ask for timings, do not change the key."""
    assert _advice_key(replace(BASE, options=Options(**{name: value}))) == _advice_key(BASE)


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, image=b"photp"),
        replace(BASE, mask=b"mask"),
        replace(BASE, mask=b""),
        replace(BASE, tenant="other"),
        replace(BASE, mode="object"),
        replace(BASE, view="extract"),
        replace(BASE, colors=(ColorShare("#ffffff"),)),
        replace(BASE, colors=(ColorShare("#ffffff", 1.0),)),
    ],
)
def test_the_advice_key_differs_when_one_input_does(other: Question) -> None:
    """Photo, mask, tenant, mode, view and colours are each in the key."""
    assert _advice_key(other) != _advice_key(BASE)


@pytest.mark.parametrize("phase", get_args(PhaseName))
def test_the_advice_key_differs_when_one_version_does(phase: PhaseName) -> None:
    """Every phase's version is in the key."""
    assert _advice_key(BASE, {**VERSIONS, phase: "2"}) != _advice_key(BASE)


@pytest.mark.parametrize(
    ("tenant", "phase", "content", "version"),
    [
        ("other", "extraction", b"c", "1"),
        ("tenant", "harmony", b"c", "1"),
        ("tenant", "extraction", b"d", "1"),
        ("tenant", "extraction", b"c", "2"),
    ],
)
def test_a_phase_key_differs_when_one_part_does(tenant: str, phase: PhaseName, content: bytes, version: str) -> None:
    """Tenant, phase, content and version are each in a phase's key."""
    found = replace(BASE, tenant=tenant).phase_key(phase, content, version)
    assert found != BASE.phase_key("extraction", b"c", "1")


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_keys_are_equal_only_when_their_parts_are(first: list[bytes], second: list[bytes]) -> None:
    """Two keys are equal only when their parts are: parts cannot run into one another."""
    assert (cache_key("advice", *first) == cache_key("advice", *second)) == (first == second)


def test_a_key_tells_nothing_when_it_is_read() -> None:
    """A key consists of a layer and digests, so it reveals neither the tenant nor the photo."""
    assert re.fullmatch(r"advice(:[0-9a-f]{32}){2}:[0-9a-f]{64}", _advice_key(BASE))
