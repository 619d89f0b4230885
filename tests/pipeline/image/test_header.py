"""Tests that a file's format, size, depth, frames and scans are read without decoding it."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnsupportedMedia
from pipeline.image.formats import sniff
from pipeline.image.header import Header, read_header
from tests.pipeline.pictures import WIDTH_PX, display_p3, encoded, png16, quarters, webp_canvas

RGB = Image.fromarray(quarters())
SIZE = RGB.size


def _read(data: bytes) -> Header:
    return read_header(data, max_scans=64)


@pytest.mark.parametrize("how", [{}, {"profile": display_p3()}, {"turn": 6}], ids=["plain", "profile", "turned"])
@pytest.mark.parametrize(
    ("kind", "more", "single_pass"),
    [
        ("JPEG", {}, True),
        ("JPEG", {"progressive": True}, False),
        ("JPEG", {"optimize": True}, True),
        ("PNG", {}, False),
        ("WEBP", {}, False),
        ("WEBP", {"lossless": True}, False),
    ],
)
def test_header_has_the_pictures_properties(
    kind: str, more: dict[str, Any], single_pass: bool, how: dict[str, Any]
) -> None:
    """Sizes are as stored, before an EXIF turn, and only a baseline JPEG of one scan is single-pass."""
    header = _read(encoded(RGB, kind, **how, **more))
    size = SIZE[::-1] if how.get("turn") else SIZE
    assert (header.kind, header.width_px, header.height_px) == (kind, *size)
    assert (header.frames, header.bit_depth, header.single_pass) == (1, 8, single_pass)


@pytest.mark.parametrize("size", [(8, 8), (16_383, 8), (8, 16_383), (300, 4_000)])
@pytest.mark.parametrize("lossless", [True, False])
def test_webp_size_equals_pillows_at_any_size(size: tuple[int, int], lossless: bool) -> None:
    """All three kinds of WebP headers give the size that Pillow gives."""
    image = Image.new("RGB", size)
    for kept in (image, image.convert("RGBA")):
        data = encoded(kept, "WEBP", lossless=lossless)
        with Image.open(io.BytesIO(data)) as opened:
            assert (_read(data).width_px, _read(data).height_px) == opened.size == size


def test_webp_size_is_whole_when_it_needs_all_its_bits() -> None:
    """A canvas has 24 bits a side. The two bits above a lossy picture's 14 only scale it for display."""
    assert _read(webp_canvas(100_000, 70_000)) == Header("WEBP", 100_000, 70_000)
    data = bytearray(encoded(RGB, "WEBP"))
    data[27] |= 0x40
    data[29] |= 0x80
    assert (_read(bytes(data)).width_px, _read(bytes(data)).height_px) == SIZE


def test_restart_markers_belong_to_the_scan_when_far_apart() -> None:
    """Restart markers belong to the scan, however far apart they are."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    data = encoded(noise, "JPEG", quality=98, subsampling=0, restart_marker_rows=30)
    gap_bytes = data.index(b"\xff\xd1") - data.index(b"\xff\xd0")
    assert gap_bytes > 65_536
    assert _read(data).single_pass


def test_frames_are_counted_when_a_picture_is_animated() -> None:
    """Animated PNG and WebP declare their frames."""
    frames = [Image.new("RGB", (16, 16), (0, 80 * k, 0)) for k in range(3)]
    for kind in ("PNG", "WEBP"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        assert _read(buffer.getvalue()).frames == 3


def test_counting_stops_when_there_is_one_scan_too_many() -> None:
    """Counting stops at one scan above the limit."""
    data = encoded(RGB, "JPEG", progressive=True)
    scans = data.count(b"\xff\xda")
    assert _read(data).scans == scans > 4
    assert read_header(data, max_scans=3).scans == 4


def test_header_has_the_bit_depth_of_the_file() -> None:
    """The header has the bit depth of a 16-bit and of a 1-bit PNG."""
    assert _read(png16(quarters().astype("uint16"), 2)).bit_depth == 16
    assert _read(encoded(RGB.convert("1"))).bit_depth == 1


def test_thumbnail_is_not_the_picture_when_exif_has_one() -> None:
    """The size of a thumbnail within the EXIF segment is not the picture's."""
    thumbnail = encoded(Image.new("RGB", (16, 16)), "JPEG")
    assert _read(encoded(RGB, "JPEG", exif=b"Exif\0\0" + thumbnail)).width_px == WIDTH_PX


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP")])
def test_format_is_known_by_its_first_bytes(kind: str, name: str) -> None:
    """The first bytes decide the format."""
    assert sniff(encoded(RGB, kind)) == name
    with pytest.raises(UnsupportedMedia):
        sniff(b"\0" + encoded(RGB, kind))


def test_a_frame_counts_when_its_head_ends_the_file() -> None:
    """The last eight bytes are a chunk of their own."""
    chunk = b"ANMF" + bytes(4)
    data = bytearray(webp_canvas(64, 48) + chunk + chunk)
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    assert _read(bytes(data)).frames == 2
