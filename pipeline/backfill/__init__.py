"""Advice for a whole catalogue, as a Ray job; `python -m pipeline.backfill` is the command."""
