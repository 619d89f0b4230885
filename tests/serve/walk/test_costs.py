"""Guards what one request costs, by counts that do not depend on the machine: calls, bytes, store trips, copies.

A count that rises is either a mistake or a decision; then the new count belongs here, with its reason in the commit.
"""

import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline import codec
from pipeline.types import RgbImage
from tests.serve.fakes import FakeDecoder, MemoryStore, Walk, ask, colours, painted, photo

# The analysed size of a photo in portrait format.
HEIGHT_PX, WIDTH_PX = 512, 342
PIXEL_BYTES = HEIGHT_PX * WIDTH_PX * 3
# What a message may add to its pixels: options, numbers, and label maps in their compressed form.
FRAME_BYTES = 30_000


@dataclass
class CountingStore(MemoryStore):
    """A store that counts its trips by command."""

    trips: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def _count(self, command: str) -> None:
        self.trips[command] = self.trips.get(command, 0) + 1

    async def get(self, key: str) -> bytes | None:
        self._count("get")
        return await super().get(key)

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        self._count("set")
        await super().set(key, value, ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        self._count("add")
        return await super().add(key, value, ttl_s)

    async def remove(self, key: str, value: bytes) -> None:
        self._count("remove")
        await super().remove(key, value)


@pytest.fixture
def pixels() -> RgbImage:
    """A painted photo at analysed size, with a camera's grain, so that it does not compress to nothing."""
    grain = np.random.default_rng(3).integers(-6, 7, (HEIGHT_PX, WIDTH_PX, 3))
    return np.clip(painted(HEIGHT_PX, WIDTH_PX).astype(int) + grain, 0, 255).astype(np.uint8)


@pytest.fixture
def store() -> CountingStore:
    """A store that counts."""
    return CountingStore()


@pytest.fixture
def walk(pixels: RgbImage, store: CountingStore) -> Walk:
    """A walk with that photo and that store."""
    return Walk(decoder=FakeDecoder(pixels), store=store)


async def test_a_new_photo_costs_three_calls_when_nothing_is_cached(walk: Walk, store: CountingStore) -> None:
    """One decode, one call of each phase, five trips before the answer and six beside it."""
    await ask(walk, photo())
    assert len(walk.decoder.asked) == 1
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}
    assert store.trips == {"get": 4, "add": 1, "set": 4, "remove": 1}


async def test_the_pixels_cross_once_to_each_phase_that_sees_them(walk: Walk) -> None:
    """Segmentation gets the network's image, extraction the analysed one, and harmony no pixels."""
    await ask(walk, photo())
    sizes = {name: len(walk.phase(name).payloads[0]) for name in ("segmentation", "extraction", "harmony")}
    assert PIXEL_BYTES < sizes["segmentation"] < PIXEL_BYTES + FRAME_BYTES
    assert PIXEL_BYTES < sizes["extraction"] < PIXEL_BYTES + FRAME_BYTES
    assert sizes["harmony"] < FRAME_BYTES


async def test_a_cached_photo_costs_one_trip_when_this_replica_has_not_seen_it(
    walk: Walk, store: CountingStore
) -> None:
    """One read, no decode and no call."""
    await ask(walk, photo())
    store.trips.clear()
    await ask(walk, photo())
    assert store.trips == {"get": 1}
    assert len(walk.decoder.asked) == 1
    assert walk.calls() == {"segmentation": 1, "extraction": 1, "harmony": 1}


async def test_a_cached_photo_costs_nothing_when_this_replica_remembers_it(pixels: RgbImage) -> None:
    """The memory cache answers without a trip."""
    store = CountingStore()
    walk = Walk(decoder=FakeDecoder(pixels), store=store, memory_bytes=1_000_000)
    await ask(walk, photo())
    store.trips.clear()
    await ask(walk, photo())
    assert store.trips == {}


async def test_colours_cost_one_call_when_they_are_new(walk: Walk, store: CountingStore) -> None:
    """Colours take one hop, one read before it and one write beside it."""
    await ask(walk, colours())
    assert walk.calls() == {"segmentation": 0, "extraction": 0, "harmony": 1}
    assert store.trips == {"get": 1, "set": 1}


def test_pixels_are_copied_once_when_a_message_is_written_and_never_when_it_is_read(pixels: RgbImage) -> None:
    """Encoding holds the pixels twice at most, for a moment; decoding makes a view of the message."""
    tracemalloc.start()
    try:
        encoded = codec.encode(pixels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        decoded = codec.decode(encoded, RgbImage)
        _, after = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3.2 * PIXEL_BYTES
    assert after - before < 1.1 * PIXEL_BYTES
    assert np.array_equal(decoded, pixels)
