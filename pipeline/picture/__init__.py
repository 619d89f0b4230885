"""Draws an answer as a picture."""
