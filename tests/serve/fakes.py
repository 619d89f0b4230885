"""Fakes of everything around the walk: phases that answer, hang or fail, a store in memory and a decoder."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline import codec
from pipeline.errors import ColorMatchError, PhaseFailed, from_pair, to_pair
from pipeline.harmony import harmonise as harmony
from pipeline.options import ColorShare, Options
from pipeline.palette import extraction
from pipeline.types import DecodedImage, LabelMap, PhaseName, RgbImage, Segmentation
from pipeline.versions import EXTRACTION_VERSION, HARMONY_VERSION
from serve import wire
from serve.assembly import canary_phases
from serve.observe.metrics import Metrics
from serve.settings import AdviceConfig
from serve.stores.cache import Cache
from serve.stores.redis import Store, StoreError
from serve.walk.advisor import Advisor
from serve.walk.canary import CanaryPhases
from serve.walk.phase_call import FROM_A_PHASE, CanaryHandles, PendingCall, Phase, PhaseHandle, Replicas
from serve.walk.phases import Phases
from serve.walk.question import Answer, Question

Work = Callable[[bytes], bytes]
# The size of the painted photos, so that no edge blurs.
NETWORK_PX = (64, 96)
NETWORK_VERSION = "painted:0:fp32:cpu"
# The second network and its input size.
CANARY_VERSION, CANARY_PX = "painted-2:1:fp32:cpu", (32, 48)
SECRET = b"secret"


# --- photos ---------------------------------------------------------------------------------------------------
GROUND, NAVY, CAMEL = (235, 235, 230), (31, 42, 68), (193, 154, 107)


def painted(height_px: int = 96, width_px: int = 64) -> RgbImage:
    """A navy shirt over camel trousers, a gap between them, on a light ground, (height, width, 3)."""
    pixels = np.full((height_px, width_px, 3), GROUND, np.uint8)
    left, right = width_px // 5, width_px - width_px // 5
    pixels[height_px // 8 : height_px // 2, left:right] = NAVY
    pixels[height_px * 5 // 8 : height_px * 15 // 16, left:right] = CAMEL
    return pixels


def painted_labels(pixels: RgbImage, height_px: int, width_px: int) -> LabelMap:
    """The labels of a perfect network, (height, width): dark pixels are a top, medium ones a bottom."""
    rows = np.arange(height_px) * pixels.shape[0] // height_px
    columns = np.arange(width_px) * pixels.shape[1] // width_px
    brightness = pixels[rows][:, columns].mean(axis=2)
    return np.select([brightness < 90, brightness < 190], [3, 5], 0).astype(np.uint8)


# --- phases ---------------------------------------------------------------------------------------------------
def segment(payload: bytes) -> bytes:
    """Phase 1, with a network for painted photos."""
    request = codec.decode(payload, wire.SegmentRequest)
    labels = painted_labels(request.image, request.height_px, request.width_px)
    return codec.encode(Segmentation(labels, None, NETWORK_VERSION))


def segment_otherwise(payload: bytes) -> bytes:
    """Phase 1 by the second network, which sees no trousers."""
    request = codec.decode(payload, wire.SegmentRequest)
    labels = painted_labels(request.image, request.height_px, request.width_px)
    return codec.encode(Segmentation(np.where(labels == 5, 0, labels).astype(np.uint8), None, CANARY_VERSION))


def extract(payload: bytes) -> bytes:
    """Phase 2, the real one."""
    request = codec.decode(payload, wire.ExtractRequest)
    labels, confidence, options = request.labels, request.confidence, request.options
    return codec.encode(extraction.extract(request.image, labels, confidence, options, opaque=request.opaque))


def harmonise(payload: bytes) -> bytes:
    """Phase 3, the real one."""
    request = codec.decode(payload, wire.HarmoniseRequest)
    return codec.encode(harmony.harmonise(request.garments, request.options))


class FakeCall:
    """A call in progress. It records whether it was cancelled, whether it ended, and whether a replica took it."""

    def __init__(self, work: Callable[[], Awaitable[bytes]]) -> None:
        self._work = work
        self.cancelled = False
        self.ended = False
        self.taken = False

    def __await__(self) -> Generator[object, None, bytes]:
        return self._run().__await__()

    async def _run(self) -> bytes:
        try:
            return await self._work()
        finally:
            self.ended = True

    def cancel(self) -> None:
        self.cancelled = True


class FakePhase:
    """One phase behind a handle. It answers with `work`, unless it hangs, fails, or waits for `gate`.

    errors: the errors of the next calls. error: the error of every later call. running: the number of its replicas;
    None: not known. At 0 a call waits for a replica, as in Serve's router.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self.calls: list[FakeCall] = []
        self.payloads: list[bytes] = []
        self.error: Exception | None = None
        self.errors: list[Exception] = []
        self.hangs = False
        self.running: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def start(self, payload: bytes) -> FakeCall:
        """Sends a payload, as a handle's `remote` does."""
        call = FakeCall(lambda: self._answer(call, payload))
        self.calls.append(call)
        self.payloads.append(payload)
        return call

    @property
    def replicas(self) -> Replicas:
        """What its transport knows."""
        return Replicas(lambda: self.running, self._have)

    def _have(self, call: PendingCall) -> bool:
        assert isinstance(call, FakeCall)
        return call.taken

    async def _answer(self, call: FakeCall, payload: bytes) -> bytes:
        while self.running == 0:
            await asyncio.sleep(0.001)
        call.taken = True
        if self.hangs:
            await asyncio.Event().wait()
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        if self.error is not None:
            raise self.error
        return self._work(payload)


def translate(error: Exception) -> ColorMatchError:
    """Translates a transport's error into PhaseFailed, and one of ours by its code and detail."""
    if isinstance(error, ColorMatchError):
        return from_pair(*to_pair(error), among=FROM_A_PHASE)
    return PhaseFailed("A phase failed.")


# --- stores and decoders --------------------------------------------------------------------------------------
class MemoryStore:
    """A store in memory. `down` makes it fail as a lost Redis does."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.leases: dict[str, bytes] = {}
        self.ttl_s: dict[str, int] = {}
        self.reads: list[str] = []
        self.down = False
        self.closed = False

    async def get(self, key: str) -> bytes | None:
        self._check()
        self.reads.append(key)
        return self.values.get(key, self.leases.get(key))

    async def set(self, key: str, value: bytes, ttl_s: int) -> None:
        self._check()
        self.values[key] = value
        self.ttl_s[key] = ttl_s

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        self._check()
        if key in self.leases:
            return False
        self.leases[key] = value
        return True

    async def remove(self, key: str, value: bytes) -> None:
        self._check()
        if self.leases.get(key) == value:
            del self.leases[key]

    async def ping(self) -> None:
        self._check()

    async def close(self) -> None:
        self.closed = True

    def layers(self) -> list[str]:
        """The layers of the stored keys, sorted."""
        return sorted(key.partition(":")[0] for key in self.values)

    def _check(self) -> None:
        if self.down:
            raise StoreError


class FakeDecoder:
    """Answers every photo with one decoded image, and records the requests."""

    def __init__(self, pixels: RgbImage | None = None) -> None:
        height_px, width_px = (pixels := painted() if pixels is None else pixels).shape[:2]
        self.image = DecodedImage(pixels, width_px, height_px)
        self.asked: list[tuple[bytes, bytes | None, tuple[int, int] | None]] = []
        self.budgets_s: list[float] = []
        self.error: Exception | None = None

    async def decode(
        self, image: bytes, *, mask: bytes | None, network_px: tuple[int, int] | None, budget_s: float
    ) -> DecodedImage:
        self.asked.append((image, mask, network_px))
        self.budgets_s.append(budget_s)
        if self.error is not None:
            raise self.error
        garment = None if mask is None else self.image.pixels[..., 0] < 90
        network = None if network_px is None else self.image.pixels
        return replace(self.image, network=network, mask=garment)


# --- the walk -------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class Walk:
    """An advisor and everything around it."""

    segmentation: FakePhase = field(default_factory=lambda: FakePhase(segment))
    extraction: FakePhase = field(default_factory=lambda: FakePhase(extract))
    harmony: FakePhase = field(default_factory=lambda: FakePhase(harmonise))
    store: MemoryStore = field(default_factory=MemoryStore)
    decoder: FakeDecoder = field(default_factory=FakeDecoder)
    config: AdviceConfig = field(default_factory=AdviceConfig)
    # Too little for any value, unless a test is about the memory cache.
    memory_bytes: int = 1
    # The second network, where there is one.
    canary: FakePhase | None = None
    canary_extraction: FakePhase = field(default_factory=lambda: FakePhase(extract))
    metrics: Metrics = field(default_factory=Metrics)
    advisor: Advisor = field(init=False)

    def __post_init__(self) -> None:
        self.advisor = self.replica()
        for description in descriptions():
            self.advisor.learn(description)
        if self.canary is not None:
            self.advisor.canary.learn(wire.Description("segmentation", CANARY_VERSION, CANARY_PX))

    def replica(self, store: Store | None = None) -> Advisor:
        """Makes another ingress replica on the same phases and store, which knows no description yet."""
        cache = Cache(store or self.store, secret=SECRET, memory_bytes=self.memory_bytes)
        phases = Phases(**{name: _phase(name, self.phase(name)) for name in PHASES})
        return Advisor(
            decoder=self.decoder,
            phases=phases,
            cache=cache,
            config=self.config,
            metrics=self.metrics,
            canary=None if self.canary is None else self._canary_phases(self.canary),
        )

    def _canary_phases(self, fake: FakePhase) -> CanaryPhases:
        handles = (PhaseHandle(one.start, _silent, one.replicas) for one in (fake, self.canary_extraction))
        return canary_phases(CanaryHandles(*handles), translate, self.metrics)

    def phase(self, name: PhaseName) -> FakePhase:
        """The fake phase of this name."""
        fake: FakePhase = getattr(self, name)
        return fake

    def handle(self, name: PhaseName, describe: Callable[[], Awaitable[bytes]]) -> PhaseHandle:
        """A handle of this fake phase."""
        return PhaseHandle(self.phase(name).start, describe, self.phase(name).replicas)

    def calls(self) -> dict[str, int]:
        """The number of calls of each phase."""
        return {name: len(self.phase(name).calls) for name in PHASES}


async def _silent() -> bytes:
    raise PhaseFailed("It does not describe itself.")


def _phase(name: PhaseName, fake: FakePhase) -> Phase:
    return Phase(name, fake.start, translate, replicas=fake.replicas)


PHASES: tuple[PhaseName, ...] = ("segmentation", "extraction", "harmony")


def descriptions() -> tuple[wire.Description, ...]:
    """The descriptions of the fake phases."""
    return (
        wire.Description("segmentation", NETWORK_VERSION, NETWORK_PX),
        wire.Description("extraction", EXTRACTION_VERSION),
        wire.Description("harmony", HARMONY_VERSION),
    )


# --- questions ------------------------------------------------------------------------------------------------
def photo(image: bytes = b"photo", mask: bytes | None = None, **options: Any) -> Question:
    """A question about a photo, with one scheme, so that its answer is quick."""
    given = {"subject": "worn", "schemes": ("neutral",), **options}
    return Question("image", Options(**given), "tenant", image=image, mask=mask)


def colours(**options: Any) -> Question:
    """A question about navy."""
    given = {"schemes": ("neutral",), **options}
    return Question("colors", Options(**given), "tenant", colors=(ColorShare("#1f2a44"),))


async def ask(walk: Walk, question: Question) -> tuple[dict[str, Any], Answer]:
    """Asks, waits for the cache writes, and gives the answer's body and the answer."""
    answer = await walk.advisor.advise(question)
    await walk.advisor.close()
    body: dict[str, Any] = json.loads(answer.body)
    return body, answer


def statuses(advice: str, phases: str) -> dict[str, str]:
    """The cache statuses of an answer whose phases all have the same status."""
    return {"advice": advice, **dict.fromkeys(PHASES, phases)}


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition is true."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
