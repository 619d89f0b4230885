"""The development start; `python -m serve.local` is the command."""
