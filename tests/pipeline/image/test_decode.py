"""Tests decoding: colours in every EXIF turn, mode, format and profile, bounded sizes, and cost."""

import io
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.image.decode import decode_image
from pipeline.types import RgbImage
from tests.pipeline.pictures import (
    HEIGHT_PX,
    WIDTH_PX,
    display_p3,
    encoded,
    grey_profile,
    png16,
    quarters,
    srgb_to_p3,
)

EXACT_DE00, LOSSY_DE00 = 1.0, 3.0
RGB = Image.fromarray(quarters())
GREY = RGB.convert("L")
INDEXED = RGB.quantize(4)


def _with_alpha(image: Image.Image) -> Image.Image:
    """The image with a transparent top row, whose colour must not show, and opaque elsewhere."""
    alpha = np.full((HEIGHT_PX, WIDTH_PX), 255, np.uint8)
    alpha[0] = 0
    image = image.copy()
    image.putalpha(Image.fromarray(alpha))
    return image


def _shown(image: Image.Image) -> RgbImage:
    """An image composited on white, (h, w, 3)."""
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


@cache
def _indexed_with_transparency() -> Image.Image:
    image = INDEXED.copy()
    image.info["transparency"] = bytes([255, 255, 0, 255])
    return image


def _sixteen_bit() -> Image.Image:
    return Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)


MODES: dict[str, tuple[Image.Image, RgbImage]] = {
    "1": (GREY.convert("1"), _shown(GREY.convert("1"))),
    "L": (GREY, _shown(GREY)),
    "LA": (_with_alpha(GREY), _shown(_with_alpha(GREY))),
    "P": (INDEXED, _shown(INDEXED)),
    "PA": (_indexed_with_transparency(), _shown(_indexed_with_transparency())),
    "RGB": (RGB, _shown(RGB)),
    "RGBA": (_with_alpha(RGB), _shown(_with_alpha(RGB))),
    "I;16": (_sixteen_bit(), _shown(GREY)),
}
LOSSY: dict[str, tuple[Image.Image, str, RgbImage]] = {
    "JPEG L": (GREY, "JPEG", _shown(GREY)),
    "JPEG RGB": (RGB, "JPEG", _shown(RGB)),
    "JPEG CMYK": (RGB.convert("CMYK"), "JPEG", _shown(RGB)),
    "WebP RGB": (RGB, "WEBP", _shown(RGB)),
    "WebP RGBA": (_with_alpha(RGB), "WEBP", _shown(_with_alpha(RGB))),
}


def _difference(found: RgbImage, wanted: RgbImage) -> np.ndarray:
    """The ΔE00 of each pixel, (h, w)."""
    assert found.shape == wanted.shape
    return np.asarray(delta_e_2000(srgb_to_lab_d65(found / 255), srgb_to_lab_d65(wanted / 255)))


def _inner(values: np.ndarray) -> np.ndarray:
    """The middles of the four corners, away from the edges that lossy formats blur."""
    return np.concatenate([values[y : y + 8, x : x + 12].ravel() for y in (4, 20) for x in (6, 30)])


# --- colours --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mode", MODES)
def test_png_is_upright_and_true_when_turned(mode: str, turn: int) -> None:
    """A PNG of every mode and EXIF turn decodes to the upright picture on white, pixel for pixel."""
    image, wanted = MODES[mode]
    how = {"transparency": image.info["transparency"]} if mode == "PA" else {}
    found = decode_image(encoded(image, "PNG", turn=turn, **how))
    assert (found.width, found.height) == (WIDTH_PX, HEIGHT_PX)
    assert _difference(found.pixels, wanted).max() <= EXACT_DE00


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("name", LOSSY)
def test_lossy_picture_is_upright_and_near_when_turned(name: str, turn: int) -> None:
    """A JPEG or WebP of every EXIF turn decodes upright, with nearly its colours."""
    image, kind, wanted = LOSSY[name]
    found = decode_image(encoded(image, kind, turn=turn, quality=92))
    assert (found.width, found.height) == (WIDTH_PX, HEIGHT_PX)
    assert _inner(_difference(found.pixels, wanted)).max() <= LOSSY_DE00


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\x7f"])
def test_picture_is_not_turned_when_its_exif_data_is_broken(exif: bytes) -> None:
    """A photo whose EXIF data cannot be read is decoded as one without."""
    image, kind, _ = LOSSY["JPEG RGB"]
    plain = decode_image(encoded(image, kind, quality=92))
    assert np.array_equal(decode_image(encoded(image, kind, quality=92, exif=exif)).pixels, plain.pixels)


def test_picture_is_not_turned_when_its_exif_data_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Pillow raises while it reads EXIF data, the photo is decoded as one without."""

    def broken(_image: Image.Image) -> Image.Exif:
        raise SyntaxError("not a TIFF file")

    data = encoded(*LOSSY["JPEG RGB"][:2], turn=1, quality=92)
    plain = decode_image(data)
    monkeypatch.setattr(Image.Image, "getexif", broken)
    assert np.array_equal(decode_image(data).pixels, plain.pixels)


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize(("kind", "limit_de00"), [("PNG", EXACT_DE00), ("JPEG", LOSSY_DE00), ("WEBP", EXACT_DE00)])
@pytest.mark.parametrize("profile", ["none", "sRGB", "Display P3"])
def test_colours_are_srgb_when_a_profile_is_embedded(profile: str, kind: str, limit_de00: float, turn: int) -> None:
    """The values of a Display P3 photo are converted; those with an sRGB profile or without a profile are kept."""
    icc = {
        "none": None,
        "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "Display P3": display_p3(),
    }[profile]
    stored = srgb_to_p3(quarters()) if profile == "Display P3" else quarters()
    data = encoded(Image.fromarray(stored), kind, turn=turn, profile=icc, quality=92, lossless=True)
    assert _inner(_difference(decode_image(data).pixels, quarters())).max() <= limit_de00


def test_display_p3_differs_when_its_profile_is_lost() -> None:
    """The values of a Display P3 photo, read as sRGB, are clearly wrong, so the test above can fail."""
    found = decode_image(encoded(Image.fromarray(srgb_to_p3(quarters()))))
    assert _inner(_difference(found.pixels, quarters())).max() > LOSSY_DE00


def test_network_input_is_converted_when_a_profile_is_embedded() -> None:
    """The network's input is converted to sRGB as the analysed picture is."""
    data = encoded(Image.fromarray(srgb_to_p3(quarters())), profile=display_p3())
    found = decode_image(data, network_px=(24, 16))
    assert found.network is not None
    assert _difference(found.network, quarters(24, 16)).max() <= EXACT_DE00


def test_grey_is_converted_when_its_profile_has_another_gamma() -> None:
    """Grey of gamma 1.8 becomes the sRGB grey of the same light, in 8 and in 16 bits."""
    wanted = np.rint(255 * np.interp(np.linspace(0, 1, 256) ** 1.8, *_srgb_curve())).astype(np.uint8)
    ramp = np.arange(256, dtype=np.uint8).reshape(8, 32)
    for image in (Image.fromarray(ramp), Image.fromarray(ramp.astype(np.uint16) * 257)):
        found = decode_image(encoded(image, profile=grey_profile(1.8)))
        off = np.abs(found.pixels.astype(int) - wanted[ramp][..., None])
        assert off[ramp > 16].max() <= 2


def _srgb_curve() -> tuple[np.ndarray, np.ndarray]:
    """Linear light and the sRGB values of it, both rising."""
    values = np.linspace(0, 1, 4097)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4), values


@pytest.mark.parametrize(
    "profile",
    [b"no profile", display_p3()[:200], grey_profile(2.2), display_p3() + b"\0" * 5_000_000],
    ids=["text", "cut", "of grey", "huge"],
)
def test_numbers_are_kept_when_the_profile_is_unusable(profile: bytes) -> None:
    """A profile that is broken, cut, of another kind or far too large is ignored."""
    found = decode_image(encoded(RGB, "JPEG", profile=profile, quality=95))
    assert _inner(_difference(found.pixels, quarters())).max() <= LOSSY_DE00


def test_profile_is_applied_when_a_png_has_a_large_one() -> None:
    """A profile of 3 MiB, which Pillow refuses by default, is applied."""
    profile = display_p3() + b"\0" * 3 * 1024 * 1024
    found = decode_image(encoded(Image.fromarray(srgb_to_p3(quarters())), profile=profile))
    assert _difference(found.pixels, quarters()).max() <= EXACT_DE00


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_is_scaled_when_a_png_has_it(color_type: int, channels: int) -> None:
    """Samples of 16 bits keep their high byte, in grey and in colour, with alpha and without."""
    rgb = quarters() if channels >= 3 else np.asarray(GREY)[..., None]
    opaque = np.full((HEIGHT_PX, WIDTH_PX, 1), 255, np.uint8)
    values = np.concatenate([rgb, opaque][: 2 - channels % 2], axis=2).astype(np.uint16) * 257
    wanted = np.broadcast_to(rgb, (HEIGHT_PX, WIDTH_PX, 3))
    assert _difference(decode_image(png16(values, color_type)).pixels, wanted).max() <= EXACT_DE00


CHECKS = [
    ((255, 255, 255), (0, 0, 0)),
    ((220, 30, 40), (255, 255, 255)),
    ((31, 42, 68), (193, 154, 107)),
    ((0, 160, 60), (230, 40, 180)),
]


def _checked(side_px: int, cell_px: int, first: tuple[int, int, int], second: tuple[int, int, int]) -> Image.Image:
    """A check of two colours."""
    odd = (np.indices((side_px, side_px)) // cell_px).sum(axis=0) % 2 == 1
    return Image.fromarray(np.where(odd[..., None], np.array(second, np.uint8), np.array(first, np.uint8)))


def _mixed(first: tuple[int, int, int], second: tuple[int, int, int]) -> RgbImage:
    """The colour of two colours' mean light, (1, 3)."""
    curve, values = _srgb_curve()
    light = (np.interp(np.array([first, second]) / 255, values, curve)).mean(axis=0)
    return np.asarray(np.rint(255 * np.interp(light, curve, values)), np.uint8)[None]


# --- sizes ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "analysed"),
    [((40, 30), (40, 30)), ((1024, 768), (512, 384)), ((300, 600), (256, 512)), ((2000, 40), (500, 10))],
)
def test_picture_is_bounded_when_it_is_large(size: tuple[int, int], analysed: tuple[int, int]) -> None:
    """The long side is at most 512 px, small pictures keep their size, and the original's size is reported."""
    found = decode_image(encoded(Image.fromarray(quarters(*size))))
    assert (found.width, found.height) == size
    assert found.pixels.shape == (analysed[1], analysed[0], 3)
    assert found.pixels.dtype == np.uint8


@pytest.mark.parametrize("turn", [1, 6])
def test_network_input_is_the_whole_photo_at_the_requested_size(turn: int) -> None:
    """The network's input is the upright photo squeezed to the requested size, even when the photo is smaller."""
    for size in ((600, 300), (20, 60)):
        found = decode_image(encoded(Image.fromarray(quarters(*size)), turn=turn), network_px=(64, 48))
        assert found.network is not None
        assert _difference(found.network, quarters(64, 48)).max() <= EXACT_DE00


@pytest.mark.parametrize("size", [(2048, 512), (512, 2048)])
def test_network_input_keeps_the_rows_of_a_wide_photo_and_the_columns_of_a_tall_one(size: tuple[int, int]) -> None:
    """The analysed picture is 128 px there, less than the network's input, which is made from the photo itself."""
    photo = Image.fromarray(np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    found = decode_image(encoded(photo), network_px=(288, 384)).network
    assert found is not None
    assert np.array_equal(found, np.asarray(photo.resize((288, 384), Image.Resampling.BOX)))


def test_colours_are_means_of_areas_when_a_picture_shrinks() -> None:
    """A fine check becomes the colour of its mean light, because every pixel of the original counts."""
    for first, second in CHECKS:
        for side_px in (1024, 1400, 2048):
            found = decode_image(encoded(_checked(side_px, 1, first, second))).pixels
            mean = found.reshape(-1, 3).mean(axis=0, keepdims=True).round().astype(np.uint8)
            assert _difference(mean, _mixed(first, second)).max() <= 3


@pytest.mark.parametrize("side_px", [513, 700, 1000, 1023, 1024, 1025, 1536, 2048, 2600, 3900])
def test_even_colours_stay_when_a_picture_shrinks(side_px: int) -> None:
    """An even picture of any size keeps its colour to within one step, also a dark one."""
    for color in ((31, 42, 68), (255, 255, 255), (0, 0, 0), (193, 154, 107), (20, 11, 14)):
        found = decode_image(encoded(Image.new("RGB", (side_px, side_px // 8), color)))
        assert np.abs(found.pixels.astype(int) - color).max() <= 1
        grey = decode_image(encoded(Image.new("L", (side_px, side_px // 8), color[0])))
        assert np.abs(grey.pixels.astype(int) - color[0]).max() <= 1


def test_stripes_of_a_jpeg_are_mixed_as_light_when_they_are_finer_than_the_analysed_pixels() -> None:
    """What is finer than half an analysed pixel is mixed by JPEG's own scaling; the rest is mixed as light."""
    first, second = CHECKS[0]
    found = decode_image(encoded(_checked(2048, 2, first, second), "JPEG", quality=95)).pixels
    mean = found.reshape(-1, 3).mean(axis=0, keepdims=True).round().astype(np.uint8)
    assert _difference(mean, _mixed(first, second)).max() <= 4


@given(st.integers(14, 700), st.integers(14, 700), st.sampled_from(["JPEG", "PNG", "WEBP"]), st.integers(1, 8))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_aspect_is_kept_at_any_size(width_px: int, height_px: int, kind: str, turn: int) -> None:
    """The analysed picture has the photo's aspect to within a pixel, in every format and turn."""
    found = decode_image(encoded(Image.new("RGB", (width_px, height_px), "navy"), kind, turn=turn))
    assert (found.width, found.height) == (width_px, height_px)
    scale = min(1.0, 512 / max(width_px, height_px))
    assert found.pixels.shape[1] == pytest.approx(width_px * scale, abs=0.51)
    assert found.pixels.shape[0] == pytest.approx(height_px * scale, abs=0.51)


def test_bytes_are_equal_when_a_file_is_decoded_twice() -> None:
    """The same file decodes to the same bytes every time."""
    data = encoded(Image.fromarray(quarters(900, 700)), "JPEG", quality=80)
    first, second = (decode_image(data, network_px=(224, 224)) for _ in range(2))
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.network is not None
    assert second.network is not None
    assert first.network.tobytes() == second.network.tobytes()


# --- cost -----------------------------------------------------------------------------------------------------
def test_large_photo_is_cheap_when_it_is_a_jpeg() -> None:
    """A 12-megapixel JPEG is decoded at a fraction of its size, which costs far less than decoding all its pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((4000, 3000), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=80)

    def whole() -> None:
        Image.open(io.BytesIO(data)).resize((512, 384), Image.Resampling.BOX)

    def ours() -> None:
        decode_image(data, network_px=(224, 224))

    assert _least_cpu_s(ours) < 0.6 * _least_cpu_s(whole)


def _least_cpu_s(call: Callable[[], object], times: int = 3) -> float:
    """The least CPU time of a few calls, s, which other processes hardly affect."""
    taken = []
    for _ in range(times):
        since_s = time.process_time()
        call()
        taken.append(time.process_time() - since_s)
    return min(taken)
