"""The frozen values that cross module borders; imports numpy only."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

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

Category: TypeAlias = Literal["top", "outerwear", "bottom", "full_body", "shoes", "accessory", "unknown"]
GARMENT_CLASSES: tuple[Category, ...] = ("top", "outerwear", "bottom", "full_body", "shoes", "accessory")
CLASSES = ("background", "skin", "hair", *GARMENT_CLASSES)
Scheme: TypeAlias = Literal[
    "complementary", "split_complementary", "analogous", "triadic", "tetradic", "monochromatic", "neutral"
]
SCHEMES: tuple[Scheme, ...] = (
    "complementary", "split_complementary", "analogous", "triadic", "tetradic", "monochromatic", "neutral",
)  # fmt: skip
Intent: TypeAlias = Literal["subtle", "balanced", "bold"]
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
PhaseName: TypeAlias = Literal["segmentation", "extraction", "harmony"]


# --- what is asked --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ColorShare:
    """One colour as a client gives it: `#rrggbb` and an optional share above 0 (shares are normalised later)."""

    hex: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class WardrobeItem:
    """One piece that the client owns: 1 to 12 colours, and its kind where known."""

    id: str
    colors: tuple[ColorShare, ...]
    category: Category | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything a client can ask for; the defaults here are the contract's."""

    segment: SegmentMode = "auto"
    subject: Subject = "auto"
    category: Category | None = None
    garments: tuple[Category, ...] = GARMENT_CLASSES
    max_colors: int = 5
    schemes: tuple[Scheme, ...] = SCHEMES
    intent: Intent = "balanced"
    wheel: Wheel = "oklch"
    max_suggestions: int = 8
    wardrobe: tuple[WardrobeItem, ...] = ()
    white_balance: WhiteBalance = "report"
    lang: str = "en"
    include: tuple[Include, ...] = ()
    cache: CacheMode = "default"
    store: bool = True


# --- images and label maps ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded photo, upright, sRGB, bounded.

    pixels: (h, w, 3), long side at most the analysis limit. width, height: the upright original, px.
    network: (nh, nw, 3), the whole photo squeezed to the network's input, when asked for.
    mask: (h, w) at analysed size, when one was given.
    """

    pixels: RgbImage
    width: int
    height: int
    network: RgbImage | None = None
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What a network says of one photo: labels at analysed size, its confidence at any size, and who says so."""

    labels: LabelMap
    confidence: ConfidenceMap | None
    version: str  # "id:weights-hash:dtype:device"


@dataclass(frozen=True, slots=True)
class CategoryShare:
    """How much of a region's vote another category got, 0 to 1."""

    category: Category
    share: float


@dataclass(frozen=True, slots=True)
class Region:
    """One garment found in a label map. mask: (H, W) at analysed size. bbox: x, y, width, height, 0 to 1."""

    id: str
    category: Category
    confidence: float | None
    bbox: tuple[float, float, float, float]
    area: float  # share of the image, 0 to 1
    mask: Mask
    alternatives: tuple[CategoryShare, ...] = ()


@dataclass(frozen=True, slots=True)
class RleMask:
    """A mask in COCO's compressed run-length encoding; size = (height, width), px."""

    size: tuple[int, int]
    counts: str
    format: Literal["coco_rle"] = "coco_rle"


# --- colours --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class NameMatch:
    """The nearest name of one vocabulary and how far it is, CIEDE2000."""

    name: str
    de00: float


@dataclass(frozen=True, slots=True)
class ColorNames:
    """The nearest name in each vocabulary."""

    basic: NameMatch
    iscc_nbs: NameMatch
    fashion: NameMatch


@dataclass(frozen=True, slots=True)
class PaletteColor:
    """One extracted colour before it is described: sRGB 0..255, its share 0..1, spread (mean ΔE00 to the medoid)."""

    rgb: tuple[int, int, int]
    share: float
    confidence: float | None
    spread_de00: float | None


@dataclass(frozen=True, slots=True)
class Swatch:
    """One colour of a garment, described. oklch: L 0..1, C, h in degrees. lab: CIE Lab, D65."""

    role: Role
    hex: str
    oklch: tuple[float, float, float]
    lab: tuple[float, float, float]
    share: float
    confidence: float | None
    spread_de00: float | None
    temperature: Temperature
    neutral: bool
    names: ColorNames
    text_color: str
    contrast: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """How many colours a garment shows at a glance; confidence 0 to 1."""

    kind: PatternClass
    color_count: int
    confidence: float


@dataclass(frozen=True, slots=True)
class PaletteVector:
    """A fixed-length embedding whose Euclidean distances rank palettes as the palette error does."""

    version: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Garment:
    """One garment and its palette, the largest share first; mask, alternatives and vector only when included."""

    id: str
    category: Category
    confidence: float | None
    bbox: tuple[float, float, float, float] | None
    area: float | None
    pattern: Pattern | None
    colors: tuple[Swatch, ...]
    mask: RleMask | None = None
    alternatives: tuple[CategoryShare, ...] | None = None
    vector: PaletteVector | None = None


@dataclass(frozen=True, slots=True)
class Lighting:
    """The estimated cast of the light, and what correcting it would do (mean ΔE00 over the garments)."""

    cast: Cast
    confidence: float
    expected_shift_de00: float
    corrected: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A code of the message file with its text in the asked language; value where the code carries a number."""

    code: str
    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """Phase 2's answer."""

    garments: tuple[Garment, ...]
    lighting: Lighting | None
    warnings: tuple[Notice, ...]
    version: str


# --- advice ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Target:
    """Whom a suggestion or match is for."""

    garment_ids: tuple[str, ...]
    colors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuggestedColor:
    """One colour to wear with the target; share is its part of the whole outfit, 0 to 1."""

    hex: str
    name: str
    role: Role
    share: float


@dataclass(frozen=True, slots=True)
class SwapColor:
    """Another wearable colour for a suggested one, and the suggestion's score with it."""

    replaces: str
    hex: str
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class CvdReport:
    """The least ΔE00 between the colours as each kind of colour-blind eye sees them; distinct: all three ≥ 10."""

    protan_min_de00: float
    deutan_min_de00: float
    tritan_min_de00: float
    distinct: bool


@dataclass(frozen=True, slots=True)
class Components:
    """The parts of a score, 0 to 1 each (see pipeline.harmony.harmonise)."""

    hue: float
    lightness: float
    separation: float
    vividness: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Colours to wear with the target, scored 0 to 1, with reasons."""

    scheme: Scheme
    intent: Intent
    score: float
    target: Target
    components: Components
    colors: tuple[SuggestedColor, ...]
    reasons: tuple[Notice, ...]
    how_to_wear: tuple[Notice, ...]
    cvd: CvdReport
    alternatives: tuple[SwapColor, ...] | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A wardrobe item that goes with the target garment."""

    item_id: str
    score: float
    target: Target
    components: Components
    reasons: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Outfit:
    """Wardrobe items that go with the garments and with each other."""

    item_ids: tuple[str, ...]
    score: float
    components: Components
    reasons: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Harmony:
    """Phase 3's answer, each list best first; suggestions garment by garment, the leading one's first."""

    suggestions: tuple[Suggestion, ...]
    matches: tuple[Match, ...] = ()
    outfits: tuple[Outfit, ...] = ()
    version: str = field(default="")


View = Literal["advice", "segment", "extract", "harmony"]
