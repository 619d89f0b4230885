"""Defines the error tree, and how an error crosses a process boundary.

    ColorMatchError
    ├── BadInput                    the client can correct it
    │   ├── Unparsable              not multipart, not JSON, no body
    │   ├── UnsupportedMedia        not an accepted format by its first bytes, or another content type
    │   │   └── UnsupportedEncoding a compressed body
    │   ├── NotAcceptable           the Accept header allows no representation of the answer
    │   ├── MethodNotAllowed
    │   ├── TooLarge                too many bytes or pixels
    │   ├── SlowBody
    │   └── Refused                 well-formed but refused
    │       ├── InvalidOptions      unknown option, bad value, bad colour
    │       ├── ImageUndecodable    ├── ImageTruncated   ├── ImageAnimated   ├── ImageBomb
    │       ├── ImageTooSmall       ├── ImageAspect      ├── ImageTooComplex
    │       ├── MaskInvalid         ├── MaskEmpty
    │       └── ChecksumMismatch    an uploaded object does not match its announced checksum
    ├── AccessDenied
    │   ├── Unauthenticated
    │   └── Forbidden
    ├── NotFound
    ├── Conflict
    │   ├── ObjectChanged           an object changed between the check and the read
    │   └── IdempotencyKeyReused    the key came before with another body
    ├── RateLimited
    └── Unavailable                 the service's fault
        ├── NotReady
        ├── Overloaded
        ├── PhaseTimeout            a phase overran its budget; a degraded answer hides it from the client
        └── PhaseFailed             a phase raised or died; a degraded answer hides it too
            └── PhaseLost           its replica died or was never reached; one retry may help

An error crosses every boundary (process, replica, dead letter) as its code and its detail (`to_pair`, `from_pair`).
The detail is safe to show to a client. serve/http/problems.py holds the status and title of each error.
"""

from dataclasses import dataclass


class ColorMatchError(Exception):
    """The root of the tree. `detail` is one sentence for the client; it names the actual and the allowed value."""

    code = "INTERNAL"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class BadInput(ColorMatchError):
    code = "BAD_INPUT"


class Unparsable(BadInput):
    code = "UNPARSABLE"


class UnsupportedMedia(BadInput):
    code = "UNSUPPORTED_MEDIA_TYPE"


class UnsupportedEncoding(UnsupportedMedia):
    """A body in a Content-Encoding that is not read. It crosses borders as UnsupportedMedia."""


class NotAcceptable(BadInput):
    code = "NOT_ACCEPTABLE"


class MethodNotAllowed(BadInput):
    """The path exists, but not for this method. allowed: the methods that are allowed."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, detail: str = "", *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.allowed = allowed


class TooLarge(BadInput):
    code = "TOO_LARGE"


class SlowBody(BadInput):
    code = "SLOW_BODY"


class Refused(BadInput):
    code = "REFUSED"


class InvalidOptions(Refused):
    code = "INVALID_OPTIONS"


class ImageUndecodable(Refused):
    code = "IMAGE_UNDECODABLE"


class ImageTruncated(Refused):
    code = "IMAGE_TRUNCATED"


class ImageAnimated(Refused):
    code = "IMAGE_ANIMATED"


class ImageBomb(Refused):
    code = "IMAGE_BOMB"


class ImageTooSmall(Refused):
    code = "IMAGE_TOO_SMALL"


class ImageAspect(Refused):
    code = "IMAGE_ASPECT"


class ImageTooComplex(Refused):
    code = "IMAGE_TOO_COMPLEX"


class ChecksumMismatch(Refused):
    code = "CHECKSUM_MISMATCH"


class MaskInvalid(Refused):
    code = "MASK_INVALID"


class MaskEmpty(Refused):
    code = "MASK_EMPTY"


class AccessDenied(ColorMatchError):
    code = "ACCESS_DENIED"


class Unauthenticated(AccessDenied):
    code = "UNAUTHENTICATED"


class Forbidden(AccessDenied):
    code = "FORBIDDEN"


class NotFound(ColorMatchError):
    code = "NOT_FOUND"


class Conflict(ColorMatchError):
    code = "CONFLICT"


class ObjectChanged(Conflict):
    code = "OBJECT_CHANGED"


class IdempotencyKeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimited(ColorMatchError):
    """The client sent too many requests. retry_after_s: the time to wait before the next attempt."""

    code = "RATE_LIMITED"

    def __init__(self, detail: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(ColorMatchError):
    code = "UNAVAILABLE"


class NotReady(Unavailable):
    code = "NOT_READY"


class Overloaded(Unavailable):
    code = "OVERLOADED"


class PhaseTimeout(Unavailable):
    code = "PHASE_TIMEOUT"


class PhaseFailed(Unavailable):
    code = "PHASE_FAILED"


class PhaseLost(PhaseFailed):
    """The replica died during the call, or was never reached. Another replica may answer."""

    code = "PHASE_LOST"


# --- fields of a request --------------------------------------------------------------------------------------
# Taste: a body of 1 MiB can have a hundred thousand wrong fields. An answer names at most this many.
MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: a JSON pointer into the request, and what is wrong with it."""

    pointer: str
    message: str


class InvalidFields(InvalidOptions):
    """Some fields of a request are refused; `fields` names each one."""

    def __init__(self, fields: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{field.pointer or '/'}: {field.message}" for field in fields[:3]))
        self.fields = fields

    def __reduce__(self) -> tuple[type["InvalidFields"], tuple[tuple[FieldError, ...]]]:
        return type(self), (self.fields,)


def pointer(*steps: str | int) -> str:
    """The JSON pointer to a place in a request (RFC 6901). Each step is cut to 64 characters."""
    return "".join("/" + str(step)[:64].replace("~", "~0").replace("/", "~1") for step in steps)


# --- boundaries -----------------------------------------------------------------------------------------------
def _tree(kind: type[ColorMatchError]) -> list[type[ColorMatchError]]:
    return [kind, *(descendant for child in kind.__subclasses__() for descendant in _tree(child))]


_BY_CODE = {kind.code: kind for kind in _tree(ColorMatchError) if "code" in vars(kind)}


def to_pair(error: ColorMatchError) -> tuple[str, str]:
    """The error as (code, detail)."""
    return error.code, error.detail


def from_pair(code: str, detail: str, *, among: tuple[type[ColorMatchError], ...]) -> ColorMatchError:
    """Makes the error of a code. A code whose error is not of one of the kinds in `among` gives PhaseFailed.

    among: the kinds that the other side may send. It limits the errors that a hostile or broken process can cause.
    """
    kind = _BY_CODE.get(code, PhaseFailed)
    return kind(detail) if issubclass(kind, among) else PhaseFailed("A phase failed.")
