"""The tables of a run: its input, its list of rows and shards, checkpoints, and what is derived from answers."""
