"""Tests that a file's bytes say what it is: AVIF and HEIC are decoded, and other files are named with the way out."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BadInput, ImageAnimated, ImageTruncated, TooLarge, UnsupportedMedia
from pipeline.image import formats
from pipeline.image.decode import decode_image
from pipeline.image.formats import sniff
from pipeline.image.header import read_header
from pipeline.image.limits import ImageLimits
from tests.pipeline.image.test_decode import LOSSY_DE00, _difference, _inner
from tests.pipeline.pictures import display_p3, encoded, quarters, srgb_to_p3

HEIC = Path(__file__).parent / "heic"
RGB = Image.fromarray(quarters())
BOX = b"\0\0\0\x18ftyp"
OTHERS = {
    "GIF": (encoded(RGB, "GIF"), "a GIF image.*Save one frame as PNG or JPEG"),
    "TIFF": (encoded(RGB, "TIFF"), "a TIFF image.*Save it as JPEG or PNG"),
    "BMP": (encoded(RGB, "BMP"), "a BMP image.*Save it as JPEG or PNG"),
    "PDF": (b"%PDF-1.7\n", "a PDF document.*Export the page"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing.*Save it as JPEG or PNG"),
    "SVG with a head": (b"<?xml version='1.0'?>\n<svg/>", "an SVG drawing"),
    "HTML": (b"\xef\xbb\xbf\n<!DOCTYPE html><html></html>", "an HTML page.*Send the picture itself"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "an EPS or PostScript document"),
    "PSD": (b"8BPS\0\1", "a Photoshop document"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
    "MP4": (BOX + b"isom" + b"\0" * 16, "a video.*Send a single picture"),
    "MOV": (BOX + b"qt  " + b"\0" * 16, "a video"),
    "CR3": (BOX + b"crx " + b"\0" * 16, "a camera's raw file"),
    "ZIP": (b"PK\x03\x04", "a ZIP archive"),
    "data URL": (b"data:image/png;base64,iVBORw0KGgo=", "a data URL.*image.base64"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_file_is_named_with_the_way_out_when_it_is_not_decoded(name: str) -> None:
    """The error says what the file is, which formats are read, and what to do."""
    data, sentence = OTHERS[name]
    with pytest.raises(UnsupportedMedia, match=f"The file is {sentence}") as refused:
        decode_image(data)
    assert "not a JPEG, PNG, WebP, AVIF or HEIC image" in refused.value.detail


def test_heic_is_named_when_its_decoder_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pi-heif, the error says that the file is HEIC, as iPhones store photos, and the ways out."""
    monkeypatch.setattr(formats, "heic_is_decoded", lambda: False)
    with pytest.raises(
        UnsupportedMedia, match=r"a HEIC photo, as iPhones store them.*JPEG.*Most Compatible"
    ) as refused:
        sniff((HEIC / "plain.heic").read_bytes())
    assert "not a JPEG, PNG, WebP or AVIF image" in refused.value.detail
    assert sniff(encoded(RGB, "AVIF")) == "AVIF"


@pytest.mark.parametrize("brand", [b"mif1", b"miaf", b"mif2"])
def test_compatible_brands_decide_when_the_major_brand_is_the_containers(brand: bytes) -> None:
    """A file whose major brand names the container alone is AVIF or HEIC by its compatible brands."""
    assert sniff(BOX + brand + b"\0\0\0\0" + brand + b"avif") == "AVIF"
    assert sniff(BOX + brand + b"\0\0\0\0" + brand + b"heic") == "HEIC"


# --- AVIF and HEIC --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("profile", ["none", "Display P3", "cicp"])
def test_avif_is_upright_and_true(profile: str, turn: int) -> None:
    """An AVIF of every turn decodes upright, in sRGB, also when a profile or code points say Display P3."""
    stored = quarters() if profile == "none" else srgb_to_p3(quarters())
    icc = display_p3() if profile == "Display P3" else None
    data = encoded(Image.fromarray(stored), "AVIF", turn=turn, profile=icc, quality=95)
    if profile == "cicp":
        data = data.replace(b"colrnclx\0\1", b"colrnclx\0\x0c")
    found = decode_image(data, network_px=(24, 16))
    assert (found.width, found.height) == RGB.size
    assert _inner(_difference(found.pixels, quarters())).max() <= LOSSY_DE00
    assert found.network is not None
    assert _difference(found.network, quarters(24, 16)).mean() <= LOSSY_DE00


@pytest.mark.parametrize("name", ["plain", "display_p3"])
def test_heic_is_upright_and_true(name: str) -> None:
    """A HEIC decodes to its colours in sRGB."""
    found = decode_image((HEIC / f"{name}.heic").read_bytes(), network_px=(24, 16))
    assert (found.width, found.height) == (96, 64)
    away = _difference(found.pixels, quarters(96, 64))
    assert np.median(away) <= 1
    assert np.percentile(away, 90) <= LOSSY_DE00


def test_heic_has_transparency_when_it_has_an_alpha_plane() -> None:
    """The transparent half of a HEIC is transparent, and white."""
    found = decode_image((HEIC / "alpha.heic").read_bytes())
    assert found.opaque is not None
    assert found.opaque[:, :46].all()
    assert not found.opaque[:, 50:].any()
    assert (found.pixels[:, 50:] == 255).all()


def test_limits_hold_when_the_file_is_avif_or_heic() -> None:
    """The declared size is checked before a pixel is decoded."""
    for data in (encoded(RGB, "AVIF"), (HEIC / "plain.heic").read_bytes()):
        with pytest.raises(TooLarge, match=r"at most 100 are allowed for (AVIF|HEIC). Scale it down, or save"):
            decode_image(data, limits=ImageLimits(max_pixels_heif=100))


def test_animated_avif_is_refused() -> None:
    """An AVIF of two frames is animated."""
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageAnimated, match="2 frames"):
        decode_image(buffer.getvalue())


@pytest.mark.parametrize("name", ["AVIF", "HEIC"])
def test_file_is_called_truncated_when_it_is_cut_anywhere(name: str) -> None:
    """An AVIF or HEIC that lacks its end is truncated; cut within its boxes it is refused, too."""
    data = encoded(RGB, "AVIF") if name == "AVIF" else (HEIC / "plain.heic").read_bytes()
    with pytest.raises(ImageTruncated, match=rf"declares \d+ bytes and has {len(data) - 9}"):
        decode_image(data[:-9])
    for length in range(12, len(data), 7):
        with pytest.raises(BadInput):
            decode_image(data[:length])


def test_declared_size_is_the_primary_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is that of the item that the file names as its primary one."""
    header = read_header((HEIC / "alpha.heic").read_bytes(), max_scans=1)
    assert (header.kind, header.width_px, header.height_px) == ("HEIC", 96, 64)
