"""Training of the shipped networks; `python -m models.train` is the command."""
