"""Rows: the input's tables, the shards in work, checkpoints, and the tables derived from answers."""
