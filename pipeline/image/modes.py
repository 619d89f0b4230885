"""Any mode that Pillow decodes to, as opaque sRGB: alpha on white, 16 bit scaled, profiles applied; Pillow, numpy."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 * 1024 * 1024  # press profiles have 0.5 to 2.5 MiB
_SRGB = ImageCms.createProfile("sRGB")


def opaque(image: Image.Image, bit_depth: int) -> Image.Image:
    """A decoded image of any mode as L, RGB or CMYK, alpha and transparent values composited on white.

    bit_depth: the file's own, per channel; Pillow gives most images as 8 bit, but their transparent value as stored.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        return _eight_bit(image, key)
    if key is not None and image.mode != "P":
        image.info["transparency"] = _eight_bit_key(key, bit_depth)
    if image.mode == "P" or (key is not None and image.mode in ("1", "L", "RGB")):
        image = image.convert("RGB" if key is None else "RGBA")
    if image.mode in ("LA", "RGBA"):
        white = Image.new(image.mode[:-1], image.size, "white")
        white.paste(image.convert(white.mode), mask=image.getchannel("A"))
        return white
    return image.convert("L") if image.mode == "1" else image


def _eight_bit(image: Image.Image, key: object) -> Image.Image:
    """16-bit grey by its high byte, the samples of the transparent value white; Pillow's own conversion saturates."""
    values = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    if isinstance(key, int):
        grey[values == key] = 255
    return Image.fromarray(grey)


def _eight_bit_key(key: int | tuple[int, ...], bit_depth: int) -> int | tuple[int, ...]:
    """A PNG's transparent value, which stands in the file's own depth, in the depth that Pillow decodes to."""
    if isinstance(key, tuple):
        return tuple(value >> 8 for value in key) if bit_depth == 16 else key
    return key * 255 // ((1 << bit_depth) - 1) if bit_depth < 8 else key


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An L, RGB or CMYK image as sRGB, by its ICC profile where that is sound and fits, else by the plain formulas."""
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        transform = _transform(profile, image.mode)
        if transform is not None and (converted := ImageCms.applyTransform(image, transform)) is not None:
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=8)  # building one takes as long as applying it, and photos of one phone share one profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB, or None: a profile that is broken or of another kind than the image is no profile."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
