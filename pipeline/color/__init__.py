"""Colour science on arrays: spaces, differences, gamut, names and hue wheels."""
