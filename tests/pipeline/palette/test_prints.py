"""A fine print shows its dyes; plain cloth, noise, stitches and coarse patterns are left as they are."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.color.difference import delta_e_2000
from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.garments.regions import find_regions, labels_from_mask
from pipeline.options import Options
from pipeline.palette.extraction import extract
from pipeline.palette.prints import unblended
from pipeline.palette.sampling import garment_samples
from pipeline.parts import Garment
from pipeline.types import Mask, RgbImage
from tests.bench.colour_garments import paint
from tests.pipeline.cloth import as_jpeg

SIDE_PX = 200
EVERYWHERE = np.ones((SIDE_PX, SIDE_PX), bool)
Pattern = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.intp]]


def stripes(width_px: int) -> Pattern:
    """Two dyes in turn."""
    return lambda y, x: (x // width_px) % 2


def dots(y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.intp]:
    """Dots of the second dye, 4 px wide."""
    return ((y % 8 < 4) & (x % 8 < 4)).astype(np.intp)


def flowers(y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.intp]:
    """Stripes of two dyes, and dots of a third on a part of them."""
    return np.where((y % 12 < 5) & (x % 12 < 5), 2, (x // 3) % 2)


def cloth(pattern: Pattern, *dyes: str, noise: float = 2.0, blur: float = 0.6) -> RgbImage:
    """Cloth seen by a soft lens, (200, 200, 3), as JPEG."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    linear = srgb_to_linear(np.array([hex_to_rgb(code) for code in dyes]) / 255)[pattern(y, x)]
    seen = linear_to_srgb(gaussian_filter(linear, (blur, blur, 0))) * 255
    noisy = seen + np.random.default_rng(5).normal(0, noise, seen.shape)
    return as_jpeg(np.rint(np.clip(noisy, 0, 255)).astype(np.uint8), 90)


def seen(pixels: RgbImage, mask: Mask = EVERYWHERE) -> Garment:
    """The one garment of a photo."""
    (garment,) = extract(pixels, labels_from_mask(mask), None, Options()).garments
    return garment


def counted(garment: Garment) -> tuple[str, int]:
    assert garment.pattern is not None
    return garment.pattern.kind, garment.pattern.color_count


def farthest(garment: Garment, *dyes: str) -> float:
    """The ΔE00 of the dye that is least like any of the garment's colours."""
    lab = srgb_to_lab_d65(np.array([hex_to_rgb(code) for code in dyes]) / 255)
    found = np.array([color.lab for color in garment.colors])
    return float(delta_e_2000(lab[:, None], found).min(axis=1).max())


@pytest.mark.parametrize(
    ("pattern", "dyes"),
    [
        (stripes(3), ("#17181c", "#e6e4df")),
        (stripes(5), ("#1f2a44", "#b3322e")),
        (dots, ("#f2efe9", "#20201f")),
        (dots, ("#3c2a20", "#c8a878")),
        (dots, ("#c0368a", "#f2cfe0")),
        (dots, ("#3a6ea5", "#d9a05b")),
    ],
    ids=["black, white", "navy, red", "white, black", "leopard", "magenta, pale", "blue, orange"],
)
def test_two_dyes_are_told_when_a_print_is_fine(pattern: Pattern, dyes: tuple[str, ...]) -> None:
    """Their blends fill the histogram between them; together they were one colour that the cloth does not have."""
    garment = seen(cloth(pattern, *dyes))
    assert counted(garment) == ("two_tone", 2)
    assert farthest(garment, *dyes) < 9


def test_shares_are_those_of_the_cloth_when_a_print_is_fine() -> None:
    """Pixels that are no blends are rare in small dots; the shares count all pixels."""
    first, second = seen(cloth(dots, "#f2efe9", "#20201f")).colors
    assert (first.share, second.share) == pytest.approx((0.75, 0.25), abs=0.06)


def test_a_third_dye_is_no_blend_when_it_lies_between_two_in_lightness() -> None:
    """Turquoise lies between black and white in every channel, but not in the same place of each."""
    dyes = "#d8d8d8", "#2b2a2c", "#3f97a8"
    garment = seen(cloth(flowers, *dyes))
    assert counted(garment)[0] == "multicolor"
    assert farthest(garment, *dyes) < 9


@pytest.mark.parametrize("kind", ["solid", "shaded folds", "stripes", "print", "low light", "black"])
def test_cloth_is_as_before_when_its_pattern_is_coarse(kind: str) -> None:
    """Folds, wide stripes and large motifs have strong contrast in few places."""
    for seed in range(4):
        one = paint(kind, seed)
        (region,) = find_regions(labels_from_mask(one.mask), None, Options())
        assert unblended(one.pixels, region.mask) is None


@pytest.mark.parametrize("dye", ["#808080", "#1f2a44", "#c83c46", "#e6e4df"])
def test_plain_cloth_is_one_colour_when_the_photo_is_noisy(dye: str) -> None:
    """The noise has a standard deviation of 15; painted garments of the kind "noise" have 14 at most."""
    random = np.random.default_rng(2)
    noisy = np.clip(hex_to_rgb(dye) + random.normal(0, 15, (SIDE_PX, SIDE_PX, 3)), 0, 255).astype(np.uint8)
    assert unblended(noisy, EVERYWHERE) is None


@pytest.mark.parametrize("dye", ["#d36e9d", "#3a6ea5", "#b5651d"])
def test_a_knit_is_one_dye_when_its_stitches_cast_shadows(dye: str) -> None:
    """Light and shade of one dye alternate as finely as a print, but keep its hue and chroma."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    light = np.exp(0.3 * (np.cos(x * 1.2) + np.cos(y * 0.9)))[..., None]
    lit = linear_to_srgb(np.clip(srgb_to_linear(np.array(hex_to_rgb(dye)) / 255) * light, 0, 1)) * 255
    garment = seen(np.rint(lit).astype(np.uint8))
    assert counted(garment)[0] == "solid"


def test_two_greys_are_a_print_when_they_alternate() -> None:
    """Greys have no chroma by which light and shade of one dye could be told from two dyes."""
    assert unblended(cloth(stripes(3), "#4a4038", "#857b6e"), EVERYWHERE) is not None


def test_the_plain_part_counts_whole_when_most_of_a_garment_is_printed() -> None:
    """A printed shirt with plain sleeves: nothing is a blend where the contrast is weak."""
    pixels = cloth(stripes(3), "#17181c", "#e6e4df").copy()
    pixels[:, :60] = (120, 40, 60)
    found = unblended(pixels, EVERYWHERE)
    assert found is not None
    assert found[:, :50].all()
    assert 0.2 < found[:, 70:].mean() < 0.8


def test_the_background_is_no_part_of_a_print() -> None:
    """Plain cloth before a fine check stays plain, and a fine check is the same before any background."""
    pixels, mask = cloth(stripes(3), "#17181c", "#e6e4df"), np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[40:160, 60:140] = True
    assert unblended(np.where(mask[..., None], np.array([120, 40, 60], np.uint8), pixels), mask) is None
    noise = np.random.default_rng(4).integers(0, 256, pixels.shape).astype(np.uint8)
    before = [unblended(np.where(mask[..., None], pixels, wall), mask) for wall in (pixels * 0, noise)]
    assert before[0] is not None
    np.testing.assert_array_equal(before[0], before[1])
    assert before[0][~mask].all()
    assert not before[0][mask].all()


def test_a_print_is_none_when_only_its_means_have_strong_contrast() -> None:
    """Means of four are rounded down, so their contrast may be 3 more than that of the pixels."""
    pixels = np.repeat(np.where(np.arange(SIDE_PX) // 4 % 2, 40, 3)[None, :, None], SIDE_PX, axis=0)
    assert unblended(np.repeat(pixels, 3, axis=2).astype(np.uint8), EVERYWHERE) is None


def test_confidence_is_lower_when_a_print_is_fine() -> None:
    """The dyes of fine stripes are hardly seen unblended, those of wide ones are."""
    fine, wide = (seen(cloth(stripes(width_px), "#1f2a44", "#b3322e")).colors[:2] for width_px in (6, 30))
    assert all(color.confidence is not None and color.confidence < 0.97 for color in fine)
    assert all(color.confidence is not None and color.confidence > 0.97 for color in wide)


def test_samples_fit_together_when_a_print_has_glare() -> None:
    """Glare is left out of the pixels, of their weights and of what is told about blends."""
    pixels = cloth(stripes(3), "#17181c", "#c8a878").copy()
    pixels[80:100, 80:100] = 255
    samples = garment_samples(find_regions(labels_from_mask(EVERYWHERE), None, Options())[0], pixels, None)
    assert samples.unblended is not None
    assert len(samples.rgb) == len(samples.weights) == len(samples.unblended) < SIDE_PX**2 - 300


@pytest.mark.parametrize("size_px", [(0, 0), (1, 1), (1, 7), (2, 2), (3, 1), (5, 4)])
def test_nothing_breaks_when_a_garment_is_tiny(size_px: tuple[int, int]) -> None:
    """A garment may be one pixel, or none."""
    pixels = np.random.default_rng(1).integers(0, 256, (*size_px, 3)).astype(np.uint8)
    found = unblended(pixels, np.ones(size_px, bool))
    assert found is None or found.shape == size_px
    assert unblended(pixels, np.zeros(size_px, bool)) is None
