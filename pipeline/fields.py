"""Reads decoded JSON into frozen values, and names every field that is wrong, each with its JSON pointer.

The values are dataclasses whose fields are annotated with msgspec's Meta (limits, which the OpenAPI document publishes)
and with the marks below.  msgspec would stop at the first error; here all of them are collected.
"""

import json
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from pipeline.errors import MAX_FIELDS, ColorMatchError, FieldError, InvalidFields, pointer

T = TypeVar("T")


# --- marks ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks a value that is parsed: parse gives what is kept. It raises ColorMatchError or ValueError."""

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
class _Path:
    """A place in the value; its pointer is written only when something is wrong there."""

    __slots__ = ("parent", "step")

    def __init__(self, parent: "_Path | str", step: str | int) -> None:
        self.parent = parent
        self.step = step


class _Wrong(Exception):
    """A value is wrong; the error is noted already."""


class _Errors:
    def __init__(self) -> None:
        self.found: list[FieldError] = []

    @property
    def full(self) -> bool:
        """Whether the errors are as many as an answer names. Reading more of a list would cost time for nothing."""
        return len(self.found) >= MAX_FIELDS

    def note(self, at: "_Path | str", message: str) -> None:
        """Notes an error; those beyond the number that an answer names are dropped."""
        if not self.full:
            self.found.append(FieldError(_pointer_of(at), message))


At: TypeAlias = _Path | str
# Gives the value that was read. Notes errors and raises _Wrong for a value that is wrong.
Reader: TypeAlias = Callable[[Any, At, _Errors], Any]


def read(value: object, kind: type[T], *, at: str = "") -> T:
    """A decoded JSON value as a frozen value. Raises InvalidFields for whatever is wrong, with pointers below `at`."""
    errors = _Errors()
    try:
        found: T = _reader_of(kind)(value, at, errors)
    except _Wrong:
        raise InvalidFields(tuple(errors.found)) from None
    return found


@cache
def _of_class(kind: type) -> Reader:
    """The reader of a dataclass: an object with its fields and no others."""
    hints = get_type_hints(kind, include_extras=True)
    readers = {name: _reader_of(hint) for name, hint in hints.items()}
    required = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]

    def read_object(value: Any, at: At, errors: _Errors) -> Any:
        if not isinstance(value, dict):
            errors.note(at, f"Input should be a JSON object.{_given(value)}")
            raise _Wrong
        found, wrong = {}, False
        for name, part in value.items():
            reader = readers.get(name)
            if reader is None:
                errors.note(_Path(at, name), "Unknown field.")
                wrong = True
                continue
            try:
                found[name] = reader(part, _Path(at, name), errors)
            except _Wrong:
                wrong = True
        for name in required:
            if name not in value:
                errors.note(_Path(at, name), "Field required.")
                wrong = True
        if wrong:
            raise _Wrong
        return _tried(lambda _: kind(**found), value, value, at, errors)

    return read_object


def _reader_of(hint: Any) -> Reader:
    """The reader of a type with its limits and marks."""
    hint, marks = _peeled(hint)
    if get_origin(hint) in (Union, UnionType):
        (other,) = (one for one in get_args(hint) if one is not type(None))
        reader = _reader_of(Annotated[other, *marks] if marks else other)
        return lambda value, at, errors: None if value is None else reader(value, at, errors)
    sent = next((mark for mark in marks if isinstance(mark, SentAs)), None)
    if sent is not None:
        rest = tuple(mark for mark in marks if mark is not sent)
        inner = _reader_of(Annotated[sent.kind, *rest] if rest else sent.kind)
        return lambda value, at, errors: sent.convert(inner(value, at, errors))
    if is_dataclass(hint):
        kind: Any = hint
        reader = _with_text(_of_class(kind), kind, marks)
    elif get_origin(hint) is tuple:
        reader = _of_list(get_args(hint)[0], marks)
    else:
        reader = _of_value(hint, marks)
    for mark in marks:
        if isinstance(mark, Parsed):
            reader = _parsed(reader, mark.parse)
    return reader


def _parsed(reader: Reader, parse: Callable[[Any], Any]) -> Reader:
    return lambda value, at, errors: _tried(parse, reader(value, at, errors), value, at, errors)


def _with_text(reader: Reader, kind: Any, marks: tuple[Any, ...]) -> Reader:
    for mark in marks:
        if isinstance(mark, TextFor):
            name = mark.field
            text = _reader_of(get_type_hints(kind, include_extras=True)[name])
            return lambda value, at, errors: (
                kind(**{name: text(value, at, errors)}) if isinstance(value, str) else reader(value, at, errors)
            )
    return reader


def _of_list(item: Any, marks: tuple[Any, ...]) -> Reader:
    reader = _reader_of(item)
    limits = next((mark for mark in marks if isinstance(mark, msgspec.Meta)), msgspec.Meta())
    least, most = limits.min_length or 0, limits.max_length

    def read_list(value: Any, at: At, errors: _Errors) -> Any:
        if not isinstance(value, list):
            errors.note(at, f"Input should be a JSON array.{_given(value)}")
            raise _Wrong
        if len(value) < least or (most is not None and len(value) > most):
            errors.note(at, f"Input should have {least} to {most} items.{_given(value)}")
            raise _Wrong
        found, wrong = [], False
        for k, one in enumerate(value):
            if errors.full:
                raise _Wrong
            try:
                found.append(reader(one, _Path(at, k), errors))
            except _Wrong:
                wrong = True
        if wrong:
            raise _Wrong
        return tuple(found)

    return read_list


def _of_value(hint: Any, marks: tuple[Any, ...]) -> Reader:
    limits = tuple(mark for mark in marks if isinstance(mark, msgspec.Meta))
    kind = Annotated[hint, *limits] if limits else hint

    def read_value(value: Any, at: At, errors: _Errors) -> Any:
        if hint is int and isinstance(value, float) and value.is_integer():
            # JSON has one kind of number, and JSON Schema's `integer` is any without a fraction.
            value = int(value)
        try:
            return msgspec.convert(value, kind)
        except (msgspec.ValidationError, OverflowError):
            errors.note(at, f"Input should be {_allowed(value, hint, limits)}.{_given(value)}")
            raise _Wrong from None

    return read_value


def _tried(work: Callable[[Any], Any], found: Any, value: Any, at: At, errors: _Errors) -> Any:
    try:
        return work(found)
    except ColorMatchError as error:
        message = error.detail
    except ValueError as error:
        message = str(error)
    errors.note(at, f"{message}{_given(value)}")
    raise _Wrong


# --- in words -------------------------------------------------------------------------------------------------
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


def _given(value: Any) -> str:
    """What came, or its first characters."""
    if isinstance(value, str):
        return f" Given: '{value[:40]}'."
    if isinstance(value, int | float):
        return f" Given: {json.dumps(value)[:40]}."
    return f" Given: {len(value)} items." if isinstance(value, list) else ""


def _pointer_of(at: At) -> str:
    steps: list[str | int] = []
    while isinstance(at, _Path):
        steps.append(at.step)
        at = at.parent
    return at + pointer(*reversed(steps))


def _peeled(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (hint.__origin__, hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())
