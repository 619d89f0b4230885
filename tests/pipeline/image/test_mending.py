"""Tests files that lack something unimportant: JPEGs without an end marker, PNGs with a wrong checksum in a text."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ImageTruncated, ImageUndecodable
from pipeline.image.decode import decode_image
from tests.pipeline.pictures import encoded, png_chunk, quarters, samples

END = b"\xff\xd9"
NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (64, 80, 3), dtype=np.uint8))
JPEGS = {
    "baseline": encoded(NOISE, "JPEG", quality=80),
    "progressive": encoded(NOISE, "JPEG", quality=80, progressive=True),
    "grey": encoded(NOISE.convert("L"), "JPEG"),
    "CMYK": encoded(NOISE.convert("CMYK"), "JPEG"),
    "restarts": encoded(NOISE, "JPEG", restart_marker_rows=1),
    "large": encoded(NOISE.resize((2400, 1800)), "JPEG"),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_is_whole_when_only_its_end_marker_is_missing(name: str) -> None:
    """Without the end marker all rows are there, and the picture is the same."""
    whole = decode_image(JPEGS[name])
    for cut in (JPEGS[name].removesuffix(END), JPEGS[name][:-1]):
        assert decode_image(cut).pixels.tobytes() == whole.pixels.tobytes()


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("lost_bytes", [12, 40, 200, 600])
def test_jpeg_is_truncated_when_rows_are_missing(name: str, lost_bytes: int) -> None:
    """A JPEG that lacks some of its last bytes lacks pixels, also when those few are in the last row alone."""
    with pytest.raises(ImageTruncated, match="ends before its last pixel"):
        decode_image(JPEGS[name][: -2 - lost_bytes])


def test_progressive_jpeg_is_truncated_when_it_ends_between_two_scans() -> None:
    """A progressive JPEG that lacks whole scans is not whole, although every row has something."""
    data = JPEGS["progressive"]
    at = data.rindex(b"\xff\xda")
    tables = data.rfind(b"\xff\xc4", 0, at)
    with pytest.raises(ImageTruncated):
        decode_image(data[: tables if tables > 0 else at])


@pytest.mark.parametrize("name", [b"tEXt", b"tIME", b"zTXt", b"iTXt", b"gAMA"])
def test_png_is_shown_when_an_ancillary_chunk_has_a_wrong_checksum(name: bytes) -> None:
    """A chunk that is not needed and has a wrong checksum is passed over, wherever it stands, as libpng does."""
    plain = encoded(Image.fromarray(quarters()))
    chunk = bytearray(png_chunk(name, struct.pack(">I", 100_000) if name == b"gAMA" else b"Comment\0\0\0\0hello"))
    chunk[-1] ^= 0xFF
    for at in (33, plain.rindex(b"IEND") - 4):
        data = plain[:at] + bytes(chunk) + plain[at:]
        assert decode_image(data).pixels.tobytes() == decode_image(plain).pixels.tobytes()


def test_png_is_damaged_when_a_critical_chunk_has_a_wrong_checksum() -> None:
    """Pixels with a wrong checksum are not shown."""
    data = bytearray(encoded(Image.fromarray(quarters())))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    with pytest.raises(ImageUndecodable):
        decode_image(bytes(data))


@pytest.mark.parametrize("name", samples())
def test_sample_is_unchanged_when_nothing_is_mended(name: str) -> None:
    """Mending touches no sound file."""
    data = samples()[name]
    assert decode_image(data + b"\0" * 50).pixels.tobytes() == decode_image(data).pixels.tobytes()
    assert zlib.crc32(data) == zlib.crc32(io.BytesIO(data).getvalue())
