"""The request models: one options schema everywhere, an unknown field anywhere is an error; pydantic only."""

import json
from collections import Counter
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from pipeline import types
from pipeline.color.css import CSS_COLORS, parse_css_color
from pipeline.errors import ColorMatchError
from pipeline.messages import LANGUAGES
from pipeline.types import GARMENT_CLASSES, SCHEMES, GarmentClass
from serve.fields import MAX_FIELDS, NO_CONTROLS, FieldError, InvalidFields, pointer
from serve.uploads.wanted import WantedUpload

M = TypeVar("M", bound=BaseModel)
MAX_COLORS = 12
MAX_WARDROBE = 500
MAX_ID_CHARS = 128
MAX_OBJECT_BYTES = 50 * 1024 * 1024
MAX_OBJECT_KEY_CHARS = 512
MAX_SUGGESTIONS = 24
OBJECT_KEY = "^uploads/[a-z0-9][a-z0-9-]{0,62}/[0-9a-f]{32}$"


class Request(BaseModel):
    """No coercion between types, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _css_hex(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_css_color(value[:64])
    except ColorMatchError as error:
        raise ValueError(error.detail) from error


def _whole(value: Any) -> Any:
    """5.0 as 5: JSON has one kind of number, and JSON Schema's `integer` is any without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _color_as_object(value: Any) -> Any:
    return {"hex": _css_hex(value)} if isinstance(value, str) else value


def _known_language(lang: str) -> str:
    if lang not in LANGUAGES:
        raise ValueError(f"allowed: {', '.join(LANGUAGES)}")
    return lang


WHOLE = BeforeValidator(_whole)
ONE_COLOR = f"#?[0-9a-fA-F]{{3}}|#?[0-9a-fA-F]{{6}}|{'|'.join(CSS_COLORS)}"
CssColor = Annotated[
    str,
    BeforeValidator(_css_hex),
    Field(
        description="CSS hex (`#1f2a44`, `1f2a44`) or a CSS colour name (`navy`).",
        json_schema_extra={"pattern": f"^({ONE_COLOR})$", "maxLength": max(map(len, CSS_COLORS))},
    ),
]
Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_CHARS, pattern=NO_CONTROLS),
    Field(description="Any text without control characters."),
]


class ColorModel(Request):
    """One colour and, where known, its share; shares are normalised."""

    hex: CssColor
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None

    def to_core(self) -> types.ColorShare:
        """As the core's value."""
        return types.ColorShare(self.hex, self.share)


ColorItem = Annotated[ColorModel, BeforeValidator(_color_as_object, json_schema_input_type=CssColor | ColorModel)]
Colors = Annotated[
    list[ColorItem],
    Field(min_length=1, max_length=MAX_COLORS, description="1 to 12 colours, each a string or `{hex, share}`."),
]


def _one_of(schema: dict[str, Any]) -> None:
    """Says in JSON Schema that an item has colours or a hex, the other being null; as two whole objects, for types."""
    fields = schema.pop("properties")
    common = {key: schema.pop(key) for key in ("type", "additionalProperties")}

    def with_only(given: str, absent: str) -> dict[str, Any]:
        (kind,) = (one for one in fields[given]["anyOf"] if one != {"type": "null"})
        properties = {**fields, given: kind, absent: {"type": "null"}}
        return {**common, "title": f"PieceWith{given.title()}", "properties": properties, "required": ["id", given]}

    del schema["required"]
    schema["oneOf"] = [with_only("colors", "hex"), with_only("hex", "colors")]


class WardrobeItemModel(Request):
    """One piece that the client owns: `colors`, or one `hex`."""

    model_config = ConfigDict(json_schema_extra=_one_of)

    id: Identifier
    colors: Colors | None = None
    hex: CssColor | None = None
    category: Annotated[
        types.Category | None, Field(description="What it is; `unknown`, as answers say it, is the same as none.")
    ] = None

    @model_validator(mode="after")
    def _either(self) -> "WardrobeItemModel":
        if (self.colors is None) == (self.hex is None):
            raise ValueError("give either colors or hex")
        return self

    def to_core(self) -> types.WardrobeItem:
        """As the core's value."""
        colors = [ColorModel(hex=self.hex)] if self.hex is not None else self.colors or []
        return types.WardrobeItem(self.id, tuple(color.to_core() for color in colors), self.category)


def _with_unique_ids(items: list[WardrobeItemModel]) -> list[WardrobeItemModel]:
    counts = Counter(item.id for item in items)
    if twice := next((id for id, count in counts.items() if count > 1), None):
        raise ValueError(f"ids must be unique; '{twice[:40]}' comes {counts[twice]} times")
    return items


class OptionsModel(Request):
    """Everything that a client can ask for; the same schema on every endpoint."""

    segment: Annotated[
        types.SegmentMode, Field(description="`none`: skip the network; the image or mask is the garment.")
    ] = "auto"
    subject: Annotated[types.Subject, Field(description="What kind of photo it is, where known.")] = "auto"
    category: Annotated[GarmentClass | None, Field(description="What the garment is, where known.")] = None
    garments: Annotated[list[GarmentClass], Field(description="The kinds to report.")] = Field(
        default=list(GARMENT_CLASSES), min_length=1, max_length=len(GARMENT_CLASSES)
    )
    max_colors: Annotated[int, Field(ge=1, le=MAX_COLORS, description="Colours per garment, at most."), WHOLE] = 5
    schemes: Annotated[list[types.Scheme], Field(description="The colour schemes to draw suggestions from.")] = Field(
        default=list(SCHEMES), min_length=1, max_length=len(SCHEMES)
    )
    intent: Annotated[types.Intent, Field(description="How far the suggestions may stand out.")] = "balanced"
    wheel: Annotated[types.Wheel, Field(description="The hue circle that schemes are measured on.")] = "oklch"
    max_suggestions: Annotated[int, Field(ge=0, le=MAX_SUGGESTIONS), WHOLE] = 8
    wardrobe: Annotated[
        list[WardrobeItemModel],
        AfterValidator(_with_unique_ids),
        Field(max_length=MAX_WARDROBE, description="What the client owns; each id once."),
    ] = []
    white_balance: Annotated[
        types.WhiteBalance, Field(description="`report` a colour cast, or `apply` its correction first.")
    ] = "report"
    lang: Annotated[
        str,
        AfterValidator(_known_language),
        Field(description="Language of the texts.", json_schema_extra={"enum": list(LANGUAGES)}),
    ] = "en"
    include: Annotated[list[types.Include], Field(max_length=4, description="Optional parts of the answer.")] = []
    cache: Annotated[
        types.CacheMode,
        Field(description="`bypass` neither reads nor writes the caches; `refresh` only writes."),
    ] = "default"
    store: Annotated[bool, Field(description="`false`: nothing of this request is kept.")] = True

    def to_core(self) -> types.Options:
        """As the core's value; lists in a canonical order, so that equal questions are equal."""
        return types.Options(
            segment=self.segment,
            subject=self.subject,
            category=self.category,
            garments=tuple(name for name in GARMENT_CLASSES if name in self.garments),
            max_colors=self.max_colors,
            schemes=tuple(scheme for scheme in SCHEMES if scheme in self.schemes),
            intent=self.intent,
            wheel=self.wheel,
            max_suggestions=self.max_suggestions,
            wardrobe=tuple(item.to_core() for item in self.wardrobe),
            white_balance=self.white_balance,
            lang=self.lang,
            include=tuple(sorted(set(self.include))),
            cache=self.cache,
            store=self.store,
        )


class ColorsRequest(Request):
    """Mode 3: colours, no image."""

    colors: Colors
    options: OptionsModel = OptionsModel()


class ObjectRequest(Request):
    """Mode 2: an object uploaded through presign."""

    object_key: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAX_OBJECT_KEY_CHARS),
        Field(json_schema_extra={"pattern": OBJECT_KEY}),
    ]
    options: OptionsModel = OptionsModel()


class PresignRequest(Request):
    """One image to upload, exactly as it will be sent."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]
    content_length: Annotated[int, Field(ge=1, le=MAX_OBJECT_BYTES, description="Bytes."), WHOLE]
    sha256: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{64}$", max_length=64, description="Of the bytes, as 64 hex digits; checked when read."
        ),
    ] = None
    method: Annotated[
        Literal["POST", "PUT"], Field(description="`POST`: a form with a policy; `PUT`: the bytes as the body.")
    ] = "POST"

    def to_core(self) -> WantedUpload:
        """As the walk's value."""
        return WantedUpload(self.content_type, self.content_length, self.sha256, self.method)


def validate(model: type[M], value: Any, *, at: str = "") -> M:
    """The value as the model. Raises InvalidFields with a JSON pointer for each bad field, below `at`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidFields(field_errors(error.errors(), at=at)) from error


def field_errors(found: Any, *, at: str = "") -> tuple[FieldError, ...]:
    """Pydantic's errors as pointers and messages, with nothing of the input's text beyond its first characters."""
    return tuple(FieldError(at + pointer(*item["loc"]), _message(item)) for item in found[:MAX_FIELDS])


def _message(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "Unknown field."
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "model_type":  # pydantic's text names the class
        message = "Input should be a JSON object"
    return f"{message[:1].upper()}{message[1:].rstrip('.')}.{_given(item.get('input'))}"


def _given(value: Any) -> str:
    if isinstance(value, str):
        return f" Given: '{value[:40]}'."
    if isinstance(value, int | float):
        return f" Given: {json.dumps(value)[:40]}."
    return f" Given: {len(value)} items." if isinstance(value, list) else ""
