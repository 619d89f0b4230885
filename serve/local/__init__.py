"""The development launcher; `python -m serve.local` starts it."""
