"""Values in stores that others may be able to write to: only what was sealed here under this very name is opened."""

import hmac

TAG_BYTES = 32


class Seal:
    """Tags values with an HMAC-SHA-256 over their purpose, name and bytes."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        """purpose: keeps a value that was sealed for one use from being opened for another."""
        self._secret = secret
        self._purpose = purpose.encode()

    def close(self, name: str, value: bytes) -> bytes:
        """The value with its tag before it."""
        return self._tag(name, value) + value

    def open(self, name: str, sealed: bytes) -> bytes | None:
        """The value, or None for anything that was not sealed here under this name."""
        tag, value = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
        return value if hmac.compare_digest(tag, self._tag(name, value)) else None

    def _tag(self, name: str, value: bytes) -> bytes:
        return hmac.digest(self._secret, b"\0".join((self._purpose, name.encode(), value)), "sha256")
