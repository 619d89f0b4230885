"""The one error tree; imports nothing.

    ColorMatchError
    ├── BadInput                    the client can mend it
    │   ├── Unparsable              400  not multipart, not JSON, no body
    │   ├── UnsupportedMedia        415  not JPEG, PNG or WebP by its magic; content type
    │   ├── NotAcceptable           406  the Accept header leaves nothing we can answer
    │   ├── MethodNotAllowed        405
    │   ├── TooLarge                413  bytes or pixels
    │   ├── SlowBody                408
    │   └── Refused                 422  well-formed but refused
    │       ├── InvalidOptions      unknown option, bad value, bad colour
    │       ├── ImageUndecodable    ├── ImageTruncated   ├── ImageAnimated   ├── ImageBomb
    │       ├── ImageTooSmall       ├── ImageAspect      ├── ImageTooComplex
    │       ├── MaskInvalid         ├── MaskEmpty
    │       └── ChecksumMismatch    an uploaded object is not the bytes that were announced
    ├── AccessDenied
    │   ├── Unauthenticated         401
    │   └── Forbidden               403
    ├── NotFound                    404
    ├── Conflict                    409
    │   ├── ObjectChanged           an object became another between check and read
    │   └── IdempotencyKeyReused    with another body
    ├── RateLimited                 429
    └── Unavailable                 the service's fault
        ├── NotReady                503
        ├── Overloaded              503
        ├── PhaseTimeout            a phase overran its budget (never reaches a client: the answer degrades)
        └── PhaseFailed             a phase raised or died (likewise)
            └── PhaseLost           its replica died or was never reached: worth one more try

`code` is a class attribute, and the one argument is a detail that is safe to show to a client: errors are pickled
across process borders, so they take exactly one positional argument and carry nothing else.
The HTTP status of each stands in one table in serve/http/problems.py.
"""


class ColorMatchError(Exception):
    """The root; `detail` is one sentence for the client that names the actual and the allowed value."""

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


class NotAcceptable(BadInput):
    code = "NOT_ACCEPTABLE"


class MethodNotAllowed(BadInput):
    code = "METHOD_NOT_ALLOWED"


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
    code = "RATE_LIMITED"


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
    """The replica died under the call, or was never reached: another one may answer."""

    code = "PHASE_LOST"
