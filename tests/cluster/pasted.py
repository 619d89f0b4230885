"""Sends the request of a printed curl line, without curl."""

import shlex

import httpx

from serve.local.plan import REPOSITORY


def send_curl(line: str) -> httpx.Response:
    """Sends the request of a line such as `curl -sS -H "Name: value" -F part=@file URL`. Files are the repository's."""
    words = shlex.split(line)
    assert words[:2] == ["curl", "-sS"]
    headers, files, rest = {}, {}, iter(words[2:])
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-F":
            part, _, path = next(rest).partition("=@")
            files[part] = (REPOSITORY / path).read_bytes()
        else:
            return httpx.post(word, headers=headers, files=files, timeout=60.0, trust_env=False)
    raise AssertionError(f"no address in {line}")
