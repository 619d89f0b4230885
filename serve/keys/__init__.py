"""API keys and their limits; `python -m serve.keys` manages them."""
