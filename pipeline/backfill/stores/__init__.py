"""Reads photos and writes results: local folders and S3 behind one protocol."""
