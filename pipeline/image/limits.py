"""Which images are decoded at all, and how large the analysed image is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """The limits on images that are decoded, and the size of the analysed image. Contract: all of these defaults."""

    # A baseline JPEG in one scan is decoded at a fraction of its size, so it may have more pixels.
    max_pixels_baseline_jpeg: int = 50_000_000
    max_pixels_other: int = 16_000_000
    min_side_px: int = 8
    max_aspect: float = 50.0
    max_jpeg_scans: int = 64
    analysed_side_px: int = 512


DEFAULT_LIMITS = ImageLimits()
