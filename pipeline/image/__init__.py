"""Encoded bytes to a bounded, upright sRGB image, in a child process that can be killed."""
