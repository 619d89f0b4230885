"""Colour science: spaces, differences, gamut, names and hue wheels, on arrays."""
