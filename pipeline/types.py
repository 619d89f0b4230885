"""The frozen values that cross module borders: what is asked, images, label maps, and the parts of answers."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

# --- arrays ---------------------------------------------------------------------------------------------------
RgbImage: TypeAlias = NDArray[np.uint8]  # (H, W, 3) upright sRGB
LabelMap: TypeAlias = NDArray[np.uint8]  # (H, W) values index CLASSES, or are UNKNOWN
ConfidenceMap: TypeAlias = NDArray[np.uint8]  # (h, w) any resolution over the same extent; 255 = certain
Mask: TypeAlias = NDArray[np.bool_]  # (H, W)
Floats: TypeAlias = NDArray[np.float64]  # (..., n) colour coordinates or weights

# --- vocabularies ---------------------------------------------------------------------------------------------
UNKNOWN = 255  # label value of a garment whose kind nobody knows (given masks, whole images, fallback masks)

# What is known of each garment class stands in pipeline.garments.kinds.
GarmentClass: TypeAlias = Literal["top", "outerwear", "bottom", "full_body", "shoes", "accessory"]
Category: TypeAlias = Literal[GarmentClass, "unknown"]
GARMENT_CLASSES: tuple[GarmentClass, ...] = get_args(GarmentClass)
CLASSES = ("background", "skin", "hair", *GARMENT_CLASSES)
Scheme: TypeAlias = Literal[
    "complementary", "split_complementary", "analogous", "triadic", "tetradic", "monochromatic", "neutral"
]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
Intent: TypeAlias = Literal["subtle", "balanced", "bold"]
Mood: TypeAlias = Literal["safe", "tonal", "daring"]
Rating: TypeAlias = Literal["great", "good", "works"]
Wheel: TypeAlias = Literal["oklch", "ryb"]
SegmentMode: TypeAlias = Literal["auto", "none"]
Subject: TypeAlias = Literal["auto", "product", "worn"]
WhiteBalance: TypeAlias = Literal["report", "apply"]
CacheMode: TypeAlias = Literal["default", "bypass", "refresh"]
Include: TypeAlias = Literal["masks", "timings", "alternatives", "vector"]
Role: TypeAlias = Literal["main", "secondary", "accent"]
Temperature: TypeAlias = Literal["cool", "warm", "neutral"]
PatternClass: TypeAlias = Literal["solid", "two_tone", "multicolor"]
Cast: TypeAlias = Literal["none", "warm", "cool", "green", "magenta"]
Mode: TypeAlias = Literal["image", "object", "colors"]
View: TypeAlias = Literal["advice", "segment", "extract", "harmony"]
PhaseName: TypeAlias = Literal["segmentation", "extraction", "harmony"]


# --- images and label maps ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded photo, upright, sRGB, bounded.

    pixels: (h, w, 3), long side at most the analysis limit. width, height: the upright original, px.
    network: (nh, nw, 3), the whole photo squeezed to the network's input, when asked for.
    mask: (h, w) at analysed size, when one was given. opaque: (h, w), False where the photo is transparent; None for a
    photo without transparency.
    """

    pixels: RgbImage
    width: int
    height: int
    network: RgbImage | None = None
    mask: Mask | None = None
    opaque: Mask | None = None


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What a network says of one photo: labels at analysed size, its confidence at any size, and who says so."""

    labels: LabelMap
    confidence: ConfidenceMap | None
    version: str  # "id:weights-hash:dtype:device[-engine]"


@dataclass(frozen=True, slots=True)
class PaletteColor:
    """One extracted colour before it is described: sRGB 0..255, its share 0..1, spread (mean ΔE00 to the medoid)."""

    rgb: tuple[int, int, int]
    share: float
    confidence: float | None
    spread_de00: float | None
