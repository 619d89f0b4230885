"""Prefixes of cache keys: the tenant's and the photo's, so that either can be erased."""

import hashlib


def owner_of(tenant: str) -> str:
    """What all cache keys of a tenant have behind their layer: 128 bits of its hash."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:32] + ":"


def photo_of(content: bytes) -> str:
    """What all cache keys of a photo have next: 128 bits of its SHA-256, with which its content begins."""
    return content[:16].hex() + ":"
