"""Tests what sets up a replica's process."""

import gc

from serve.replica.loading import freeze


def test_frozen_objects_are_left_out_of_collections() -> None:
    """What exists at the call is no longer the collector's, and what comes later is."""
    kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    try:
        freeze()
        assert gc.get_freeze_count() >= len(kept)
        assert not any(one is kept for one in gc.get_objects())
        later = [kept]
        assert any(one is later for one in gc.get_objects())
    finally:
        gc.unfreeze()
