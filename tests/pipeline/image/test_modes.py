"""Tests transparency: alpha and transparent values of every depth are composited on white."""

import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.image.decode import decode_image
from tests.pipeline.pictures import encoded, png, png16

RAMP = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)


def _pixels(data: bytes) -> np.ndarray:
    return decode_image(data).pixels.astype(int)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white_when_it_is_partial(mode: str) -> None:
    """Black with an alpha of a becomes 255 − a."""
    image = Image.new(mode, (8, 8), 0)
    image.putalpha(Image.fromarray(RAMP))
    assert np.abs(_pixels(encoded(image)) - (255 - RAMP[..., None].astype(int))).max() <= 1


def test_hidden_colours_do_not_show_when_a_picture_shrinks() -> None:
    """Fully transparent pixels do not show when a picture shrinks: they are white, and mixed as light."""
    pixels = np.zeros((1024, 1024, 4), np.uint8)
    pixels[:, ::2] = (200, 100, 50, 255)
    pixels[:, 1::2] = (0, 255, 0, 0)
    shown = _pixels(encoded(Image.fromarray(pixels)))
    assert np.abs(shown - np.array([230, 199, 190])).max() <= 2


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_value_is_white_when_it_is_the_transparent_one(depth: int) -> None:
    """Only the transparent value of a grey PNG, stored in the file's own depth, becomes white."""
    key = (1 << depth) // 2
    values = [key if k % 2 else 0 for k in range(8)]
    row = b"\0" + sum(v << depth * (7 - k) for k, v in enumerate(values)).to_bytes(depth, "big")
    shown = _pixels(png((8, 8), depth, 0, row * 8, [(b"tRNS", struct.pack(">H", key))]))
    assert (shown[:, 1::2] == 255).all()
    assert (shown[:, ::2] == 0).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_is_white_when_it_is_the_transparent_one(depth: int) -> None:
    """The transparent colour of a PNG becomes white, with 8 bits and with 16."""
    stored = [30, 60, 90] if depth == 8 else [0x1E07, 0x3C00, 0x5AFF]
    values = np.zeros((8, 8, 3), np.uint16)
    values[::2] = stored
    key = (b"tRNS", struct.pack(">HHH", *stored))
    rows = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in values)
    data = png16(values, 2, [key]) if depth == 16 else png((8, 8), 8, 2, rows, [key])
    shown = _pixels(data)
    assert (shown[::2] == 255).all()
    assert (shown[1::2] == 0).all()


def test_grey_keeps_its_high_byte_when_it_has_16_bits() -> None:
    """16-bit grey is scaled, not clipped: a quarter stays a quarter."""
    values = np.full((8, 8, 1), 0x4000, np.uint16)
    assert (_pixels(png16(values, 0)) == 0x40).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_index_is_its_colour_when_the_palette_is_short(depth: int) -> None:
    """Palette PNGs of every depth show their colours with the transparency of each index."""
    row = b"\0" + sum((k % 2) << depth * (7 - k) for k in range(8)).to_bytes(depth, "big")
    chunks = [(b"PLTE", bytes([10, 20, 30, 200, 100, 0])), (b"tRNS", bytes([255, 128]))]
    shown = _pixels(png((8, 8), depth, 3, row * 8, chunks))
    assert (shown[:, ::2] == (10, 20, 30)).all()
    assert np.abs(shown[:, 1::2] - np.array([227, 177, 127])).max() <= 1


def test_cmyk_is_not_inverted_when_a_jpeg_has_it() -> None:
    """Paper without ink is white, and full black ink is black."""
    halves = np.zeros((16, 16, 4), np.uint8)
    halves[:, 8:, 3] = 255
    shown = _pixels(encoded(Image.fromarray(halves, "CMYK"), "JPEG", quality=95))
    assert shown[:, :7].min() >= 250
    assert shown[:, 9:].max() <= 5


# --- which pixels are opaque ----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("side_px", [64, 1100])
def test_opaque_pixels_are_told_when_a_picture_has_alpha(kind: str, side_px: int) -> None:
    """Pixels below half of full alpha are transparent at analysed size, in every format and EXIF turn."""
    image = Image.new("RGBA", (side_px, side_px), (200, 30, 40, 255))
    image.paste((200, 30, 40, 100), (0, 0, side_px, side_px // 4))
    for turn in (1, 6):
        found = decode_image(encoded(image, kind, turn=turn, lossless=True))
        assert found.opaque is not None
        assert found.opaque.shape == found.pixels.shape[:2]
        rows = found.opaque.shape[0]
        assert not found.opaque[: rows // 4 - 1].any()
        assert found.opaque[rows // 4 + 1 :].all()


@pytest.mark.parametrize("chunk", [b"\xff\0", b"\0"])
def test_opaque_pixels_are_told_when_a_palette_has_transparency(chunk: bytes) -> None:
    """In a palette PNG and in a grey PNG with a transparent value, these pixels are transparent."""
    row = b"\0" + bytes([0b01010101])
    chunks = [(b"PLTE", bytes([10, 20, 30, 200, 100, 0])), (b"tRNS", chunk)]
    found = decode_image(png((8, 8), 1, 3, row * 8, chunks))
    assert found.opaque is not None
    assert (found.opaque[:, ::2] == (chunk[0] == 255)).all()
    grey = decode_image(png16(np.arange(64, dtype=np.uint16).reshape(8, 8, 1), 0, [(b"tRNS", b"\0\x07")]))
    assert grey.opaque is not None
    assert np.flatnonzero(~grey.opaque).tolist() == [7]


def test_nothing_is_said_of_opaque_pixels_when_all_are() -> None:
    """A picture without alpha, and one whose alpha is full, have no map of opaque pixels."""
    image = Image.new("RGB", (20, 20), "navy")
    assert decode_image(encoded(image)).opaque is None
    assert decode_image(encoded(image.convert("RGBA"))).opaque is None
