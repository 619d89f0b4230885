"""The requests that a phase's replica answers before it is ready: they load tables and fill caches.

Without them the first photo took 160 to 240 ms, where the next ones take 100 ms (bar 26 of tests.reliability.run).
"""

import numpy as np

from pipeline.garments.kinds import HAIR, SKIN, label_of
from pipeline.options import ColorShare, HarmonyOptions, PhotoOptions
from pipeline.palette.swatches import palette_from_colors
from pipeline.parts import Garment
from pipeline.types import Category
from serve import wire

# A person in front of a wall: the label, the colour, and the box (top, left, bottom, right) of each part, px.
SIZE_PX = (512, 384)
PARTS = (
    (HAIR, (70, 50, 40), (40, 160, 100, 224)),
    (SKIN, (224, 172, 140), (64, 170, 130, 214)),
    (label_of("top"), (30, 60, 140), (130, 110, 300, 274)),
    (label_of("bottom"), (200, 170, 120), (300, 130, 480, 254)),
)
NEVER = float("inf")


def photo() -> wire.ExtractRequest:
    """A painted photo of a person in a top and trousers, with grain; the same on every call."""
    random = np.random.default_rng(0)
    pixels, labels = np.full((*SIZE_PX, 3), 205.0), np.zeros(SIZE_PX, np.uint8)
    for label, color, (top, left, bottom, right) in PARTS:
        pixels[top:bottom, left:right], labels[top:bottom, left:right] = color, label
    pixels = np.clip(pixels + random.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    confidence = random.integers(150, 256, SIZE_PX, np.uint8)
    return wire.ExtractRequest(NEVER, pixels, labels, confidence, PhotoOptions())


def look() -> wire.HarmoniseRequest:
    """A navy top and camel trousers."""
    garments = (_garment("g1", "top", "#1e3c8c"), _garment("g2", "bottom", "#c8aa78"))
    return wire.HarmoniseRequest(NEVER, garments, HarmonyOptions())


def _garment(name: str, category: Category, color: str) -> Garment:
    swatches = palette_from_colors((ColorShare(color, 1.0),))
    return Garment(name, category, 0.9, (0.2, 0.1, 0.6, 0.4), 0.2, None, swatches)
