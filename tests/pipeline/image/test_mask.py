"""Tests masks: 8-bit PNGs of the photo's aspect, resized to the analysed size without blending."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import BadInput, ImageBomb, MaskEmpty, MaskInvalid
from pipeline.image.decode import HALF_ALPHA, decode_image, decode_mask
from pipeline.types import DecodedImage, Mask
from tests.pipeline.pictures import encoded, png, png16, quarters


def _photo(width_px: int, height_px: int, analysed: tuple[int, int] | None = None) -> DecodedImage:
    """A decoded photo of a size, analysed at another (width, height)."""
    shown = analysed or (width_px, height_px)
    return DecodedImage(np.zeros((shown[1], shown[0], 3), np.uint8), width_px, height_px)


def _rectangle(width_px: int, height_px: int) -> Mask:
    mask = np.zeros((height_px, width_px), bool)
    mask[height_px // 4 : height_px // 2, width_px // 4 :] = True
    return mask


def _png_of(mask: Mask, value: int = 255) -> bytes:
    return encoded(Image.fromarray(np.where(mask, value, 0).astype(np.uint8)))


@pytest.mark.parametrize("value", [1, 127, 255])
def test_mask_is_every_pixel_that_is_not_zero(value: int) -> None:
    """Any value but 0 marks the garment."""
    mask = _rectangle(60, 40)
    np.testing.assert_array_equal(decode_mask(_png_of(mask, value), _photo(60, 40)), mask)


def test_mask_is_read_when_it_has_one_bit_or_a_palette() -> None:
    """In a palette PNG the index counts, not its colour."""
    mask = _rectangle(60, 40)
    one_bit = encoded(Image.fromarray(mask))
    np.testing.assert_array_equal(decode_mask(one_bit, _photo(60, 40)), mask)
    indexed = Image.frombytes("P", (60, 40), mask.astype(np.uint8).tobytes())
    indexed.putpalette([255, 255, 255, 0, 0, 0])
    np.testing.assert_array_equal(decode_mask(encoded(indexed), _photo(60, 40)), mask)


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 1), (200, 0, 0)])
def test_mask_is_any_channel_when_it_is_in_rgb(color: tuple[int, int, int]) -> None:
    """A mask in RGB, as OpenCV writes it, marks what is not black; an opaque alpha says nothing more."""
    mask = _rectangle(60, 40)
    drawn = Image.fromarray(np.where(mask[..., None], np.array(color, np.uint8), 0).astype(np.uint8))
    for image in (drawn, drawn.convert("RGBA")):
        np.testing.assert_array_equal(decode_mask(encoded(image), _photo(60, 40)), mask)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("ink", ["white", "black"])
def test_mask_is_its_alpha_when_it_is_a_cut_out(ink: str, mode: str) -> None:
    """A cut-out is a mask, too: what is transparent is not marked, whatever the colours are."""
    mask = _rectangle(60, 40)
    cut_out = Image.new(mode, (60, 40), ink)
    cut_out.putalpha(Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)))
    np.testing.assert_array_equal(decode_mask(encoded(cut_out), _photo(60, 40)), mask)


@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_mask_fits_the_photo_when_it_comes_in_another_size(scale: float) -> None:
    """A mask of the photo's aspect at any size is resized to the analysed size."""
    given_size = round(600 * scale), round(400 * scale)
    found = decode_mask(_png_of(_rectangle(*given_size)), _photo(600, 400, (300, 200)))
    np.testing.assert_array_equal(found, _rectangle(300, 200))


@given(st.integers(20, 200), st.integers(20, 200), st.integers(8, 300))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_mask_is_never_blended_at_any_size(width_px: int, height_px: int, analysed_px: int) -> None:
    """A mask of the left half stays the left half: each row is ones, then zeros, with the same border."""
    mask = np.zeros((height_px, width_px), bool)
    mask[:, : width_px // 2] = True
    analysed = analysed_px, max(1, round(analysed_px * height_px / width_px))
    found = decode_mask(_png_of(mask, 3), _photo(width_px, height_px, analysed))
    assert found.dtype == bool
    assert found.shape == (analysed[1], analysed[0])
    edges = found.sum(axis=1)
    assert np.ptp(edges) == 0
    assert edges[0] == pytest.approx(analysed_px * (width_px // 2) / width_px, abs=1)
    assert found[:, : edges[0]].all()


def test_mask_belongs_to_the_upright_photo_when_that_was_turned() -> None:
    """The mask of a photo with an EXIF turn has the upright photo's aspect."""
    image = decode_image(encoded(Image.fromarray(quarters(60, 40)), turn=6))
    assert (image.width, image.height) == (60, 40)
    np.testing.assert_array_equal(decode_mask(_png_of(_rectangle(60, 40)), image), _rectangle(60, 40))
    with pytest.raises(MaskInvalid):
        decode_mask(_png_of(_rectangle(40, 60)), image)


@pytest.mark.parametrize(("size", "allowed"), [((600, 407), True), ((600, 415), False), ((400, 600), False)])
def test_mask_is_refused_when_its_aspect_is_another(size: tuple[int, int], allowed: bool) -> None:
    """The aspect may be off by 2 %, and the message names both sizes."""
    photo = _photo(600, 400)
    if allowed:
        assert decode_mask(_png_of(_rectangle(*size)), photo).any()
        return
    with pytest.raises(MaskInvalid, match=rf"{size[0]}×{size[1]}; its aspect must be the upright photo's, 600:400"):
        decode_mask(_png_of(_rectangle(*size)), photo)


def test_mask_of_a_thin_photo_is_accepted_when_off_by_a_pixel() -> None:
    """A mask of 400×8 px fits a photo of 4000×84 px, because its height is only rounded."""
    assert decode_mask(_png_of(np.ones((8, 400), bool)), _photo(4000, 84, (512, 11))).all()


def test_mask_is_refused_when_it_is_empty() -> None:
    """A mask without a non-zero pixel is refused."""
    with pytest.raises(MaskEmpty, match="no non-zero pixel"):
        decode_mask(_png_of(np.zeros((40, 60), bool)), _photo(60, 40))


GREY = Image.new("L", (60, 40), 255)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (encoded(GREY, "JPEG"), "is a JPEG file; it must be an 8-bit PNG"),
        (encoded(GREY.convert("RGB"), "WEBP"), "is a WebP file"),
        (b"GIF89a", "not a PNG file"),
        (b"", "not a PNG file"),
        (png16(np.full((40, 60, 1), 65_535, np.uint16), 0), "has 16 bits a channel; it must be an 8-bit PNG"),
        (png16(np.full((40, 60, 3), 65_535, np.uint16), 2), "has 16 bits a channel; it must be an 8-bit PNG"),
        (encoded(GREY)[:60], "ends before"),
        (encoded(Image.new("L", (7, 5), 255)), "each side must be 8 px or more"),
    ],
    ids=["JPEG", "WebP", "GIF", "nothing", "16 bit", "16 bit RGB", "cut", "tiny"],
)
def test_mask_is_refused_when_it_is_no_8_bit_png(data: bytes, sentence: str) -> None:
    """Every other fault of a mask is one error, whose message names the fault."""
    with pytest.raises(MaskInvalid, match=sentence):
        decode_mask(data, _photo(60, 40))


def test_mask_is_a_bomb_when_it_declares_too_many_pixels() -> None:
    """The pixel limit holds for masks too."""
    with pytest.raises(ImageBomb, match="The mask is 60000×40000 px"):
        decode_mask(png((60_000, 40_000), 8, 0, b"\0" * 64), _photo(60, 40))


def test_errors_are_the_clients_when_a_mask_is_bad() -> None:
    """Every mask error is an input error, which the client can correct."""
    assert issubclass(MaskInvalid, BadInput)
    assert issubclass(MaskEmpty, BadInput)


@pytest.mark.parametrize(("alpha", "marked"), [(HALF_ALPHA - 1, False), (HALF_ALPHA, True)])
def test_mask_is_what_is_at_least_half_opaque_when_its_alpha_varies(alpha: int, marked: bool) -> None:
    """The upper half of the values marks the garment."""
    values = np.zeros((40, 60, 4), np.uint8)
    values[10:20, 10:20, 3], values[20:30, 10:20, 3] = 255, alpha
    found = decode_mask(encoded(Image.fromarray(values)), _photo(60, 40))
    assert found[10:20, 10:20].all()
    assert found[20:30, 10:20].all() == found[20:30, 10:20].any() == marked
