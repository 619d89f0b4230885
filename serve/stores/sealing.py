"""Authenticates values in a shared store with an HMAC over purpose, name and bytes."""

import hmac

# Standard: HMAC-SHA-256 (RFC 2104), untruncated.
TAG_BYTES = 32


class Seal:
    """Tags values with an HMAC-SHA-256, so that only what was sealed here under the same name is opened."""

    def __init__(self, secret: bytes, purpose: str | None, *, tag_bytes: int = TAG_BYTES) -> None:
        """purpose: keeps a value sealed for one use from being opened for another; None where the names tell the use.

        tag_bytes: the length that the tag is cut to.
        """
        self._secret = secret
        self._prefix = b"" if purpose is None else purpose.encode() + b"\0"
        self._tag_bytes = tag_bytes

    def close(self, name: str, value: bytes) -> bytes:
        """The value with its tag before it."""
        return self._tag(name, value) + value

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The value, or None for anything that was not sealed here under this name."""
        tag, value = sealed[: self._tag_bytes], sealed[self._tag_bytes :]
        return value if hmac.compare_digest(tag, self._tag(name, value)) else None

    def _tag(self, name: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, self._prefix + name.encode() + b"\0" + value, "sha256")[: self._tag_bytes]
