"""A label map to garments: connected regions, their kind, and run-length encoded masks."""
