"""Fields of a request that are refused, each with its JSON pointer."""

from dataclasses import dataclass

from pipeline import errors

MAX_FIELDS = 100  # that are named: a body of 1 MiB can have a hundred thousand that are wrong
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: a JSON pointer into the request, and what is wrong with it."""

    pointer: str
    message: str


class InvalidFields(errors.InvalidOptions):
    """Fields of a request that are refused, each with its pointer."""

    def __init__(self, fields: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{field.pointer or '/'}: {field.message}" for field in fields[:3]))
        self.fields = fields

    def __reduce__(self) -> tuple[type["InvalidFields"], tuple[tuple[FieldError, ...]]]:
        return type(self), (self.fields,)


def pointer(*steps: str | int) -> str:
    """The JSON pointer of a place in a request (RFC 6901), each step cut to a length that can be shown."""
    return "".join("/" + str(step)[:64].replace("~", "~0").replace("/", "~1") for step in steps)
