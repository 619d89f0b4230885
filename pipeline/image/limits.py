"""Which images are decoded at all, and how large the analysed image is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """The limits on images that are decoded, and the size of the analysed image. Contract: all of these defaults."""

    # A baseline JPEG in one scan is decoded at a fraction of its size, so it may have more pixels. Phones have sensors
    # of 8,160 × 6,144, 9,248 × 6,936 and 12,000 × 9,000.
    max_pixels_baseline_jpeg: int = 110_000_000
    # A phone's 5,712 × 4,284 and a camera's 6,000 × 4,000; AVIF and HEIC have a decode budget of their own.
    max_pixels_progressive_jpeg: int = 25_000_000
    max_pixels_heif: int = 25_000_000
    # PNG and WebP: what the decode budget allows.
    max_pixels_other: int = 16_000_000
    min_side_px: int = 8
    max_aspect: float = 50.0
    max_jpeg_scans: int = 64
    analysed_side_px: int = 512


DEFAULT_LIMITS = ImageLimits()


def allowed_pixels(limits: ImageLimits) -> dict[str, int]:
    """The most pixels of each kind of file, by the kind's name in words."""
    return {
        "baseline JPEG": limits.max_pixels_baseline_jpeg,
        "progressive JPEG": limits.max_pixels_progressive_jpeg,
        "AVIF": limits.max_pixels_heif,
        "HEIC": limits.max_pixels_heif,
        "PNG": limits.max_pixels_other,
        "WebP": limits.max_pixels_other,
    }
