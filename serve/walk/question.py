"""What one request asks, what happened to it on its way, and the cache keys that follow; msgspec, no framework."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from msgspec import UNSET, structs

from pipeline.codec import canonical
from pipeline.parts import Garment
from pipeline.types import ColorShare, Mode, Options, PhaseName, View
from pipeline.versions import API_VERSION
from serve.stores.cache import cache_key
from serve.stores.owners import owner_of, photo_of
from serve.version import VERSION
from serve.vocabulary import LAYERS, CacheStatus, Layer
from serve.walk.admission import Seat


@dataclass(frozen=True, slots=True)
class Question:
    """One validated request. view: which part of the advice is asked for. tenant: whose caches may answer."""

    mode: Mode
    options: Options
    tenant: str
    view: View = "advice"
    image: bytes = b""
    mask: bytes | None = None
    colors: tuple[ColorShare, ...] = ()

    def content(self) -> bytes:
        """The identity of the photo and its mask."""
        mask = b"" if self.mask is None else hashlib.sha256(self.mask).digest()
        return hashlib.sha256(self.image).digest() + mask

    def advice_key(self, content: bytes, versions: Mapping[PhaseName, str]) -> str:
        """The key of the whole answer: everything that shapes it, and whose it is."""
        include = tuple(sorted(set(self.options.include) - {"timings"}))
        options = replace(self.options, include=include, cache="default", store=True)
        return cache_key(
            "advice",
            self.mode,
            self.view,
            content,
            canonical(self.colors),
            canonical(options),
            canonical({**versions, "api": API_VERSION, "code": VERSION}),
            owner=owner_of(self.tenant) + photo_of(content),
        )

    def phase_key(self, phase: PhaseName, content: bytes, version: str) -> str:
        """The key of one phase's answer: its content (the phase's own input), its version, and whose it is.

        The content of the first two begins with the photo's own; harmony is asked about colours, whatever they are of.
        """
        photo = "colours:" if phase == "harmony" else photo_of(content)
        return cache_key(phase, content, version, owner=owner_of(self.tenant) + photo)


@dataclass(slots=True)
class Trace:
    """What happened on the way: cache statuses, times in ms, degraded phases, versions met; the walk fills it in."""

    total_s: float  # from its start to the request's deadline
    versions: dict[PhaseName, str]
    started_s: float = field(default_factory=time.perf_counter)
    cache: dict[Layer, CacheStatus] = field(default_factory=lambda: dict.fromkeys(LAYERS, "skipped"))
    timing_ms: dict[str, float] = field(default_factory=dict)
    degraded: list[PhaseName] = field(default_factory=list)
    seat: Seat | None = None  # a photo's, once it has one

    def remaining_s(self) -> float:
        """What is left until the request's deadline."""
        return self.started_s + self.total_s - time.perf_counter()

    def lap(self, name: str, since_s: float) -> None:
        """Notes the time since `since_s` (perf_counter)."""
        self.timing_ms[name] = round((time.perf_counter() - since_s) * 1000, 2)

    def step(self, name: str, since_s: float, *, budget_ms: float) -> None:
        """Notes the time of work that has a budget."""
        self.lap(name, since_s)
        if self.seat is not None:
            self.seat.took(self.timing_ms[name], budget_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON object but for request_id and meta, and what meta says."""

    body: bytes
    trace: Trace


def extraction_options(options: Options) -> Options:
    """The options that shape phase 2's answer; the others at their defaults, so that they cannot split its cache."""
    return Options(
        subject=options.subject,
        category=options.category,
        garments=options.garments,
        max_colors=options.max_colors,
        white_balance=options.white_balance,
        include=tuple(name for name in ("masks", "alternatives", "vector") if name in options.include),
    )


def harmony_options(options: Options) -> Options:
    """The options that shape phase 3's answer."""
    return Options(
        schemes=options.schemes,
        intent=options.intent,
        wheel=options.wheel,
        max_suggestions=options.max_suggestions,
        wardrobe=options.wardrobe,
        include=tuple(name for name in ("alternatives",) if name in options.include),
    )


def bare_garments(garments: tuple[Garment, ...]) -> tuple[Garment, ...]:
    """Garments without what harmony does not look at: masks, alternatives and vectors."""
    return tuple(structs.replace(one, mask=UNSET, alternatives=UNSET, vector=UNSET) for one in garments)
