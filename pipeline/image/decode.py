"""Decodes photos and masks to bounded, upright arrays, and checks every limit before a pixel is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

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
from pipeline.image.formats import NAMES, Format, sniff
from pipeline.image.header import Header, read_header
from pipeline.image.limits import DEFAULT_LIMITS, ImageLimits, allowed_pixels
from pipeline.image.modes import MAX_PROFILE_BYTES, opaque, to_srgb
from pipeline.image.profiles import declared_profile
from pipeline.image.shrink import WHOLE_SHARE, bounded, reduced, shrunk
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
# Taste: a file is a bomb when it declares more pixels than any sensor has, and decodes to more bytes than this for each
# encoded byte. Other files above the limits are large photos.
BOMB_PIXELS, BOMB_EXPANSION = 210_000_000, 200
# Contract: a mask is an 8-bit PNG. These are its modes in Pillow.
MASK_MODES = ("1", "L", "P", "RGB", "LA", "RGBA")
# Taste: how far a mask's aspect may be from its photo's.
ASPECT_TOLERANCE = 0.02

# Contract: JPEG's own scaling, which averages sRGB values, leaves twice the analysed side for the averaging of light.
DRAFT_FACTOR = 2 * WHOLE_SHARE
# Contract: a pixel below half of full alpha is transparent.
HALF_ALPHA = 128

_BOX = Image.Resampling.BOX
# Image.open would read a phone's JPEG with a second picture behind the first as a file of two frames.
_READERS: dict[Format, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_JPEG_END = b"\xff\xd9"
# Entropy-coded data that no photo continues with. It begins with ones, since zeros are what a decoder fills in.
_NOISE = bytes((91 * k + 251) % 255 for k in range(256))

# Our own limits come before Pillow's, and raise our own errors.
Image.MAX_IMAGE_PIXELS = None
# Each decode child has one core.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# Pillow applies this limit, which is 1 MiB by default, to ICC profiles too.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


def decode_image(
    data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS, network_px: tuple[int, int] | None = None
) -> DecodedImage:
    """A photo, upright, in sRGB, with its long side at most the limit.

    With `network_px` (width, height) the photo is also squeezed to the network's input. EXIF turns are undone; ICC
    profiles, code points (cICP), PNG's gAMA and cHRM and Exif's Adobe RGB are converted to sRGB; alpha is composited on
    white, and the pixels below half of it are told; 16 bits are scaled to 8, and CMYK is converted. Shrinking averages
    light for the analysed picture, and plain values for the network, as in its training. No metadata survives. Raises
    UnsupportedMedia, TooLarge, ImageBomb, ImageAnimated, ImageTruncated, ImageUndecodable, ImageTooSmall, ImageAspect
    or ImageTooComplex.
    """
    header = read_header(data, max_scans=limits.max_jpeg_scans)
    _check(header, len(data), limits)
    with _our_errors("image"):
        image = _loaded(data, header, limits.analysed_side_px, network_px)
        # Pillow finds the EXIF data of some PNGs only after decoding them.
        turn = _orientation(image)
        profile = declared_profile(image, header.cicp)
        stored = (header.width_px, header.height_px) if header.kind == "JPEG" else image.size
        upright, alpha = opaque(image, header.bit_depth)
        if turn in _TURNS:
            upright = upright.transpose(_TURNS[turn])
            alpha = alpha and alpha.transpose(_TURNS[turn])
        width_px, height_px = _turned(stored, turn)
        size = bounded((width_px, height_px), limits.analysed_side_px)
        plain = reduced(upright, size)
        network = None if network_px is None else _array(to_srgb(_squeezed(upright, plain, network_px), profile))
        analysed = _array(to_srgb(_analysed(upright, plain, size), profile))
        return DecodedImage(analysed, width_px, height_px, network, opaque=_opaque_pixels(alpha, size))


def _squeezed(upright: Image.Image, plain: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at the network's size; of a wide or a tall photo the analysed picture has too few rows or columns."""
    enough = plain.width >= size[0] and plain.height >= size[1]
    return (plain if enough else upright).resize(size, _BOX)


def _analysed(upright: Image.Image, plain: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at analysed size. Ink, in CMYK, is no light."""
    if upright.size == size:
        return upright
    if upright.mode not in ("L", "RGB") or upright.width < size[0] or upright.height < size[1]:
        return plain.resize(size, _BOX)
    return shrunk(upright, plain, size)


def _opaque_pixels(alpha: Image.Image | None, size: tuple[int, int]) -> Mask | None:
    """Which pixels are opaque at analysed size, (h, w); None when all are."""
    if alpha is None:
        return None
    opaque_pixels: Mask = np.asarray(alpha.resize(size, _BOX)) >= HALF_ALPHA
    return None if opaque_pixels.all() else opaque_pixels


def decode_mask(data: bytes, image: DecodedImage, *, limits: ImageLimits = DEFAULT_LIMITS) -> Mask:
    """A mask at the photo's analysed size, from an 8-bit PNG of the upright photo's aspect.

    Non-zero pixels are the garment; in a palette PNG the index counts, in RGB any channel, and transparency, where the
    PNG has some, decides alone. Raises TooLarge, ImageBomb, MaskEmpty, or MaskInvalid for any other fault.
    """
    try:
        if (kind := sniff(data)) != "PNG":
            raise MaskInvalid(f"The mask is a {NAMES[kind]} file; it must be an 8-bit PNG.")
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
    mask = _open(_mended(data, header), header)
    if mask.mode not in MASK_MODES or header.bit_depth > 8:
        raise MaskInvalid(f"The mask has {header.bit_depth} bits a channel; it must be an 8-bit PNG.")
    if not _same_aspect(mask.size, (image.width, image.height)):
        actual, allowed = f"{mask.width}×{mask.height}", f"{image.width}:{image.height}"
        raise MaskInvalid(f"The mask is {actual}; its aspect must be the upright photo's, {allowed}.")
    mask.load()
    height_px, width_px = image.pixels.shape[:2]
    plane = mask.convert("L") if mask.mode == "1" else mask
    values = np.asarray(plane.resize((width_px, height_px), Image.Resampling.NEAREST))
    marked: Mask = values != 0 if values.ndim == 2 else _marked(values)
    return marked


def _marked(values: np.ndarray) -> Mask:
    """The marked pixels of channels, (h, w, n): by alpha where it varies, else by any channel of colour."""
    alpha = values[..., -1] >= HALF_ALPHA if values.shape[2] in (2, 4) else None
    if alpha is not None and not alpha.all():
        return np.asarray(alpha)
    return np.asarray((values[..., :3] if values.shape[2] > 2 else values[..., :1]).any(axis=2))


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
    pixels, kind = width_px * height_px, _kind(header)
    allowed = allowed_pixels(limits)[kind]
    if pixels > allowed:
        if pixels > BOMB_PIXELS and pixels * 3 > BOMB_EXPANSION * file_bytes:
            raise ImageBomb(f"{size} in {file_bytes} bytes; at most {allowed} pixels are allowed for {kind}.")
        way_out = "Scale it down"
        if pixels <= limits.max_pixels_baseline_jpeg:
            way_out += f", or save it as a baseline JPEG, which may have {limits.max_pixels_baseline_jpeg} pixels"
        raise TooLarge(f"{size}, {pixels} pixels; at most {allowed} are allowed for {kind}. {way_out}.")
    if header.scans > limits.max_jpeg_scans:
        raise ImageTooComplex(f"The {what} has more than {limits.max_jpeg_scans} scans, the most allowed.")


def _kind(header: Header) -> str:
    """The kind of file in words, as the limits name it."""
    if header.kind == "JPEG":
        return "baseline JPEG" if header.single_pass else "progressive JPEG"
    return NAMES[header.kind]


def _turned(size: tuple[int, int], turn: int) -> tuple[int, int]:
    return (size[1], size[0]) if turn >= 5 else size


def _least_size(size: tuple[int, int], side_px: int, network_px: tuple[int, int] | None) -> tuple[int, int]:
    """The smallest (width, height) at which a JPEG can be decoded and still serve the analysis and the network."""
    # The EXIF turn is still unknown, so either side may become the network's longer side.
    floor_px = max(network_px or (1, 1))
    width_px, height_px = bounded(size, round(DRAFT_FACTOR * side_px))
    return max(floor_px, width_px), max(floor_px, height_px)


# --- pixels ---------------------------------------------------------------------------------------------------
def _loaded(data: bytes, header: Header, side_px: int, network_px: tuple[int, int] | None) -> ImageFile.ImageFile:
    """The image with its pixels, a JPEG at a fraction of its size. Raises ImageTruncated and Pillow's errors."""

    def load(data: bytes) -> ImageFile.ImageFile:
        image = _open(data, header)
        image.draft(None, _least_size(image.size, side_px, network_px))
        image.load()
        return image

    if header.kind != "JPEG" or header.ended:
        return load(_mended(data, header))
    data = data.rstrip(b"\xff")
    image = load(data + _JPEG_END)
    # Where rows are missing, the decoder goes on with what follows the data.
    if not header.scanned or image.tobytes() != load(data + _NOISE + _JPEG_END).tobytes():
        raise ImageTruncated("The image ends before its last pixel.")
    return image


def _mended(data: bytes, header: Header) -> bytes:
    """The file without ancillary PNG chunks whose checksum is wrong, as libpng reads it."""
    if not header.bad_chunks:
        return data
    ends = [0, *(end for _, end in header.bad_chunks)]
    starts = [*(start for start, _ in header.bad_chunks), len(data)]
    return b"".join(data[end:start] for end, start in zip(ends, starts, strict=True))


def _open(data: bytes, header: Header) -> ImageFile.ImageFile:
    reader = _heic_reader() if header.kind == "HEIC" else _READERS[header.kind]
    image = reader(io.BytesIO(data))
    declared = (header.width_px, header.height_px)
    if header.kind in ("AVIF", "HEIC"):
        # Their properties may crop the picture, and the reader of HEIC turns it.
        if image.width * image.height > declared[0] * declared[1]:
            raise ImageUndecodable("The file declares two different sizes.")
        if header.kind == "AVIF" and (frames := getattr(image, "n_frames", 1)) > 1:
            raise ImageAnimated(f"The image has {frames} frames; it must have 1.")
    elif image.size != declared:
        raise ImageUndecodable("The file declares two different sizes.")
    return image


def _heic_reader() -> type[ImageFile.ImageFile]:
    """The reader of the optional package pi-heif, which is imported when the first HEIC comes."""
    from pi_heif import options
    from pi_heif.as_plugin import HeifImageFile

    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    return cast("type[ImageFile.ImageFile]", HeifImageFile)


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
