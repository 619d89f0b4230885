"""Presigned uploads, and reads of the uploaded objects."""
