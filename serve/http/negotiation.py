"""Checks that a client accepts the media type of a route's answer (RFC 9110, section 12.5.1)."""

from pipeline.errors import NotAcceptable


def must_accept(header: str | None, media_type: str) -> None:
    """Raises NotAcceptable when the Accept header excludes this media type; a missing header accepts every type."""
    ranges = _ranges(header or "*/*")
    # The most specific range decides.
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if pattern in ranges:
            if ranges[pattern] > 0:
                return
            break
    raise NotAcceptable(f"This answers with {media_type}; the Accept header does not allow it.")


def accepts_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    codings = _ranges(header or "identity")
    return codings.get("gzip", codings.get("x-gzip", codings.get("*", 0.0))) > 0


def _ranges(header: str) -> dict[str, float]:
    """Media ranges and their quality. Parameters other than q are ignored, and so is a q that is not a number."""
    found: dict[str, float] = {}
    for item in header.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        found[media_range] = _number(quality)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
