"""The JSON bodies of requests, as dataclasses that pipeline.fields reads and the OpenAPI document publishes."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from pipeline.errors import MAX_FIELDS, FieldError, InvalidFields, TooLarge, pointer
from pipeline.options import Colors, Options, SentOptions
from serve.uploads.wanted import MAX_OBJECT_KEY_CHARS, OBJECT_KEY

# Taste: longer addresses are refused.
MAX_URL_CHARS = 2048
WAYS_IN = (
    'Send a photo as multipart/form-data (part `image`), as {"image": {"base64": "…"}}, or by the `object_key` of an '
    "upload; or send `colors`."
)
# The names under which clients of other services send a photo.
PHOTO_NAMES = ("image_url", "imageUrl", "url", "image_base64", "base64", "photo", "file", "img", "picture", "data")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ColorsRequest:
    """Mode 3: colours, no image."""

    colors: Colors
    options: SentOptions = Options()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """Mode 2: an object uploaded through presign."""

    object_key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_OBJECT_KEY_CHARS,
            description="The key of an upload, from the answer of `/v1/uploads/presign`.",
            extra_json_schema={"pattern": OBJECT_KEY},
        ),
    ]
    options: SentOptions = Options()  # noqa: RUF009 - frozen


Base64: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        description="The file as base64 (RFC 4648), or as a data URL.",
        extra_json_schema={"contentEncoding": "base64", "format": "byte"},
    ),
]


@dataclass(frozen=True, slots=True)
class SentPhoto:
    """A photo within JSON: its bytes as `base64`, or the `url` from which this service fetches it."""

    base64: Base64 | None = None
    url: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=MAX_URL_CHARS,
                description="An https address of a host that this service allows.",
                extra_json_schema={"format": "uri"},
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        if (self.base64 is None) == (self.url is None):
            raise ValueError("Give either base64 or url.")


@dataclass(frozen=True, slots=True)
class SentMask:
    """A mask within JSON."""

    base64: Base64


@dataclass(frozen=True, slots=True)
class PhotoRequest:
    """Mode 1 as JSON: a photo, optionally a mask."""

    image: Annotated[SentPhoto, Meta(description="The photo.")]
    mask: Annotated[SentMask | None, Meta(description="The garment's mask: an 8-bit PNG of the photo's aspect.")] = None
    options: SentOptions = Options()  # noqa: RUF009 - frozen


def decoded(text: str, *, at: str, most: int, what: str) -> bytes:
    """The bytes of base64, standard or URL-safe, with or without padding, line ends and a data URL's head.

    Raises InvalidFields for other text, TooLarge beyond `most` bytes.
    """
    plain = _DATA_URL.sub("", text, count=1)
    if _SPACE.search(plain):
        plain = _SPACE.sub("", plain)
    plain = plain.rstrip("=").replace("-", "+").replace("_", "/")
    if len(plain) * 3 // 4 > most:
        raise TooLarge(f"The {what} has {len(plain) * 3 // 4} bytes; at most {most} are allowed.")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"Input should be base64 (RFC 4648) or a data URL. Given: '{text[:40]}'."
        raise InvalidFields((FieldError(f"{at}/base64", message),)) from error


def refuse_unclear(value: object) -> None:
    """Raises InvalidFields, with the ways in, for a JSON body that names a photo as this service does not read it."""
    if not isinstance(value, dict):
        return
    image = value.get("image")
    if "image" in value and not isinstance(image, dict):
        message = 'Input should be a JSON object: {"base64": "…"} or {"url": "https://…"}.'
        raise InvalidFields((FieldError("/image", message),))
    named = [name for name in value if name in PHOTO_NAMES]
    if named and not {"image", "colors", "object_key"} & value.keys():
        raise InvalidFields(tuple(FieldError(pointer(name), f"Unknown field. {WAYS_IN}") for name in named))
    if not {"image", "colors", "object_key"} & value.keys():
        unknown = [FieldError(pointer(name), "Unknown field.") for name in value if name not in ("mask", "options")]
        raise InvalidFields((FieldError("/colors", f"Field required. {WAYS_IN}"), *unknown[: MAX_FIELDS - 1]))


def parameter_errors(found: Any) -> tuple[FieldError, ...]:
    """FastAPI's errors of query parameters and headers as ours, without the first step, which says where they stood."""
    return tuple(FieldError(pointer(*item["loc"][1:]), _message(item)) for item in found[:MAX_FIELDS])


def _message(item: Any) -> str:
    given = item.get("input")
    shown = f" Given: '{given[:40]}'." if isinstance(given, str) else ""
    return f"{str(item['msg']).rstrip('.')}.{shown}"
