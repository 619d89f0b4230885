"""Tests colours that files declare without an ICC profile: PNG's gAMA, cHRM and cICP, and Exif's Adobe RGB."""

import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.image.decode import decode_image
from pipeline.image.profiles import PRIMARIES, _profile
from pipeline.types import RgbImage
from tests.pipeline.image.test_decode import _difference
from tests.pipeline.pictures import display_p3, encoded, png_chunk, quarters, srgb_to_p3

# Standard: Adobe RGB (1998), D65.
ADOBE_TO_XYZ = np.array(
    [[0.57666904, 0.18555824, 0.18822865], [0.29734498, 0.62736357, 0.07529146], [0.02703136, 0.07068885, 0.99133754]]
)
SRGB_TO_XYZ = np.array(
    [[0.41239080, 0.35758434, 0.18048079], [0.21263901, 0.71516868, 0.07219232], [0.01933082, 0.11919478, 0.95053215]]
)
ADOBE_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
SRGB_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHRM = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def _linear(rgb: RgbImage) -> np.ndarray:
    values = rgb / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _in_adobe_rgb(rgb: RgbImage) -> RgbImage:
    light = _linear(rgb) @ (np.linalg.inv(ADOBE_TO_XYZ) @ SRGB_TO_XYZ).T
    return np.asarray(np.rint(255 * light.clip(0, 1) ** (1 / 2.19921875)), np.uint8)


def _with(rgb: RgbImage, *chunks: tuple[bytes, bytes]) -> bytes:
    plain = encoded(Image.fromarray(rgb))
    return plain[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + plain[33:]


def _gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


CICP_P3 = (b"cICP", bytes([12, 13, 0, 1]))
LINEAR = np.rint(255 * _linear(quarters())).astype(np.uint8)
DECLARED = {
    "Adobe RGB by gAMA and cHRM": _with(_in_adobe_rgb(quarters()), _gamma(1 / 2.19921875), (b"cHRM", ADOBE_CHRM)),
    "Display P3 by cICP": _with(srgb_to_p3(quarters()), CICP_P3),
    "Display P3 by cHRM": _with(srgb_to_p3(quarters()), (b"cHRM", P3_CHRM)),
    "linear by gAMA": _with(LINEAR, _gamma(1.0)),
    "linear by cICP": _with(LINEAR, (b"cICP", bytes([1, 8, 0, 1]))),
    "sRGB by cICP": _with(quarters(), (b"cICP", bytes([1, 13, 0, 1]))),
    "sRGB by gAMA and cHRM": _with(quarters(), _gamma(0.45455), (b"cHRM", SRGB_CHRM)),
    "sRGB chunk beside others": _with(quarters(), _gamma(0.45455), (b"cHRM", ADOBE_CHRM), (b"sRGB", b"\0")),
    "cICP beside the rest": _with(srgb_to_p3(quarters()), (b"sRGB", b"\0"), _gamma(1.0), CICP_P3),
}


@pytest.mark.parametrize("name", DECLARED)
def test_colours_are_srgb_when_a_png_declares_others(name: str) -> None:
    """The declared colours are converted, and cICP comes before sRGB, which comes before gAMA and cHRM."""
    found = decode_image(DECLARED[name]).pixels
    assert _difference(found, quarters()).max() <= (2.5 if "linear" in name else 1)


def test_pixels_stay_when_a_png_declares_srgb() -> None:
    """A declaration that says nothing new costs no conversion, and so no rounding."""
    declared = decode_image(DECLARED["sRGB by gAMA and cHRM"]).pixels
    assert np.array_equal(declared, decode_image(_with(quarters())).pixels)


def test_grey_is_converted_when_a_png_declares_its_gamma() -> None:
    """Linear grey becomes the sRGB grey of the same light."""
    grey = Image.fromarray(quarters()).convert("L")
    stored = Image.fromarray(np.rint(255 * _linear(np.asarray(grey))).astype(np.uint8))
    plain = encoded(stored)
    found = decode_image(plain[:33] + png_chunk(*_gamma(1.0)) + plain[33:]).pixels
    assert np.abs(found[..., 0].astype(int) - np.asarray(grey)).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("space", "index"), [(0xFFFF, "R03"), (2, None)])
def test_adobe_rgb_is_converted_when_exif_data_says_so(space: int, index: str | None, kind: str) -> None:
    """Exif's index R03, without a profile, means Adobe RGB."""
    exif = Image.Exif()
    exif[0x8769] = {0xA001: space, **({0xA005: {1: index}} if index else {})}
    data = encoded(Image.fromarray(_in_adobe_rgb(quarters())), kind, exif=exif.tobytes(), quality=97, lossless=True)
    away = _difference(decode_image(data).pixels, quarters())
    assert np.median(away) <= 1


def test_profile_decides_when_exif_data_says_otherwise() -> None:
    """An ICC profile comes before Exif data and before gAMA."""
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 2}
    data = encoded(Image.fromarray(srgb_to_p3(quarters())), profile=display_p3(), exif=exif.tobytes())
    data = data[:33] + png_chunk(*_gamma(1.0)) + data[33:]
    assert _difference(decode_image(data).pixels, quarters()).max() <= 1


@pytest.mark.parametrize(
    "chunk",
    [
        (b"cHRM", bytes(32)),
        (b"cHRM", b"\xff" * 32),
        (b"cHRM", struct.pack(">8I", *[33333] * 8)),
        _gamma(0.0),
        _gamma(9999.0),
        (b"cICP", bytes([12, 13, 0, 0])),
        (b"cICP", bytes([2, 2, 0, 1])),
        (b"cICP", bytes([255, 255, 0, 1])),
        (b"cICP", b"\1"),
    ],
)
def test_numbers_are_kept_when_the_declaration_is_impossible(chunk: tuple[bytes, bytes]) -> None:
    """Primaries that span nothing, absurd gammas, the narrow range of video and unknown codes change nothing."""
    assert _difference(decode_image(_with(quarters(), chunk)).pixels, quarters()).max() <= 1


@pytest.mark.parametrize("transfer", [16, 18])
def test_white_is_white_when_a_png_is_in_hdr(transfer: int) -> None:
    """PQ and HLG put white at 203 cd/m² (BT.2408), which is 58 % and 75 % of their signal."""
    white = {16: 0.5807, 18: 0.75}[transfer]
    rgb = np.full((8, 8, 3), round(255 * white), np.uint8)
    found = decode_image(_with(rgb, (b"cICP", bytes([9, transfer, 0, 1])))).pixels
    assert found.min() >= 248


def test_primaries_are_chromaticities_when_listed() -> None:
    """Every row of ITU-T H.273 lies within the chromaticity diagram, x + y at most 1."""
    for rows in PRIMARIES.values():
        assert all(0 < x < 1 and 0 < y < 1 and x + y <= 1 for x, y in rows)


def test_a_profile_is_of_version_4_when_made() -> None:
    """The header says ICC version 4.3, of which its curves are."""
    assert _profile(b"RGB ", [])[8:12] == b"\4\x30\0\0"
