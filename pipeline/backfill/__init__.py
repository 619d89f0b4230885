"""The backfill: advises on a whole catalogue of photos as a Ray job. Its command is `python -m pipeline.backfill`."""
