"""Converts every mode that Pillow decodes to into opaque 8-bit sRGB."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Taste: the largest ICC profile that is applied. Press profiles have 0.5 to 2.5 MiB.
MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SRGB = ImageCms.createProfile("sRGB")


def opaque(image: Image.Image, bit_depth: int) -> tuple[Image.Image, Image.Image | None]:
    """A decoded image of any mode as L, RGB or CMYK, with alpha and transparent values composited on white; its alpha.

    bit_depth: the file's own, of one channel. Pillow decodes most images to 8 bits, but gives their transparent value
    as it is stored. The alpha is an L image, or None for a file without transparency.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        return _eight_bit(image, key)
    if key is not None and image.mode != "P":
        image.info["transparency"] = _eight_bit_key(key, bit_depth)
    if image.mode == "P" or (key is not None and image.mode in ("1", "L", "RGB")):
        image = image.convert("RGB" if key is None else "RGBA")
    if image.mode in ("LA", "RGBA"):
        alpha = image.getchannel("A")
        if alpha.getextrema() == (255, 255):
            return image.convert(image.mode[:-1]), None
        white = Image.new(image.mode[:-1], image.size, "white")
        white.paste(image.convert(white.mode), mask=alpha)
        return white, alpha
    return (image.convert("L") if image.mode == "1" else image), None


def _eight_bit(image: Image.Image, key: object) -> tuple[Image.Image, Image.Image | None]:
    """The high byte of 16-bit grey, with the transparent value as white, and its alpha.

    Pillow's own conversion saturates.
    """
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    if not isinstance(key, int):
        return Image.fromarray(grey), None
    hidden = values == key
    grey[hidden] = 255
    return Image.fromarray(grey), Image.fromarray(np.where(hidden, 0, 255).astype(np.uint8))


def _eight_bit_key(key: int | tuple[int, ...], bit_depth: int) -> int | tuple[int, ...]:
    """A PNG's transparent value, converted from the file's bit depth to the depth that Pillow decodes to."""
    if isinstance(key, tuple):
        return tuple(value >> 8 for value in key) if bit_depth == 16 else key
    return key * 255 // ((1 << bit_depth) - 1) if bit_depth < 8 else key


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An L, RGB or CMYK image as sRGB, by its ICC profile if that is valid for its mode, else by the plain formulas."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        transform = _transform(profile, image.mode)
        if transform is not None and (converted := ImageCms.applyTransform(image, transform)) is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


# Building a transform takes as long as applying it, and the photos of one phone share one profile.
@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB, or None when the profile is broken or does not fit the mode."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
