"""What one request asks, what happened to it on its way, and the cache keys that follow."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from msgspec import UNSET, structs

from pipeline.codec import canonical
from pipeline.options import ColorShare, Options, shaping
from pipeline.parts import Garment
from pipeline.types import Mode, PhaseName, View
from pipeline.versions import API_VERSION, DECODING_VERSION
from serve.stores.cache import cache_key
from serve.stores.owners import owner_of, photo_of
from serve.version import VERSION
from serve.vocabulary import LAYERS, CacheStatus, Layer
from serve.walk.admission import Slot


@dataclass(frozen=True, slots=True)
class Question:
    """One validated request. view: the part of the advice that is asked for. tenant: the owner of the caches."""

    mode: Mode
    options: Options
    tenant: str
    view: View = "advice"
    image: bytes = b""
    mask: bytes | None = None
    colors: tuple[ColorShare, ...] = ()

    @property
    def keeps(self) -> bool:
        """Whether the caches may keep what is worked out for it."""
        return self.options.store and self.options.cache != "bypass"

    @property
    def needs_network(self) -> bool:
        """Whether a network finds the garments."""
        return self.mode != "colors" and self.options.segment == "auto" and self.mask is None

    def content(self) -> bytes:
        """The identity of the decoded photo and its mask."""
        mask = b"" if self.mask is None else hashlib.sha256(self.mask).digest()
        return hashlib.sha256(self.image).digest() + mask + DECODING_VERSION.encode()

    def advice_key(self, content: bytes, versions: Mapping[PhaseName, str]) -> str:
        """The key of the whole answer: everything that shapes it, and its owner."""
        return cache_key(
            "advice",
            self.mode,
            self.view,
            content,
            canonical(self.colors),
            canonical(shaping(self.options)),
            canonical({**versions, "api": API_VERSION, "code": VERSION}),
            owner=owner_of(self.tenant) + photo_of(content),
        )

    def phase_key(self, phase: PhaseName, content: bytes, version: str) -> str:
        """The key of one phase's answer: its content (the phase's own input), its version, and its owner.

        The content of the first two begins with the photo's own; harmony knows colours and no photo.
        """
        photo = "colours:" if phase == "harmony" else photo_of(content)
        return cache_key(phase, content, version, owner=owner_of(self.tenant) + photo)


@dataclass(slots=True)
class Progress:
    """What happened to a request on its way; the walk fills it in.

    total_s: from its start to its deadline. versions: those that the walk met. served_by: the phases that the ingress
    stood in for with the phase's own function, so that nothing of the answer is lost. canary: whether the second
    network answers.
    """

    total_s: float
    versions: dict[PhaseName, str]
    started_s: float = field(default_factory=time.perf_counter)
    cache: dict[Layer, CacheStatus] = field(default_factory=lambda: dict.fromkeys(LAYERS, "skipped"))
    timing_ms: dict[str, float] = field(default_factory=dict)
    degraded: list[PhaseName] = field(default_factory=list)
    served_by: dict[PhaseName, Literal["ingress"]] = field(default_factory=dict)
    slot: Slot | None = None
    canary: bool = False

    def remaining_s(self) -> float:
        """The time that is left until the request's deadline."""
        return self.started_s + self.total_s - time.perf_counter()

    def share_left(self) -> float:
        """The share of the request's time that is left, at most 1."""
        return self.remaining_s() / self.total_s

    def lap(self, name: str, since_s: float) -> None:
        """Notes the time since `since_s` (perf_counter)."""
        self.timing_ms[name] = round((time.perf_counter() - since_s) * 1000, 2)

    def step(self, name: str, since_s: float, *, budget_ms: float) -> None:
        """Notes the time of work that has a budget, and tells admission."""
        self.lap(name, since_s)
        if self.slot is not None:
            self.slot.record(self.timing_ms[name], budget_ms)


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON object without request_id and meta, and what meta tells."""

    body: bytes
    progress: Progress


def bare_garments(garments: tuple[Garment, ...]) -> tuple[Garment, ...]:
    """Garments without what harmony does not look at: masks, alternatives and vectors."""
    return tuple(structs.replace(one, mask=UNSET, alternatives=UNSET, vector=UNSET) for one in garments)
