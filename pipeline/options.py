"""What clients can ask for: options and colours, described once with their limits, and read the same everywhere."""

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from pipeline.color.words import EXAMPLES, FORMS, parse_color
from pipeline.errors import InvalidOptions
from pipeline.fields import Parsed, SentAs, TextFor, read
from pipeline.limits import MAX_COLOR_CHARS, MAX_COLORS, MAX_ID_CHARS, MAX_SUGGESTIONS, MAX_WARDROBE
from pipeline.messages import LANGUAGES
from pipeline.parts import NO_CONTROLS
from pipeline.types import (
    GARMENT_CLASSES,
    SCHEMES,
    CacheMode,
    Category,
    GarmentClass,
    Include,
    Intent,
    Scheme,
    SegmentMode,
    Subject,
    Wheel,
    WhiteBalance,
)

# A colour as clients write it: the reader gives a WrittenColor.
ColorText: TypeAlias = Annotated[
    str,
    Parsed(parse_color),
    Meta(
        description=f"{FORMS[:1].upper()}{FORMS[1:]}. Case, spaces and hyphens do not matter in words. A word means "
        "cloth first (`navy` is the fashion navy), CSS second.",
        max_length=MAX_COLOR_CHARS,
        examples=list(EXAMPLES),
        extra_json_schema={"format": "color"},
    ),
]


# --- colours and wardrobes ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ColorShare:
    """One colour and, where known, its share; shares are normalised later. given: the text that the client wrote."""

    hex: str
    share: float | None = None
    given: str | None = None


@dataclass(frozen=True, slots=True)
class SentColor:
    """A colour as clients send it: a text, or an object with that text as its `hex`."""

    hex: ColorText
    share: Annotated[float, Meta(gt=0, le=1, description="Its share; the shares are normalised.")] | None = None

    def color(self) -> ColorShare:
        """The colour itself."""
        return color_share(self.hex, self.share)


def color_share(written: Any, share: float | None = None) -> ColorShare:
    """The colour that a client wrote. written: a WrittenColor."""
    return ColorShare(written.hex, share, written.given)


Colors: TypeAlias = Annotated[
    tuple[Annotated[ColorShare, SentAs(SentColor, SentColor.color), TextFor("hex")], ...],
    Meta(min_length=1, max_length=MAX_COLORS, description="1 to 12 colours, each a text or `{hex, share}`."),
]


@dataclass(frozen=True, slots=True)
class WardrobeItem:
    """One garment that the client owns: 1 to 12 colours, and its kind where known."""

    id: str
    colors: tuple[ColorShare, ...]
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class SentItem:
    """A wardrobe item as clients send it: `colors`, or one `hex`."""

    id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_ID_CHARS,
            pattern=NO_CONTROLS,
            description="Any text without control characters.",
        ),
    ]
    colors: Colors | None = None
    hex: ColorText | None = None
    category: Annotated[
        Category | None, Meta(description="What it is; `unknown`, as answers say it, is the same as none.")
    ] = None

    def __post_init__(self) -> None:
        if (self.colors is None) == (self.hex is None):
            raise ValueError("Give either colors or hex.")

    def item(self) -> WardrobeItem:
        """The item itself."""
        colors = self.colors or (color_share(self.hex),)
        return WardrobeItem(self.id, colors, self.category)


def _with_unique_ids(items: tuple[WardrobeItem, ...]) -> tuple[WardrobeItem, ...]:
    counts = Counter(item.id for item in items)
    if twice := next((id for id, count in counts.items() if count > 1), None):
        raise ValueError(f"Ids must be unique; '{twice[:40]}' comes {counts[twice]} times.")
    return items


# --- options --------------------------------------------------------------------------------------------------
def _known_language(lang: str) -> str:
    if lang not in LANGUAGES:
        raise ValueError(f"Allowed: {', '.join(LANGUAGES)}.")
    return lang


Includes: TypeAlias = Annotated[tuple[Include, ...], Meta(max_length=4, description="Optional parts of the answer.")]


@dataclass(frozen=True, kw_only=True)
class PhotoOptions:
    """What shapes phase 2's answer."""

    subject: Annotated[Subject, Meta(description="What kind of photo it is, where known.")] = "auto"
    category: Annotated[GarmentClass | None, Meta(description="What the garment is, where known.")] = None
    garments: Annotated[
        tuple[GarmentClass, ...],
        Meta(min_length=1, max_length=len(GARMENT_CLASSES), description="The kinds to report."),
    ] = GARMENT_CLASSES
    max_colors: Annotated[int, Meta(ge=1, le=MAX_COLORS, description="Colours per garment, at most.")] = 5
    white_balance: Annotated[
        WhiteBalance, Meta(description="`report` a colour cast, or `apply` its correction first.")
    ] = "report"
    include: Includes = ()


@dataclass(frozen=True, kw_only=True)
class HarmonyOptions:
    """What shapes phase 3's answer."""

    schemes: Annotated[
        tuple[Scheme, ...],
        Meta(min_length=1, max_length=len(SCHEMES), description="The colour schemes to draw suggestions from."),
    ] = SCHEMES
    intent: Annotated[Intent, Meta(description="How far the suggestions may stand out.")] = "balanced"
    wheel: Annotated[Wheel, Meta(description="The hue circle that schemes are measured on.")] = "oklch"
    max_suggestions: Annotated[int, Meta(ge=0, le=MAX_SUGGESTIONS)] = 8
    wardrobe: Annotated[
        tuple[Annotated[WardrobeItem, SentAs(SentItem, SentItem.item)], ...],
        Parsed(_with_unique_ids),
        Meta(max_length=MAX_WARDROBE, description="What the client owns; each id once."),
    ] = ()
    include: Includes = ()


@dataclass(frozen=True, kw_only=True)
class Options(PhotoOptions, HarmonyOptions):
    """Everything that a client can ask for; the same schema on every endpoint."""

    segment: Annotated[SegmentMode, Meta(description="`none`: skip the network; the image or mask is the garment.")] = (
        "auto"
    )
    lang: Annotated[
        str,
        Parsed(_known_language),
        Meta(description="Language of the texts.", extra_json_schema={"enum": list(LANGUAGES)}),
    ] = "en"
    cache: Annotated[
        CacheMode, Meta(description="`bypass` neither reads nor writes the caches; `refresh` only writes.")
    ] = "default"
    store: Annotated[bool, Meta(description="`false`: nothing of this request is kept.")] = True


def in_order(options: Options) -> Options:
    """The options with each list in the contract's order and every entry once, so that equal questions are equal."""
    return replace(
        options,
        garments=tuple(name for name in GARMENT_CLASSES if name in options.garments),
        schemes=tuple(name for name in SCHEMES if name in options.schemes),
        include=tuple(sorted(set(options.include))),
    )


# Options as a field of a request.
SentOptions: TypeAlias = Annotated[Options, Parsed(in_order)]


def parse_options(text: str) -> Options:
    """A JSON object of options, as a client would send it. Raises InvalidOptions for an unknown name or a bad value."""
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidOptions("The options cannot be read: they are not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidOptions("The options cannot be read: they must be a JSON object.")
    found: Options = read(value, SentOptions)
    return found


# --- what shapes which answer ---------------------------------------------------------------------------------
P = TypeVar("P", PhotoOptions, HarmonyOptions)
# The parts of an answer that a phase makes only when they are asked for.
_INCLUDES: dict[type, tuple[Include, ...]] = {
    PhotoOptions: ("masks", "alternatives", "vector"),
    HarmonyOptions: ("alternatives",),
}


def shaping(options: Options) -> Options:
    """The options without what shapes no answer: measurements, and what is read from and kept in the caches."""
    return replace(options, include=tuple(sorted(set(options.include) - {"timings"})), cache="default", store=True)


def phase_options(options: Options, kind: type[P]) -> P:
    """The part of the options that shapes one phase's answer: what a phase does not see cannot split its cache."""
    given = {field.name: getattr(options, field.name) for field in fields(kind)}
    return kind(**given | {"include": tuple(name for name in _INCLUDES[kind] if name in options.include)})
