"""Encodes test pictures, four colours in four corners, in every format, mode, EXIF turn and profile."""

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.types import RgbImage

WIDTH_PX, HEIGHT_PX = 48, 32
# Top left, top right, bottom left, bottom right.
CORNERS = ((196, 60, 48), (40, 92, 160), (232, 226, 208), (28, 96, 64))
# The change to an upright picture that each EXIF turn undoes.
BEFORE_TURN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# Standard: Apple's Display P3, adapted to D50 as ICC profiles require, and its sRGB curve.
P3_COLORANTS = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
D50 = (0.9642, 1.0, 0.8249)
# Standard: D65, from the primaries of SMPTE RP 431-2.
_P3_TO_XYZ = np.array(
    [[0.48657095, 0.26566769, 0.19821729], [0.22897456, 0.69173852, 0.07928691], [0.0, 0.04511338, 1.04394437]]
)
# Standard: D65, IEC 61966-2-1.
_SRGB_TO_XYZ = np.array(
    [[0.41239080, 0.35758434, 0.18048079], [0.21263901, 0.71516868, 0.07219232], [0.01933082, 0.11919478, 0.95053215]]
)


def quarters(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> RgbImage:
    """The upright picture, (height, width, 3)."""
    pixels = np.empty((height_px, width_px, 3), np.uint8)
    for k, color in enumerate(CORNERS):
        rows = slice(height_px // 2, None) if k // 2 else slice(height_px // 2)
        columns = slice(width_px // 2, None) if k % 2 else slice(width_px // 2)
        pixels[rows, columns] = color
    return pixels


def encoded(
    image: Image.Image, kind: str = "PNG", *, turn: int = 1, profile: bytes | None = None, **how: object
) -> bytes:
    """The bytes of an upright image, stored so that the EXIF turn makes it upright again."""
    step = BEFORE_TURN[turn]
    stored = image if step is None else image.transpose(step)
    if turn != 1:
        exif = Image.Exif()
        exif[0x0112] = turn
        how["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    stored.save(buffer, kind, icc_profile=profile, **how)
    return buffer.getvalue()


# --- PNG and WebP by hand -------------------------------------------------------------------------------------
def png(
    size: tuple[int, int], depth: int, color_type: int, rows: bytes, chunks: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """A PNG of raw rows, each of which begins with its filter byte. Chunks come before the pixels."""
    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, data) for name, data in parts)


def png_chunk(name: bytes, data: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(values: np.ndarray, color_type: int, chunks: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A 16-bit PNG of values, (height, width, channels)."""
    height_px, width_px = values.shape[:2]
    rows = b"".join(b"\0" + values[y].astype(">u2").tobytes() for y in range(height_px))
    return png((width_px, height_px), 16, color_type, rows, chunks)


def webp_canvas(width_px: int, height_px: int) -> bytes:
    """A WebP that has only an extended header, which declares a canvas."""
    sizes = struct.pack("<I", width_px - 1)[:3] + struct.pack("<I", height_px - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0" * 4 + sizes
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- ICC profiles by hand -------------------------------------------------------------------------------------
def display_p3() -> bytes:
    """A matrix profile of Display P3."""
    curve = _parametric(SRGB_CURVE)
    colorants = [(name, _xyz(xyz)) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), P3_COLORANTS, strict=True)]
    return _profile(b"RGB ", [*colorants, (b"rTRC", curve), (b"gTRC", curve), (b"bTRC", curve)])


def grey_profile(gamma: float) -> bytes:
    """A grey profile with a plain power curve."""
    return _profile(b"GRAY", [(b"kTRC", _parametric((gamma, 1.0, 0.0, 0.0, 0.0)))])


def srgb_to_p3(rgb: RgbImage) -> RgbImage:
    """sRGB bytes as the bytes of the same colours in Display P3, (..., 3)."""
    linear = _linear(rgb / 255) @ (np.linalg.inv(_P3_TO_XYZ) @ _SRGB_TO_XYZ).T
    stored = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(stored.clip(0, 1) * 255), np.uint8)


def _linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _profile(space: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    """An ICC profile (ICC.1:2010, section 7): a header of 128 bytes, a table of tags, and the tags."""
    tags = [(b"desc", _text("test")), (b"cprt", _text("none")), (b"wtpt", _xyz(D50)), *tags]
    at = 128 + 4 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags:
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s12x4s", size, b"\0" * 4, 0x04300000, b"mntr", space, b"XYZ ", b"acsp")
    header += b"\0" * 28 + b"".join(_fixed(value) for value in D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(xyz: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in xyz)


def _parametric(values: Sequence[float]) -> bytes:
    return struct.pack(">4s4xHH", b"para", 3, 0) + b"".join(_fixed(value) for value in values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(data), 28) + data


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


# --- one of each kind --------------------------------------------------------------------------------------------
def _webp_with_alpha() -> bytes:
    image = Image.fromarray(quarters())
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return encoded(image, "WEBP", quality=60)


def _png_with_declared_colours() -> bytes:
    chunks = [
        (b"gAMA", struct.pack(">I", 50_000)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
        (b"cICP", bytes([12, 13, 0, 1])),
    ]
    rows = b"".join(b"\0" + row.tobytes() for row in quarters())
    return png((WIDTH_PX, HEIGHT_PX), 8, 2, rows, chunks)


@cache
def samples() -> dict[str, bytes]:
    """One small file, by name, of each kind that is decoded in its own way."""
    noise = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    busy = Image.fromarray(noise)
    return {
        "JPEG": encoded(busy, "JPEG", turn=6, profile=display_p3(), quality=70),
        "progressive JPEG": encoded(busy, "JPEG", progressive=True, quality=60),
        "CMYK JPEG": encoded(Image.fromarray(quarters()).convert("CMYK"), "JPEG"),
        "PNG": encoded(busy, turn=8, profile=display_p3()),
        "palette PNG": encoded(busy.quantize(16), transparency=3),
        "grey PNG of 16 bit": png16(noise[..., :1].astype(np.uint16) * 255, 0, [(b"tRNS", b"\x12\x34")]),
        "WebP": encoded(busy, "WEBP", turn=3, profile=display_p3(), quality=50),
        "lossless WebP": encoded(busy, "WEBP", lossless=True),
        "WebP with alpha": _webp_with_alpha(),
        "AVIF": encoded(busy, "AVIF", turn=5, profile=display_p3(), quality=60),
        "HEIC": (Path(__file__).parent / "image" / "heic" / "alpha.heic").read_bytes(),
        "PNG with declared colours": _png_with_declared_colours(),
    }
