"""Whether a client accepts what a route answers with (RFC 9110, 12.5.1); no imports but the errors."""

from pipeline.errors import NotAcceptable


def must_accept(header: str | None, media_type: str) -> None:
    """Raises NotAcceptable when the Accept header leaves nothing of this media type; no header accepts all."""
    ranges = _ranges(header or "*/*")
    for pattern in (media_type, media_type.partition("/")[0] + "/*", "*/*"):  # the most specific decides
        if pattern in ranges:
            if ranges[pattern] > 0:
                return
            break
    raise NotAcceptable(f"This answers with {media_type}; the Accept header does not allow it.")


def _ranges(header: str) -> dict[str, float]:
    """Media ranges and their quality; parameters other than q are passed over, and so is a q that is no number."""
    found: dict[str, float] = {}
    for one in header.split(","):
        media_range, *parameters = (part.strip().lower() for part in one.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        found[media_range] = _number(quality)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
