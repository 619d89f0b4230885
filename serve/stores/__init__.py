"""Redis, and the cache on top of it."""
