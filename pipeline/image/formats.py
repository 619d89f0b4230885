"""Tells an image's format by its first bytes, and names the files that are not decoded."""

from functools import cache
from importlib.util import find_spec
from typing import Literal

from pipeline.errors import UnsupportedMedia
from pipeline.image.errors import HEIC, named

Format = Literal["JPEG", "PNG", "WEBP", "AVIF", "HEIC"]
# The media types of each format, the registered one first.
MEDIA_TYPES: dict[Format, tuple[str, ...]] = {
    "JPEG": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "PNG": ("image/png", "image/x-png"),
    "WEBP": ("image/webp",),
    "AVIF": ("image/avif",),
    "HEIC": ("image/heic", "image/heif"),
}
# The formats as people write them.
NAMES: dict[Format, str] = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "AVIF": "AVIF", "HEIC": "HEIC"}

# Standard: the brands of ISO/IEC 23008-12 (HEIF) and of AVIF's specification, sections 6.2 and 6.3.
HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
AVIF_BRANDS = frozenset((b"avif", b"avis"))
# Brands of the container alone: the compatible brands name the codec.
CONTAINER_BRANDS = frozenset((b"mif1", b"mif2", b"msf1", b"miaf", b"MiHB", b"MiHE"))
# Taste: more brands than any file lists.
MAX_BRANDS = 32


@cache
def heic_is_decoded() -> bool:
    """Whether the optional package pi-heif is installed, which decodes HEIC."""
    return find_spec("pi_heif") is not None


def decoded_formats() -> tuple[Format, ...]:
    """The formats that this installation decodes."""
    return tuple(kind for kind in MEDIA_TYPES if kind != "HEIC" or heic_is_decoded())


def listed(last: str) -> str:
    """The formats that this installation decodes, in words; last: the word before the last of them."""
    *first, final = (NAMES[kind] for kind in decoded_formats())
    return f"{', '.join(first)} {last} {final}"


def sniff(data: bytes) -> Format:
    """The format by the file's first bytes.

    Raises UnsupportedMedia for a file that is not decoded here; the detail says what the file is and the way out.
    """
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    codec = _codec(data)
    if codec == "AVIF" or (codec == "HEIC" and heic_is_decoded()):
        return codec
    what, way_out = HEIC if codec == "HEIC" else named(data)
    if not what:
        raise UnsupportedMedia(
            f"The file is not a {listed('or')} image by its first bytes; these formats alone are read."
        )
    raise UnsupportedMedia(f"The file is {what}, not a {listed('or')} image by its first bytes. {way_out}".rstrip())


def is_heif(data: bytes) -> bool:
    """Whether the file is an ISO media file, as AVIF and HEIC are, which take longer to decode than others."""
    return data[4:8] == b"ftyp"


def _codec(data: bytes) -> Format | None:
    """The codec of an ISO media file with still images: its major brand decides, then its compatible brands."""
    if not is_heif(data):
        return None
    length = min(int.from_bytes(data[:4]), 16 + 4 * MAX_BRANDS)
    major = data[8:12]
    compatible = {data[at : at + 4] for at in range(16, length, 4)} if major in CONTAINER_BRANDS else set()
    if {major, *compatible} & AVIF_BRANDS:
        return "AVIF"
    # A file that names the container alone is HEIC in practice.
    return "HEIC" if major in HEIC_BRANDS | CONTAINER_BRANDS else None
