"""Headers on every answer: the request id and the security headers."""

import re
import uuid

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
API_CSP = "default-src 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": API_CSP,
}


def clean_request_id(given: str | None) -> str:
    """The client's request id when it is short and plain, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
