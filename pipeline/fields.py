"""Reads decoded JSON into frozen values, and names every field that is wrong, each with its JSON pointer.

The values are dataclasses whose fields are annotated with msgspec's Meta (limits, which the OpenAPI document publishes)
and with the marks below.  msgspec checks single values; what it would refuse at the first error is collected here.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from pipeline.errors import MAX_FIELDS, ColorMatchError, FieldError, InvalidFields, pointer

T = TypeVar("T")


# --- marks ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a text that is parsed: parse gives the value that is kept. It raises ColorMatchError or ValueError."""

    parse: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class TextFor:
    """Marks a dataclass that may be written as a text, which then is its field of this name."""

    field: str


@dataclass(frozen=True, slots=True)
class SentAs:
    """Marks a value that clients send in another shape: kind is read, and `convert` makes the value of it."""

    kind: type
    convert: Callable[[Any], Any]


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
    sent = next((mark for mark in marks if isinstance(mark, SentAs)), None)
    if sent is not None:
        found = _read(value, sent.kind, at, errors)
        return sent.convert(found) if len(errors) == count else None
    if is_dataclass(hint):
        found = _object(value, hint, marks, at, errors)
    elif get_origin(hint) is tuple:
        found = _list(value, hint, marks, at, errors)
    else:
        found = _single(value, hint, marks, at, errors)
    for mark in marks:
        if isinstance(mark, Parsed) and len(errors) == count:
            found = _tried(partial(mark.parse, found), value, at, errors)
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
    sent = {name: hint for name, hint in hints.items() if name in value}
    known = {name: _read(value[name], hint, at + pointer(name), errors) for name, hint in sent.items()}
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
    limits = tuple(mark for mark in marks if isinstance(mark, msgspec.Meta))
    if hint is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number, and JSON Schema's `integer` is any without a fraction.
    try:
        return msgspec.convert(value, Annotated[hint, *limits] if limits else hint)
    except (msgspec.ValidationError, OverflowError):
        errors.append(FieldError(at, f"Input should be {_allowed(value, hint, limits)}.{_given(value)}"))
        return None


def _allowed(value: Any, hint: Any, limits: tuple[msgspec.Meta, ...]) -> str:
    """What a refused value should have been, in words."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if isinstance(value, int | float) and not isinstance(value, bool) and hint in (int, float):
        for limit in limits:
            if limit.le is not None and value > limit.le:
                return f"less than or equal to {limit.le}"
            if limit.ge is not None and value < limit.ge:
                return f"greater than or equal to {limit.ge}"
            if limit.gt is not None and value <= limit.gt:
                return f"greater than {limit.gt}"
    words = [{int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[hint]]
    for limit in limits if hint is str else ():
        words += [f"of {limit.min_length or 0} to {limit.max_length} characters"] if limit.max_length else []
        words += [f"that matches {limit.pattern}"] if limit.pattern else []
    return " ".join(words)


def _tried(work: Callable[[], Any], value: Any, at: str, errors: list[FieldError]) -> Any:
    try:
        return work()
    except ColorMatchError as error:
        message = error.detail
    except ValueError as error:
        message = str(error)
    errors.append(FieldError(at, f"{message}{_given(value)}"))
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
    return tuple(field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING)
