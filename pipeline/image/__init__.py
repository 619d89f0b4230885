"""Decodes photos to bounded, upright sRGB images, in a child process that can be killed."""
