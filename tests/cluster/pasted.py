"""Sends a printed curl line without curl: what a user pastes, read word by word; httpx only."""

import shlex

import httpx

from serve.local.plan import REPOSITORY


def send_curl(line: str) -> httpx.Response:
    """The answer to a line of the form `curl -sS -H "Name: value" -F part=@file URL`, run in the repository."""
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
