"""API keys and what they may use; `python -m serve.keys` is the command."""
