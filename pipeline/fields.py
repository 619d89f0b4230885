"""Reads decoded JSON into frozen values, and names every field that is wrong, each with its JSON pointer.

The values are dataclasses whose fields are annotated with msgspec's Meta (limits, which the OpenAPI document publishes)
and with the marks below.  msgspec checks single values; what it would refuse at the first error is collected here.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from pipeline.errors import ColorMatchError, InvalidOptions

# Taste: a body of 1 MiB can have a hundred thousand wrong fields; an answer names this many.
MAX_FIELDS = 100
T = TypeVar("T")


# --- what is wrong --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: a JSON pointer into the request, and what is wrong with it."""

    pointer: str
    message: str


class InvalidFields(InvalidOptions):
    """Fields of a request that are refused, each with its pointer."""

    def __init__(self, fields: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{field.pointer or '/'}: {field.message}" for field in fields[:3]))
        self.fields = fields

    def __reduce__(self) -> tuple[type["InvalidFields"], tuple[tuple[FieldError, ...]]]:
        return type(self), (self.fields,)


def pointer(*steps: str | int) -> str:
    """The JSON pointer of a place in a request (RFC 6901), each step cut to a length that can be shown."""
    return "".join("/" + str(step)[:64].replace("~", "~0").replace("/", "~1") for step in steps)


# --- marks ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a text that is parsed: parse gives the value that is kept. It raises ColorMatchError or ValueError."""

    parse: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class TextFor:
    """Marks a dataclass that may be written as a text, which then is its field of this name."""

    field: str


# --- reading --------------------------------------------------------------------------------------------------
def read(value: object, kind: type[T], *, at: str = "") -> T:
    """A decoded JSON value as a frozen value. Raises InvalidFields for whatever is wrong, with pointers below `at`."""
    errors: list[FieldError] = []
    found: T = _read(value, kind, at, errors)
    if errors:
        raise InvalidFields(tuple(errors[:MAX_FIELDS]))
    return found


def _read(value: Any, hint: Any, at: str, errors: list[FieldError]) -> Any:
    """The value as the hint says; None, and an entry in `errors`, where that cannot be."""
    hint, marks = _peeled(hint)
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        hint, more = _peeled(hint)
        marks = (*marks, *more)
    count = len(errors)
    if is_dataclass(hint):
        found = _object(value, hint, marks, at, errors)
    elif get_origin(hint) is tuple:
        found = _list(value, hint, marks, at, errors)
    else:
        found = _single(value, hint, marks, at, errors)
    for mark in marks:
        if isinstance(mark, Parsed) and len(errors) == count:
            found = _tried(lambda mark=mark, found=found: mark.parse(found), value, at, errors)
    return found


def _object(value: Any, kind: Any, marks: tuple[Any, ...], at: str, errors: list[FieldError]) -> Any:
    hints, count = _hints(kind), len(errors)
    for mark in marks:
        if isinstance(mark, TextFor) and isinstance(value, str):
            text = _read(value, hints[mark.field], at, errors)
            return kind(**{mark.field: text}) if len(errors) == count else None
    if not isinstance(value, dict):
        errors.append(FieldError(at, f"Input should be a JSON object.{_given(value)}"))
        return None
    errors += [FieldError(at + pointer(name), "Unknown field.") for name in value if name not in hints]
    known = {name: _read(value[name], hint, at + pointer(name), errors) for name, hint in hints.items() if name in value}
    errors += [FieldError(at + pointer(name), "Field required.") for name in _required(kind) if name not in value]
    return _tried(lambda: kind(**known), value, at, errors) if len(errors) == count else None


def _list(value: Any, hint: Any, marks: tuple[Any, ...], at: str, errors: list[FieldError]) -> Any:
    if not isinstance(value, list):
        errors.append(FieldError(at, f"Input should be a JSON array.{_given(value)}"))
        return None
    for mark in marks:
        if isinstance(mark, msgspec.Meta):
            least, most = mark.min_length or 0, mark.max_length
            if len(value) < least or (most is not None and len(value) > most):
                errors.append(FieldError(at, f"Input should have {least} to {most} items.{_given(value)}"))
                return None
    (item, _) = get_args(hint)
    return tuple(_read(one, item, at + pointer(k), errors) for k, one in enumerate(value))


def _single(value: Any, hint: Any, marks: tuple[Any, ...], at: str, errors: list[FieldError]) -> Any:
    if get_origin(hint) is Literal and value not in get_args(hint):
        errors.append(FieldError(at, f"Allowed: {', '.join(get_args(hint))}.{_given(value)}"))
        return None
    if hint is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number, and JSON Schema's `integer` is any without a fraction.
    limits = tuple(mark for mark in marks if isinstance(mark, msgspec.Meta))
    return _tried(lambda: msgspec.convert(value, Annotated[hint, *limits] if limits else hint), value, at, errors)


def _tried(work: Callable[[], Any], value: Any, at: str, errors: list[FieldError]) -> Any:
    try:
        return work()
    except ColorMatchError as error:
        message = error.detail
    except (ValueError, OverflowError) as error:  # msgspec's ValidationError is a ValueError.
        message = str(error).partition(" - at `$")[0].replace("`", "")
    errors.append(FieldError(at, f"{message[:1].upper()}{message[1:].rstrip('.')}.{_given(value)}"))
    return None


def _given(value: Any) -> str:
    """What came, or its first characters."""
    if isinstance(value, str):
        return f" Given: '{value[:40]}'."
    if isinstance(value, int | float):
        return f" Given: {json.dumps(value)[:40]}."
    return f" Given: {len(value)} items." if isinstance(value, list) else ""


# --- hints ----------------------------------------------------------------------------------------------------
def _peeled(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _required(kind: Any) -> tuple[str, ...]:
    return tuple(
        field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING
    )
