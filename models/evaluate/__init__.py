"""Measures the quality of networks on annotated photos; `python -m models.evaluate` is the command."""
