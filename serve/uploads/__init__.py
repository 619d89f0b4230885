"""Presigned uploads, and reading the uploaded objects."""
