"""Tests that files beyond a limit are refused before a pixel is decoded, each with its own error."""

import io
import re
import struct
import time
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import (
    BadInput,
    ImageAnimated,
    ImageAspect,
    ImageBomb,
    ImageTooComplex,
    ImageTooSmall,
    ImageTruncated,
    ImageUndecodable,
    TooLarge,
    UnsupportedMedia,
)
from pipeline.image.decode import decode_image
from pipeline.image.limits import ImageLimits
from tests.pipeline.pictures import encoded, png, png_chunk, quarters, webp_canvas

# CPU time. A refusal takes about a millisecond.
SOON_S = 0.1
RGB = Image.fromarray(quarters())


def _png_of(width_px: int, height_px: int, padding_bytes: int = 0) -> bytes:
    """A PNG that declares a size and has hardly any pixels, with a chunk of padding."""
    return png((width_px, height_px), 8, 2, b"\0" * 64, [(b"teSt", b"\0" * padding_bytes)])


def _jpeg_of(width_px: int, height_px: int, padding_bytes: int = 0, **how: Any) -> bytes:
    """A small JPEG whose frame declares another size, with comments as padding."""
    data = bytearray(encoded(RGB, "JPEG", **how))
    at = re.search(rb"\xff[\xc0\xc2]", bytes(data))
    assert at is not None
    struct.pack_into(">HH", data, at.start() + 5, height_px, width_px)
    comments = b"".join(b"\xff\xfe" + struct.pack(">H", 60_002) + b" " * 60_000 for _ in range(padding_bytes // 60_000))
    return bytes(data[:2]) + comments + bytes(data[2:])


def _scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encoded(RGB, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    had = data.count(b"\xff\xda")
    return data[:-2] + data[last:-2] * (count - had) + data[-2:]


def _animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def _without_picture() -> bytes:
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9 + b"\xff\xd9"


REFUSED: dict[str, tuple[bytes, type[BadInput], str]] = {
    "PNG bomb": (_png_of(60_000, 60_000), ImageBomb, r"60000×60000 px in \d+ bytes; at most 16000000"),
    "JPEG bomb": (_jpeg_of(65_500, 65_500), ImageBomb, "at most 110000000 pixels"),
    "WebP bomb": (webp_canvas(16_384, 16_384), ImageBomb, "at most 16000000"),
    "PNG of 20 MP": (
        _png_of(5000, 4000),
        TooLarge,
        "5000×4000 px, 20000000 pixels; at most 16000000 are allowed for PNG. Scale it down, or save it as a baseline",
    ),
    "WebP of 24 MP": (webp_canvas(5712, 4284), TooLarge, "at most 16000000 are allowed for WebP.*baseline JPEG"),
    "progressive JPEG of 30 MP": (
        _jpeg_of(6000, 5000, progressive=True),
        TooLarge,
        "at most 25000000 are allowed for progressive JPEG.*baseline JPEG, which may have 110000000 pixels",
    ),
    "JPEG of 120 MP": (_jpeg_of(12_000, 10_000), TooLarge, "at most 110000000 are allowed for baseline JPEG. Scale it"),
    "PNG of 200 MP": (_png_of(16_320, 12_240), TooLarge, "at most 16000000 are allowed for PNG. Scale it down"),
    "7 px": (encoded(Image.new("RGB", (7, 300))), ImageTooSmall, "7×300 px; each side must be 8 px or more"),
    "no width": (_png_of(0, 100), ImageTooSmall, "0×100 px"),
    "1×65535": (_jpeg_of(1, 65_535), ImageTooSmall, "1×65535 px"),
    "aspect": (encoded(Image.new("RGB", (8, 401))), ImageAspect, "8×401 px; the long side may be at most 50 times"),
    "65 scans": (_scans(65), ImageTooComplex, "more than 64 scans"),
    "1000 scans": (_scans(1000), ImageTooComplex, "more than 64 scans"),
    "70000 segments": (
        b"\xff\xd8\xff" + b"\xfe\0\x02\xff" * 70_000 + encoded(RGB, "JPEG")[3:],
        ImageTooComplex,
        "segments",
    ),
    "junk between segments": (
        b"\xff\xd8\xff\xfe\0\x02" + b"\0" * 70_000 + encoded(RGB, "JPEG")[2:],
        ImageTooComplex,
        "junk",
    ),
    "40000 chunks": (
        png((8, 8), 8, 2, b"\0" * 200, [(b"teSt", b"")] * 40_000),
        ImageTooComplex,
        "chunks",
    ),
    "animated WebP": (_animated("WEBP"), ImageAnimated, "2 frames; it must have 1"),
    "animated PNG": (_animated("PNG"), ImageAnimated, "2 frames; it must have 1"),
    "no picture": (_without_picture(), ImageUndecodable, "no picture"),
    "JPEG XL": (b"\xff\x0a" + b"\0" * 64, UnsupportedMedia, "JPEG XL"),
    "RIFF that is sound": (b"RIFF\x24\0\0\0WAVEfmt ", UnsupportedMedia, "not a JPEG, PNG, WebP, AVIF or HEIC"),
    "text": (b"hello", UnsupportedMedia, "not a JPEG"),
    "nothing": (b"", UnsupportedMedia, "not a JPEG"),
    "JPEG magic alone": (b"\xff\xd8\xff", ImageTruncated, "ends"),
    "PNG magic alone": (b"\x89PNG\r\n\x1a\n", ImageTruncated, "ends"),
    "WebP magic alone": (b"RIFF\x04\0\0\0WEBP", ImageUndecodable, "does not begin with a picture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_soon_when_it_breaks_a_limit(name: str) -> None:
    """Each limit has its own error, whose message names the actual and the allowed value, within 0.1 s."""
    data, error, sentence = REFUSED[name]
    since_s = time.process_time()
    with pytest.raises(error, match=sentence) as refused:
        decode_image(data)
    assert time.process_time() - since_s < SOON_S
    assert type(refused.value) is error


def test_file_is_decoded_when_it_just_keeps_the_limits() -> None:
    """Sides of 8 px, an aspect of 50 and 64 scans are allowed."""
    for data in (encoded(Image.new("RGB", (8, 8))), encoded(Image.new("RGB", (8, 400))), _scans(64)):
        assert decode_image(data).pixels.shape[2] == 3


def test_limits_are_the_callers_when_others_are_given() -> None:
    """Every limit can be set by the caller."""
    data = encoded(RGB, "JPEG")
    with pytest.raises(TooLarge):
        decode_image(data, limits=ImageLimits(max_pixels_baseline_jpeg=100))
    with pytest.raises(ImageTooSmall):
        decode_image(data, limits=ImageLimits(min_side_px=33))
    with pytest.raises(ImageAspect):
        decode_image(data, limits=ImageLimits(max_aspect=1.2))
    assert decode_image(data, limits=ImageLimits(analysed_side_px=24)).pixels.shape == (16, 24, 3)


def test_a_large_jpeg_is_decoded_only_when_it_is_baseline() -> None:
    """A JPEG of 30 megapixels is decoded at a fraction of its size. A progressive one is too large."""
    large = Image.new("RGB", (6000, 5000), "navy")
    assert decode_image(encoded(large, "JPEG", quality=60)).pixels.shape == (417, 500, 3)
    with pytest.raises(TooLarge):
        decode_image(encoded(large, "JPEG", progressive=True))


@pytest.mark.parametrize(
    "size", [(4032, 3024), (5712, 4284), (8000, 6000), (8064, 6048), (8160, 6144), (8192, 6144), (9248, 6936)]
)
def test_photo_is_within_the_limits_when_a_phone_took_it(size: tuple[int, int]) -> None:
    """A baseline JPEG of every common sensor size passes the limits, upright and on its side."""
    for width_px, height_px in (size, size[::-1]):
        with pytest.raises(ImageTruncated, match="ends before its last pixel"):
            # Only the header has that size; the pixels are missing, which comes after the limits.
            decode_image(_jpeg_of(width_px, height_px)[:-2])


# --- files within files ---------------------------------------------------------------------------------------
def _mpf() -> bytes:
    """A phone's JPEG with a second picture behind the first."""
    return encoded(RGB, "JPEG") + encoded(Image.new("RGB", (16, 16), "red"), "JPEG")


@pytest.mark.parametrize(
    ("plain", "polyglot"),
    [
        (encoded(RGB), encoded(RGB) + b"PK\x03\x04" + b"\0" * 100 + b"PK\x05\x06" + b"\0" * 18),
        (encoded(RGB, "JPEG"), encoded(RGB, "JPEG") + b"<html><script>alert(1)</script></html>"),
        (encoded(RGB, "JPEG"), _mpf()),
        (encoded(RGB, "WEBP"), encoded(RGB, "WEBP") + b"%PDF-1.7"),
        (
            encoded(RGB, "JPEG"),
            b"\xff\xd8\xff\xfe"
            + struct.pack(">H", 32)
            + b"<html><body onload=alert()>\0\0\0"
            + encoded(RGB, "JPEG")[2:],
        ),
        (encoded(RGB), encoded(RGB)[:33] + png_chunk(b"tEXt", b"a\0<script>") + encoded(RGB)[33:]),
    ],
    ids=["PNG+ZIP", "JPEG+HTML", "JPEG+JPEG", "WebP+PDF", "HTML in a comment", "script in a text"],
)
def test_picture_is_unchanged_when_another_file_hides_in_it(plain: bytes, polyglot: bytes) -> None:
    """Data behind or beside the picture changes nothing and does not reach the output."""
    assert decode_image(polyglot).pixels.tobytes() == decode_image(plain).pixels.tobytes()
