"""The JSON bodies of requests, as dataclasses that pipeline.fields reads and the OpenAPI document publishes."""

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from pipeline.errors import MAX_FIELDS, FieldError, pointer
from pipeline.options import Colors, Options, SentOptions
from serve.uploads.wanted import MAX_OBJECT_KEY_CHARS, OBJECT_KEY


@dataclass(frozen=True, slots=True)
class ColorsRequest:
    """Mode 3: colours, no image."""

    colors: Colors
    options: SentOptions = Options()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """Mode 2: an object uploaded through presign."""

    object_key: Annotated[
        str, Meta(min_length=1, max_length=MAX_OBJECT_KEY_CHARS, extra_json_schema={"pattern": OBJECT_KEY})
    ]
    options: SentOptions = Options()  # noqa: RUF009 - frozen


def parameter_errors(found: Any) -> tuple[FieldError, ...]:
    """FastAPI's errors of query parameters and headers as ours, without the first step, which says where they stood."""
    return tuple(FieldError(pointer(*item["loc"][1:]), _message(item)) for item in found[:MAX_FIELDS])


def _message(item: Any) -> str:
    given = item.get("input")
    shown = f" Given: '{given[:40]}'." if isinstance(given, str) else ""
    return f"{str(item['msg']).rstrip('.')}.{shown}"
