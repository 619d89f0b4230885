"""Defines the messages that the ingress and the phases exchange."""

from dataclasses import dataclass
from typing import TypeAlias

from pipeline.options import HarmonyOptions, PhotoOptions
from pipeline.parts import Garment
from pipeline.types import ConfidenceMap, LabelMap, Mask, PhaseName, RgbImage


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """The request to phase 1.

    deadline_s: the Unix time after which nobody waits for the answer. image: (h, w, 3), the whole photo at the
    network's input size. width_px, height_px: the size of the analysed photo and of the label map.
    traceparent: the caller's span, where one is recorded.
    """

    deadline_s: float
    image: RgbImage
    width_px: int
    height_px: int
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """The request to phase 2.

    image: (H, W, 3), the analysed photo. labels: (H, W). opaque: (H, W), False where the photo is transparent.
    """

    deadline_s: float
    image: RgbImage
    labels: LabelMap
    confidence: ConfidenceMap | None
    options: PhotoOptions
    traceparent: str = ""
    opaque: Mask | None = None


@dataclass(frozen=True, slots=True)
class HarmoniseRequest:
    """The request to phase 3."""

    deadline_s: float
    garments: tuple[Garment, ...]
    options: HarmonyOptions
    traceparent: str = ""


Request: TypeAlias = SegmentRequest | ExtractRequest | HarmoniseRequest


@dataclass(frozen=True, slots=True)
class Description:
    """A replica's report: its phase and version, and for segmentation the network's input size (w, h), px.

    refused_config: what is wrong with the latest user_config; None: it is in force.
    """

    phase: PhaseName
    version: str
    input_px: tuple[int, int] | None = None
    refused_config: str | None = None
