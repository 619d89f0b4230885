"""Decodes photos and masks to bounded, upright arrays, and checks every limit before a pixel is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from pipeline.errors import (
    BadInput,
    ImageAnimated,
    ImageAspect,
    ImageBomb,
    ImageTooComplex,
    ImageTooSmall,
    ImageTruncated,
    ImageUndecodable,
    MaskEmpty,
    MaskInvalid,
    TooLarge,
    UnsupportedMedia,
)
from pipeline.image.header import Format, Header, read_header, sniff
from pipeline.image.limits import DEFAULT_LIMITS, ImageLimits
from pipeline.image.modes import MAX_PROFILE_BYTES, opaque, to_srgb
from pipeline.types import DecodedImage, Mask, RgbImage

__all__ = ["decode_image", "decode_mask", "sniff"]

# Standard: the EXIF tag of the orientation, and the turn that each of its values asks for (CIPA DC-008).
EXIF_ORIENTATION: Final = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Taste: an image above the limits is a bomb when it decodes to more bytes than this for each encoded byte.
MAX_EXPANSION = 200
# Contract: a mask is a greyscale or palette PNG of at most 8 bits, without alpha. These are its modes in Pillow.
MASK_MODES = ("1", "L", "P")
# Taste: how far a mask's aspect may be from its photo's.
ASPECT_TOLERANCE = 0.02

_BOX = Image.Resampling.BOX
# Image.open would read a phone's JPEG with a second picture behind the first as a file of two frames.
_READERS: dict[Format, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

# Our own limits come before Pillow's, and raise our own errors.
Image.MAX_IMAGE_PIXELS = None
# Pillow applies this limit, which is 1 MiB by default, to ICC profiles too.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


def decode_image(
    data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS, network_px: tuple[int, int] | None = None
) -> DecodedImage:
    """A photo, upright, in sRGB, with its long side at most the limit.

    With `network_px` (width, height) the photo is also squeezed to the network's input. EXIF turns are undone, ICC
    profiles are converted to sRGB, alpha is composited on white, 16 bits are scaled to 8, and CMYK is converted. An
    area filter makes both sizes from the same pixels. Only the network's input may be larger than the photo. No
    metadata survives. Raises UnsupportedMedia, TooLarge, ImageBomb, ImageAnimated, ImageTruncated, ImageUndecodable,
    ImageTooSmall, ImageAspect or ImageTooComplex.
    """
    header = read_header(data, max_scans=limits.max_jpeg_scans)
    _check(header, len(data), limits)
    with _our_errors("image"):
        image = _open(data, header)
        image.draft(None, _least_size(image.size, limits.analysed_side_px, network_px))
        image.load()
        # Pillow finds the EXIF data of some PNGs only after decoding them.
        turn = _orientation(image)
        profile = image.info.get("icc_profile")
        upright = opaque(image, header.bit_depth)
        if turn in _TURNS:
            upright = upright.transpose(_TURNS[turn])
        width_px, height_px = _turned((header.width_px, header.height_px), turn)
        size = _bounded((width_px, height_px), limits.analysed_side_px)
        analysed = to_srgb(upright if upright.size == size else upright.resize(size, _BOX), profile)
        network = None if network_px is None else _array(to_srgb(upright.resize(network_px, _BOX), profile))
        return DecodedImage(_array(analysed), width_px, height_px, network)


def decode_mask(data: bytes, image: DecodedImage, *, limits: ImageLimits = DEFAULT_LIMITS) -> Mask:
    """A mask at the photo's analysed size, from an 8-bit PNG of the upright photo's aspect.

    Non-zero pixels are the garment; in a palette PNG the index counts. Raises TooLarge, ImageBomb, MaskEmpty, or
    MaskInvalid for any other fault.
    """
    try:
        if (kind := sniff(data)) != "PNG":
            raise MaskInvalid(f"The mask is a {kind} file; it must be an 8-bit PNG.")
        header = read_header(data, max_scans=0)
        _check(header, len(data), limits, what="mask")
        with _our_errors("mask"):
            plane = _mask_plane(data, header, image)
    except (MaskInvalid, TooLarge, ImageBomb):
        raise
    except UnsupportedMedia as error:
        raise MaskInvalid("The mask is not a PNG file; it must be an 8-bit PNG.") from error
    except BadInput as error:
        raise MaskInvalid(error.detail) from error
    if not plane.any():
        raise MaskEmpty("The mask has no non-zero pixel; it must mark the garment with non-zero pixels.")
    return plane


def _mask_plane(data: bytes, header: Header, image: DecodedImage) -> Mask:
    mask = _open(data, header)
    if mask.mode not in MASK_MODES:
        raise MaskInvalid("The mask must be an 8-bit greyscale or palette PNG without alpha.")
    if not _same_aspect(mask.size, (image.width, image.height)):
        actual, allowed = f"{mask.width}×{mask.height}", f"{image.width}:{image.height}"
        raise MaskInvalid(f"The mask is {actual}; its aspect must be the upright photo's, {allowed}.")
    mask.load()
    height_px, width_px = image.pixels.shape[:2]
    plane = mask.convert("L") if mask.mode == "1" else mask
    resized: Mask = np.asarray(plane.resize((width_px, height_px), Image.Resampling.NEAREST)) != 0
    return resized


def _same_aspect(size: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Whether a mask has the photo's aspect, to within the tolerance or to within a pixel.

    The size of a thin photo's mask may be rounded by more than the tolerance.
    """
    (width, height), (photo_width, photo_height) = size, photo
    excess = abs(width * photo_height - height * photo_width)
    return excess <= max(ASPECT_TOLERANCE * height * photo_width, photo_width, photo_height)


# --- the declared size ----------------------------------------------------------------------------------------
def _check(header: Header, file_bytes: int, limits: ImageLimits, *, what: str = "image") -> None:
    width_px, height_px = header.width_px, header.height_px
    size = f"The {what} is {width_px}×{height_px} px"
    if header.frames > 1:
        raise ImageAnimated(f"The {what} has {header.frames} frames; it must have 1.")
    if min(width_px, height_px) < limits.min_side_px:
        raise ImageTooSmall(f"{size}; each side must be {limits.min_side_px} px or more.")
    if max(width_px, height_px) > limits.max_aspect * min(width_px, height_px):
        raise ImageAspect(f"{size}; the long side may be at most {limits.max_aspect:g} times the short one.")
    pixels = width_px * height_px
    allowed = limits.max_pixels_baseline_jpeg if header.single_pass else limits.max_pixels_other
    if pixels > allowed:
        if pixels * 3 > MAX_EXPANSION * file_bytes:
            raise ImageBomb(f"{size} in {file_bytes} bytes; at most {allowed} pixels are allowed.")
        raise TooLarge(f"{size}, {pixels} pixels; at most {allowed} are allowed in this format.")
    if header.scans > limits.max_jpeg_scans:
        raise ImageTooComplex(f"The {what} has more than {limits.max_jpeg_scans} scans, the most allowed.")


def _turned(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return (size[1], size[0]) if turn >= 5 else size


def _bounded(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    scale = min(1.0, side_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _least_size(size: tuple[int, int], side_px: int, network_px: tuple[int, int] | None) -> tuple[int, int]:
    """The smallest (width, height) at which a JPEG can be decoded and still serve the analysis and the network."""
    # The EXIF turn is still unknown, so either side may become the network's longer side.
    floor_px = max(network_px or (1, 1))
    width_px, height_px = _bounded(size, side_px)
    return max(floor_px, width_px), max(floor_px, height_px)


# --- pixels ---------------------------------------------------------------------------------------------------
def _open(data: bytes, header: Header) -> ImageFile.ImageFile:
    image = _READERS[header.kind](io.BytesIO(data))
    if image.size != (header.width_px, header.height_px):
        raise ImageUndecodable("The file declares two different sizes.")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:
        # A photo with broken EXIF data is decoded as one without.
        return 1
    return turn if turn in range(1, 9) else 1


def _array(image: Image.Image) -> RgbImage:
    return np.asarray(image, dtype=np.uint8)


@contextmanager
def _our_errors(what: str) -> Iterator[None]:
    """Raises Pillow's errors as ours, so that Pillow's texts never reach a client."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadInput:
        raise
    except MemoryError as error:
        raise ImageTooComplex(f"The {what} takes more memory to decode than is allowed.") from error
    except Exception as error:
        # Pillow raises SyntaxError, ValueError, struct.error and more on broken files.
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise ImageTruncated(f"The {what} ends before its last pixel.") from error
        raise ImageUndecodable(f"The {what} is damaged and cannot be decoded.") from error
