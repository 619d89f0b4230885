"""The options and colours of requests: one reader with one set of limits, for the service and for the commands."""

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from pipeline.color.css import ONE_COLOR, CSS_COLORS, parse_css_color
from pipeline.errors import InvalidOptions
from pipeline.fields import Parsed, TextFor, read
from pipeline.messages import LANGUAGES
from pipeline.parts import ItemId
from pipeline.types import (
    GARMENT_CLASSES,
    MAX_COLORS,
    MAX_SUGGESTIONS,
    MAX_WARDROBE,
    SCHEMES,
    CacheMode,
    Category,
    ColorShare,
    GarmentClass,
    HarmonyOptions,
    Include,
    Intent,
    Options,
    PhotoOptions,
    Scheme,
    SegmentMode,
    Subject,
    WardrobeItem,
    Wheel,
    WhiteBalance,
)

P = TypeVar("P", PhotoOptions, HarmonyOptions)
# The parts of an answer that a phase makes only when they are asked for.
_INCLUDES: dict[type, tuple[Include, ...]] = {
    PhotoOptions: ("masks", "alternatives", "vector"),
    HarmonyOptions: ("alternatives",),
}


def _known_language(lang: str) -> str:
    if lang not in LANGUAGES:
        raise ValueError(f"Allowed: {', '.join(LANGUAGES)}.")
    return lang


CssColor: TypeAlias = Annotated[
    str,
    Parsed(parse_css_color),
    Meta(
        description="CSS hex (`#1f2a44`, `1f2a44`) or a CSS colour name (`navy`).",
        extra_json_schema={"pattern": f"^({ONE_COLOR})$", "maxLength": max(map(len, CSS_COLORS))},
    ),
]


@dataclass(frozen=True, slots=True)
class ColorModel:
    """One colour and, where known, its share; shares are normalised."""

    hex: CssColor
    share: Annotated[float, Meta(gt=0, le=1)] | None = None


Colors: TypeAlias = Annotated[
    tuple[Annotated[ColorModel, TextFor("hex")], ...],
    Meta(min_length=1, max_length=MAX_COLORS, description="1 to 12 colours, each a string or `{hex, share}`."),
]


@dataclass(frozen=True, slots=True)
class WardrobeItemModel:
    """One garment that the client owns: `colors`, or one `hex`."""

    id: Annotated[ItemId, Meta(min_length=1, description="Any text without control characters.")]
    colors: Colors | None = None
    hex: CssColor | None = None
    category: Annotated[
        Category | None, Meta(description="What it is; `unknown`, as answers say it, is the same as none.")
    ] = None

    def __post_init__(self) -> None:
        if (self.colors is None) == (self.hex is None):
            raise ValueError("Give either colors or hex.")


def _with_unique_ids(items: tuple[WardrobeItemModel, ...]) -> tuple[WardrobeItemModel, ...]:
    counts = Counter(item.id for item in items)
    if twice := next((id for id, count in counts.items() if count > 1), None):
        raise ValueError(f"Ids must be unique; '{twice[:40]}' comes {counts[twice]} times.")
    return items


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsModel:
    """Everything that a client can ask for; the same schema on every endpoint."""

    segment: Annotated[
        SegmentMode, Meta(description="`none`: skip the network; the image or mask is the garment.")
    ] = "auto"
    subject: Annotated[Subject, Meta(description="What kind of photo it is, where known.")] = "auto"
    category: Annotated[GarmentClass | None, Meta(description="What the garment is, where known.")] = None
    garments: Annotated[
        tuple[GarmentClass, ...],
        Meta(min_length=1, max_length=len(GARMENT_CLASSES), description="The kinds to report."),
    ] = GARMENT_CLASSES  # type: ignore[assignment] # every category but `unknown`
    max_colors: Annotated[int, Meta(ge=1, le=MAX_COLORS, description="Colours per garment, at most.")] = 5
    schemes: Annotated[
        tuple[Scheme, ...],
        Meta(min_length=1, max_length=len(SCHEMES), description="The colour schemes to draw suggestions from."),
    ] = SCHEMES
    intent: Annotated[Intent, Meta(description="How far the suggestions may stand out.")] = "balanced"
    wheel: Annotated[Wheel, Meta(description="The hue circle that schemes are measured on.")] = "oklch"
    max_suggestions: Annotated[int, Meta(ge=0, le=MAX_SUGGESTIONS)] = 8
    wardrobe: Annotated[
        tuple[WardrobeItemModel, ...],
        Parsed(_with_unique_ids),
        Meta(max_length=MAX_WARDROBE, description="What the client owns; each id once."),
    ] = ()
    white_balance: Annotated[
        WhiteBalance, Meta(description="`report` a colour cast, or `apply` its correction first.")
    ] = "report"
    lang: Annotated[
        str,
        Parsed(_known_language),
        Meta(description="Language of the texts.", extra_json_schema={"enum": list(LANGUAGES)}),
    ] = "en"
    include: Annotated[tuple[Include, ...], Meta(max_length=4, description="Optional parts of the answer.")] = ()
    cache: Annotated[
        CacheMode, Meta(description="`bypass` neither reads nor writes the caches; `refresh` only writes.")
    ] = "default"
    store: Annotated[bool, Meta(description="`false`: nothing of this request is kept.")] = True


# --- from what was sent to the core's values ------------------------------------------------------------------
def options_from(sent: OptionsModel) -> Options:
    """The options in canonical order, so that equal questions are equal."""
    given = {field.name: getattr(sent, field.name) for field in fields(sent)}
    return in_order(Options(**given | {"wardrobe": tuple(_item(item) for item in sent.wardrobe)}))


def colors_from(sent: Colors) -> tuple[ColorShare, ...]:
    """The colours of a request."""
    return tuple(ColorShare(color.hex, color.share) for color in sent)


def _item(sent: WardrobeItemModel) -> WardrobeItem:
    colors = colors_from(sent.colors) if sent.hex is None else (ColorShare(sent.hex),)
    return WardrobeItem(sent.id, colors, sent.category)


def in_order(options: Options) -> Options:
    """The options with each list in the contract's order and every entry once."""
    return replace(
        options,
        garments=tuple(name for name in GARMENT_CLASSES if name in options.garments),
        schemes=tuple(name for name in SCHEMES if name in options.schemes),
        include=tuple(sorted(set(options.include))),
    )


def shaping(options: Options) -> Options:
    """The options without what shapes no answer: measurements, and what is read from and kept in the caches."""
    return replace(options, include=tuple(sorted(set(options.include) - {"timings"})), cache="default", store=True)


def phase_options(options: Options, kind: type[P]) -> P:
    """The part of the options that shapes one phase's answer: what it does not see cannot split its cache."""
    given = {field.name: getattr(options, field.name) for field in fields(kind)}
    return kind(**given | {"include": tuple(name for name in _INCLUDES[kind] if name in options.include)})


def parse_options(text: str) -> Options:
    """A JSON object of options, as a client would send it. Raises InvalidOptions for an unknown name or a bad value."""
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidOptions("The options cannot be read: they are not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidOptions("The options cannot be read: they must be a JSON object.")
    return options_from(read(value, OptionsModel))
