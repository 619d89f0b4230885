"""Redis, its timeouts, and the cache on top of it."""
