"""Prefixes of cache keys for a tenant and for a photo, so that either can be erased."""

import hashlib


def owner_of(tenant: str) -> str:
    """The tenant's cache-key prefix: the first 128 bits of SHA-256(tenant), in hex, and a colon."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:32] + ":"


def photo_of(content: bytes) -> str:
    """The photo's cache-key prefix, which follows the tenant's: 128 bits in hex, and a colon.

    content: begins with the photo's SHA-256.
    """
    return content[:16].hex() + ":"
