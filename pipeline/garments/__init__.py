"""Turns a label map into garments: their regions, their kinds and their masks."""
