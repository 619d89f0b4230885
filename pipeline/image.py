"""Encoded photos to bounded upright sRGB arrays, with every limit checked before a pixel is decoded; Pillow, numpy."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageFile

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
from pipeline.types import DecodedImage, Mask, RgbImage

Format = Literal["JPEG", "PNG", "WEBP"]
EXIF_ORIENTATION = 0x0112
MAX_EXPANSION = 200  # decoded bytes per encoded byte above which a too large image is a bomb
ASPECT_TOLERANCE = 0.02  # between a mask's aspect and its image's
_SRGB = ImageCms.createProfile("sRGB")

Image.MAX_IMAGE_PIXELS = None  # our own limits come first, and give our own errors
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is decoded at all, and how large the analysed image is."""

    max_pixels_baseline_jpeg: int = 50_000_000  # decoded at a fraction of its size
    max_pixels_other: int = 16_000_000
    min_side_px: int = 8
    max_aspect: float = 50.0
    max_jpeg_scans: int = 64
    analysed_side_px: int = 512


DEFAULT_LIMITS = ImageLimits()


def sniff(data: bytes) -> Format:
    """The format by its magic bytes. Raises UnsupportedMedia for any but JPEG, PNG and WebP."""
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise UnsupportedMedia("The image is not a JPEG, PNG or WebP file (by its first bytes); only these are allowed.")


def decode_image(
    data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS, network_px: tuple[int, int] | None = None
) -> DecodedImage:
    """A photo, upright, sRGB, long side at most the limit; with `network_px` also squeezed to that (width, height).

    EXIF turns are undone, ICC profiles converted to sRGB, alpha composited on white, 16 bit scaled, CMYK converted.
    Nothing of the metadata survives. Raises UnsupportedMedia, TooLarge, ImageBomb, ImageAnimated, ImageTruncated,
    ImageUndecodable, ImageTooSmall, ImageAspect or ImageTooComplex.
    """
    kind = sniff(data)
    with _our_errors(), Image.open(io.BytesIO(data), formats=(kind,)) as image:
        _check_header(image, data, kind, limits)
        turn = _orientation(image)
        width_px, height_px = _turned(image.size, turn)
        if kind == "JPEG":
            image.draft(None, _least_size(image.size, limits.analysed_side_px, network_px))
        upright = _upright(_rgb(image), turn)
    analysed = _bounded(upright, limits.analysed_side_px)
    network = None if network_px is None else upright.resize(network_px, Image.Resampling.BOX)
    return DecodedImage(_array(analysed), width_px, height_px, None if network is None else _array(network))


def decode_mask(data: bytes, image: DecodedImage, *, limits: ImageLimits = DEFAULT_LIMITS) -> Mask:
    """A mask at the photo's analysed size: an 8-bit PNG of the upright photo's aspect, non-zero = garment.

    Raises MaskInvalid, MaskEmpty, or what `decode_image` raises for a file beyond the limits.
    """
    try:
        kind = sniff(data)
    except UnsupportedMedia as error:
        raise MaskInvalid("The mask is not a PNG file.") from error
    if kind != "PNG":
        raise MaskInvalid(f"The mask is a {kind} file; it must be an 8-bit PNG.")
    with _our_errors(), Image.open(io.BytesIO(data), formats=("PNG",)) as mask:
        _check_header(mask, data, "PNG", limits)
        if mask.mode not in ("L", "P", "1"):
            raise MaskInvalid(f"The mask has the mode {mask.mode}; it must be 8-bit greyscale or palette.")
        aspect, expected = mask.width / mask.height, image.width / image.height
        if abs(aspect / expected - 1) > ASPECT_TOLERANCE:
            raise MaskInvalid(f"The mask is {mask.width}×{mask.height}; its aspect must be {image.width}:{image.height}.")
        plane = mask if mask.mode == "P" else mask.convert("L")
        height_px, width_px = image.pixels.shape[:2]
        found = np.asarray(plane.resize((width_px, height_px), Image.Resampling.NEAREST)) != 0
    if not found.any():
        raise MaskEmpty("The mask has no non-zero pixel.")
    return found


# --- checks ---------------------------------------------------------------------------------------------------
def _check_header(image: Image.Image, data: bytes, kind: Format, limits: ImageLimits) -> None:
    width_px, height_px = image.size
    if getattr(image, "n_frames", 1) > 1:
        raise ImageAnimated(f"The image has {image.n_frames} frames; it must have 1.")  # type: ignore[attr-defined]
    if min(image.size) < limits.min_side_px:
        raise ImageTooSmall(f"The image is {width_px}×{height_px}; each side must be {limits.min_side_px} px or more.")
    if max(image.size) > limits.max_aspect * min(image.size):
        raise ImageAspect(f"The image is {width_px}×{height_px}; its aspect must be {limits.max_aspect:g} or less.")
    baseline = kind == "JPEG" and not image.info.get("progressive")
    most = limits.max_pixels_baseline_jpeg if baseline else limits.max_pixels_other
    if width_px * height_px > most:
        if width_px * height_px * 3 > MAX_EXPANSION * len(data):
            raise ImageBomb(f"The image declares {width_px}×{height_px} pixels in {len(data)} bytes.")
        raise TooLarge(f"The image has {width_px * height_px} pixels; at most {most} are allowed for this format.")
    if kind == "JPEG" and (scans := _jpeg_scans(data)) > limits.max_jpeg_scans:
        raise ImageTooComplex(f"The JPEG has {scans} scans; at most {limits.max_jpeg_scans} are allowed.")


def _jpeg_scans(data: bytes) -> int:
    """Start-of-scan markers; in entropy-coded data 0xFF is always stuffed, so each is a scan (or in a thumbnail)."""
    return data.count(b"\xff\xda")


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # broken EXIF of any kind is no EXIF
        return 1
    return turn if turn in range(1, 9) else 1


def _turned(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return (size[1], size[0]) if turn >= 5 else size


# --- pixels ---------------------------------------------------------------------------------------------------
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode as sRGB."""
    image.load()
    profile = image.info.get("icc_profile")
    transparent = "A" in image.getbands() or "transparency" in image.info
    if image.mode.startswith(("I", "F")):
        image = _eight_bit(image)
    if transparent:
        image = _on_white(image.convert("RGBA"))
    elif image.mode == "P" or image.mode == "1":
        image = image.convert("RGB")
    return _to_srgb(image, profile)


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey to 8 bit by its high byte; Pillow's own conversion saturates."""
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken or unfitting profile is no profile
    return image if image.mode == "RGB" else image.convert("RGB")


def _least_size(size: tuple[int, int], side_px: int, network_px: tuple[int, int] | None) -> tuple[int, int]:
    """The smallest (width, height) to decode at that still serves the analysed image and the network."""
    floor_px = max(network_px or (1, 1))  # before the EXIF turn it is not known which side is which
    scale = min(1.0, side_px / max(size))
    return max(floor_px, round(size[0] * scale)), max(floor_px, round(size[1] * scale))


def _bounded(image: Image.Image, side_px: int) -> Image.Image:
    long_px = max(image.size)
    if long_px <= side_px:
        return image
    size = (max(1, round(image.width * side_px / long_px)), max(1, round(image.height * side_px / long_px)))
    return image.resize(size, Image.Resampling.BOX)


def _array(image: Image.Image) -> RgbImage:
    return np.asarray(image, dtype=np.uint8)


@contextmanager
def _our_errors() -> Iterator[None]:
    """Pillow's many errors as ours; its texts never reach a client."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BadInput:
        raise
    except MemoryError as error:
        raise ImageTooComplex("The image takes more memory to decode than is allowed.") from error
    except Exception as error:  # Pillow raises SyntaxError, ValueError, struct.error and more on broken files
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise ImageTruncated("The image ends before its last pixel.") from error
        raise ImageUndecodable("The image is damaged and cannot be decoded.") from error


