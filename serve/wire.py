"""Bytes between deployments and in the phase caches: msgpack of the frozen values; msgspec, numpy, zlib only."""

from dataclasses import dataclass
from typing import TypeAlias

from pipeline.options import HarmonyOptions, PhotoOptions
from pipeline.parts import Garment
from pipeline.types import ConfidenceMap, LabelMap, PhaseName, RgbImage


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """Phase 1's question. image: (h, w, 3), the whole photo at the network's input size."""

    deadline_s: float  # Unix time after which nobody waits for the answer
    image: RgbImage
    width_px: int  # of the analysed photo: the label map's size
    height_px: int
    traceparent: str = ""  # of the asking span, where one is recorded


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """Phase 2's question. image: (H, W, 3) analysed photo; labels: (H, W)."""

    deadline_s: float
    image: RgbImage
    labels: LabelMap
    confidence: ConfidenceMap | None
    options: PhotoOptions
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class HarmoniseRequest:
    """Phase 3's question."""

    deadline_s: float
    garments: tuple[Garment, ...]
    options: HarmonyOptions
    traceparent: str = ""


Request: TypeAlias = SegmentRequest | ExtractRequest | HarmoniseRequest


@dataclass(frozen=True, slots=True)
class Description:
    """What a phase's replica says of itself: its version, and for segmentation the input size (w, h), px."""

    phase: PhaseName
    version: str
    input_px: tuple[int, int] | None = None
