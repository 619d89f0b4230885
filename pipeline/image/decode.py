"""Encoded photos to bounded upright sRGB arrays, with every limit checked before a pixel is decoded; Pillow, numpy."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from pipeline.image.modes import MAX_PROFILE_BYTES, opaque, to_srgb
from pipeline.types import DecodedImage, Mask, RgbImage

__all__ = ["DEFAULT_LIMITS", "ImageLimits", "decode_image", "decode_mask", "sniff"]

EXIF_ORIENTATION: Final = 0x0112
MAX_EXPANSION = 200  # decoded bytes per encoded byte above which a too large image is a bomb
MASK_MODES = ("1", "L", "P")
ASPECT_TOLERANCE = 0.02  # between a mask's aspect and its photo's

_BOX = Image.Resampling.BOX
# Not Image.open: it would read a phone's JPEG with a second picture behind the first as a file of two frames.
_READERS: dict[Format, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # our own limits come first, and give our own errors
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES  # it counts for profiles too, of which Pillow allows 1 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What is decoded at all, and how large the analysed image is."""

    max_pixels_baseline_jpeg: int = 50_000_000  # in one scan, which is decoded at a fraction of its size
    max_pixels_other: int = 16_000_000
    min_side_px: int = 8
    max_aspect: float = 50.0
    max_jpeg_scans: int = 64
    analysed_side_px: int = 512


DEFAULT_LIMITS = ImageLimits()


def decode_image(
    data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS, network_px: tuple[int, int] | None = None
) -> DecodedImage:
    """A photo, upright, sRGB, long side at most the limit; with `network_px` also squeezed to that (width, height).

    EXIF turns are undone, ICC profiles converted to sRGB, alpha composited on white, 16 bit scaled, CMYK converted.
    Both sizes come from the same pixels by an area filter; nothing is enlarged but for the network, and nothing of
    the metadata survives. Raises UnsupportedMedia, TooLarge, ImageBomb, ImageAnimated, ImageTruncated,
    ImageUndecodable, ImageTooSmall, ImageAspect or ImageTooComplex.
    """
    header = read_header(data, max_scans=limits.max_jpeg_scans)
    _check(header, len(data), limits)
    with _our_errors("image"):
        image = _open(data, header)
        image.draft(None, _least_size(image.size, limits.analysed_side_px, network_px))
        image.load()
        turn = _orientation(image)  # only now: for some PNGs Pillow has to decode to find their EXIF
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
    """A mask at the photo's analysed size: an 8-bit PNG of the upright photo's aspect, non-zero = garment.

    In a palette PNG it is the index that counts. Raises TooLarge, ImageBomb, MaskEmpty, or MaskInvalid for whatever
    else is wrong with it.
    """
    try:
        if (kind := sniff(data)) != "PNG":
            raise MaskInvalid(f"The mask is a {kind} file; it must be an 8-bit PNG.")
        header = read_header(data, max_scans=0)
        _check(header, len(data), limits, what="mask")
        with _our_errors("mask"):
            found = _mask_plane(data, header, image)
    except (MaskInvalid, TooLarge, ImageBomb):
        raise
    except UnsupportedMedia as error:
        raise MaskInvalid("The mask is not a PNG file; it must be an 8-bit PNG.") from error
    except BadInput as error:
        raise MaskInvalid(error.detail) from error
    if not found.any():
        raise MaskEmpty("The mask has no non-zero pixel; it must mark the garment with non-zero pixels.")
    return found


def _mask_plane(data: bytes, header: Header, image: DecodedImage) -> Mask:
    mask = _open(data, header)
    if mask.mode not in MASK_MODES:
        raise MaskInvalid("The mask is not an 8-bit greyscale or palette PNG without alpha; it must be.")
    if not _same_aspect(mask.size, (image.width, image.height)):
        actual, allowed = f"{mask.width}×{mask.height}", f"{image.width}:{image.height}"
        raise MaskInvalid(f"The mask is {actual}; its aspect must be the upright photo's, {allowed}.")
    mask.load()
    height_px, width_px = image.pixels.shape[:2]
    plane = mask.convert("L") if mask.mode == "1" else mask
    found: Mask = np.asarray(plane.resize((width_px, height_px), Image.Resampling.NEAREST)) != 0
    return found


def _same_aspect(size: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Within the tolerance, or within a pixel: a thin photo's mask may be rounded by more than the tolerance."""
    (width, height), (photo_width, photo_height) = size, photo
    excess = abs(width * photo_height - height * photo_width)
    return excess <= max(ASPECT_TOLERANCE * height * photo_width, photo_width, photo_height)


# --- what a file declares -------------------------------------------------------------------------------------
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
    """The smallest (width, height) that a JPEG may be decoded at and still serve the analysis and the network."""
    floor_px = max(network_px or (1, 1))  # before the EXIF turn it is not known which side is which
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
    except Exception:  # broken EXIF of any kind is no EXIF
        return 1
    return turn if turn in range(1, 9) else 1


def _array(image: Image.Image) -> RgbImage:
    return np.asarray(image, dtype=np.uint8)


@contextmanager
def _our_errors(what: str) -> Iterator[None]:
    """Pillow's many errors as ours; its texts never reach a client."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadInput:
        raise
    except MemoryError as error:
        raise ImageTooComplex(f"The {what} takes more memory to decode than is allowed.") from error
    except Exception as error:  # Pillow raises SyntaxError, ValueError, struct.error and more on broken files
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise ImageTruncated(f"The {what} ends before its last pixel.") from error
        raise ImageUndecodable(f"The {what} is damaged and cannot be decoded.") from error
