"""Reads the format, size, frames and scans of an encoded image from its structure, without decoding it.

Pillow's readers already work hard when a file is opened: libwebp allocates the whole canvas, and libjpeg reads every
scan. So pipeline.image.decode checks what a file declares before Pillow sees a byte.
"""

import re
import struct
import zlib
from dataclasses import dataclass, replace

from pipeline.errors import ImageTooComplex, ImageTruncated, ImageUndecodable
from pipeline.image.formats import NAMES, Format, sniff
from pipeline.image.heif import is_sequence, read_boxes

# Taste: the most chunks or segments of a file. A PNG of 50 MiB with chunks of 8 KiB has 6,400.
MAX_PARTS = 32_768
# Taste: the most junk between two JPEG segments, which Pillow skips a byte at a time.
MAX_GAP_BYTES = 65_536

# Standard: ITU-T T.81 for JPEG, W3C PNG (third edition), RFC 9649 for WebP.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Within a scan, 0xFF is followed by a stuffed zero or begins a restart marker.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
# Bare markers have no length and no payload.
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_SEQUENTIAL = (0xC0, 0xC1)
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
# Coefficients of a JPEG block.
_COEFFICIENTS = 64


@dataclass(frozen=True, slots=True)
class Header:
    """What a file declares.

    width_px, height_px: as stored, before an EXIF turn. bit_depth: of one channel. scans: of a JPEG, counted to one
    above the caller's limit. single_pass: whether a JPEG's rows can be decoded and scaled as they are read.
    ended: whether the file's end marker was found. scanned: whether a JPEG's scans together hold all its coefficients.
    cicp: the codes of the primaries and the transfer function (ITU-T H.273). bad_chunks: where ancillary PNG chunks
    with a wrong checksum begin and end.
    """

    kind: Format
    width_px: int
    height_px: int
    bit_depth: int = 8
    frames: int = 1
    scans: int = 1
    single_pass: bool = False
    ended: bool = True
    scanned: bool = True
    cicp: tuple[int, int] | None = None
    bad_chunks: tuple[tuple[int, int], ...] = ()


def read_header(data: bytes, *, max_scans: int) -> Header:
    """The header of an image file. The time is bounded by MAX_PARTS and the file's size.

    max_scans: counting a JPEG's scans stops above this number. Raises UnsupportedMedia, ImageTruncated,
    ImageUndecodable, or ImageTooComplex for a structure of too many parts.
    """
    kind = sniff(data)
    try:
        if kind == "JPEG":
            return _read_jpeg(data, max_scans)
        if kind == "PNG":
            return _read_png(data)
        return _read_webp(data) if kind == "WEBP" else _read_heif(kind, data)
    except (struct.error, IndexError) as error:
        raise ImageTruncated(f"The {NAMES[kind]} file ends within its header.") from error


def _read_jpeg(data: bytes, max_scans: int) -> Header:
    """Reads a JPEG's segments (ITU-T T.81, annex B)."""
    size: tuple[int, int, int, int] | None = None
    scans, at, marker = 0, 2, _SOI
    # The bits that are still to come, of each coefficient of each component.
    missing: dict[int, list[int]] = {}
    for _ in range(MAX_PARTS):
        match = (_MARKER_AFTER_SCAN if marker == _SOS else _MARKER).search(data, at)
        if match is None:
            break
        if marker != _SOS and match.start() - at > MAX_GAP_BYTES:
            raise ImageTooComplex(f"The JPEG has more than {MAX_GAP_BYTES} bytes of junk between two segments.")
        marker, at = data[match.end() - 1], match.end()
        if marker == _EOI:
            break
        if marker in _BARE_MARKERS:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _FRAME_MARKERS and size is None:
            size = (marker, *struct.unpack_from(">BHH", data, at + 2))
            missing = {data[at + 8 + 3 * k]: [1] * _COEFFICIENTS for k in range(data[at + 7])}
        if marker == _SOS:
            scans += 1
            _note_scan(data, at, missing, progressive=size is not None and size[0] in _PROGRESSIVE)
        if scans > max_scans:
            break
        at += length
    else:
        raise ImageTooComplex(f"The JPEG has more than {MAX_PARTS} segments.")
    scanned = not any(any(bits) for bits in missing.values())
    return replace(_jpeg_header(size, scans, ended=marker == _EOI), ended=marker == _EOI, scanned=scanned)


def _note_scan(data: bytes, at: int, missing: dict[int, list[int]], *, progressive: bool) -> None:
    """Notes which coefficients a scan completes (ITU-T T.81, B.2.3)."""
    components = data[at + 2]
    first, last, approximation = struct.unpack_from("3B", data, at + 3 + 2 * components)
    spectrum = range(first, min(last, _COEFFICIENTS - 1) + 1) if progressive else range(_COEFFICIENTS)
    for k in range(components):
        bits = missing.get(data[at + 3 + 2 * k])
        if bits is None:
            continue
        for coefficient in spectrum:
            bits[coefficient] = approximation & 0x0F if progressive else 0


def _jpeg_header(size: tuple[int, int, int, int] | None, scans: int, *, ended: bool) -> Header:
    if size is None or scans == 0:
        if ended:
            raise ImageUndecodable("The JPEG has no picture between its start and its end.")
        raise ImageTruncated("The JPEG file ends before its picture begins.")
    frame, depth, height_px, width_px = size
    single_pass = frame in _HUFFMAN_SEQUENTIAL and scans == 1
    return Header("JPEG", width_px, height_px, bit_depth=depth, scans=scans, single_pass=single_pass)


def _read_png(data: bytes) -> Header:
    """Reads a PNG's chunks (W3C PNG, third edition, sections 5 and 11)."""
    length, name, width_px, height_px, depth = struct.unpack_from(">I4sIIB", data, 8)
    if name != b"IHDR":
        raise ImageUndecodable("The PNG does not begin with its header chunk.")
    frames, at, cicp = 1, 8, None
    bad: list[tuple[int, int]] = []
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, at)
        if _is_ancillary(name) and _is_damaged(data, at, length):
            bad.append((at, at + 12 + length))
        elif name == b"acTL":
            (frames,) = struct.unpack_from(">I", data, at + 8)
        elif name == b"cICP":
            cicp = _png_cicp(data[at + 8 : at + 8 + length])
        if name == b"IEND":
            break
        at += 12 + length
    else:
        raise ImageTooComplex(f"The PNG has more than {MAX_PARTS} chunks.")
    return Header("PNG", width_px, height_px, bit_depth=depth, frames=max(1, frames), cicp=cicp, bad_chunks=tuple(bad))


def _is_ancillary(name: bytes) -> bool:
    """Whether a decoder may do without a chunk (section 5.4): its name begins with a small letter."""
    return bool(name[0] & 0x20)


def _is_damaged(data: bytes, at: int, length: int) -> bool:
    """Whether a whole chunk has a wrong checksum."""
    end = at + 12 + length
    return end <= len(data) and zlib.crc32(memoryview(data)[at + 4 : end - 4]).to_bytes(4) != data[end - 4 : end]


def _png_cicp(content: bytes) -> tuple[int, int] | None:
    """The codes of a cICP chunk (section 11.3.2.6). Values in the narrow range of video are left as they are."""
    return (content[0], content[1]) if len(content) == 4 and content[2:] == b"\0\x01" else None


def _read_webp(data: bytes) -> Header:
    """Reads a WebP's chunks (RFC 9649, section 2)."""
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if riff_bytes + 8 > len(data):
        raise ImageTruncated(f"The WebP file declares {riff_bytes + 8} bytes and has {len(data)}.")
    width_px, height_px = _webp_size(data)
    frames, at = 0, 12
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, at)
        frames += name == b"ANMF"
        at += 8 + length + length % 2
    else:
        raise ImageTooComplex(f"The WebP has more than {MAX_PARTS} chunks.")
    return Header("WEBP", width_px, height_px, frames=max(1, frames))


def _webp_size(data: bytes) -> tuple[int, int]:
    name = data[12:16]
    if name == b"VP8X":
        width, high_width, height, high_height = struct.unpack_from("<HBHB", data, 24)
        return (width | high_width << 16) + 1, (height | high_height << 16) + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ImageUndecodable("The WebP does not begin with a picture.")


def _read_heif(kind: Format, data: bytes) -> Header:
    """Reads the boxes of an AVIF or HEIC file. Its size is before the turns that its properties ask for."""
    boxes = read_boxes(data)
    frames = 2 if is_sequence(data) and kind == "HEIC" else 1
    return Header(kind, boxes.width_px, boxes.height_px, frames=frames, cicp=boxes.cicp)
