"""Colour maths against published tables and independent implementations."""

import warnings
from typing import get_args

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.color import css, difference, gamut, sight, spaces
from pipeline.errors import InvalidOptions
from pipeline.types import Floats

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # colour-science tells of the plotting libraries that it misses
    from colour.blindness import matrix_cvd_Machado2009
    from colour.difference.delta_e import delta_E_CIE2000
    from colour.models import XYZ_to_Oklab

# Sharma, Wu & Dalal 2005, table 1: Lab, Lab, CIEDE2000.
SHARMA = """
50 2.6772 -79.7751  50 0 -82.7485  2.0425
50 3.1571 -77.2803  50 0 -82.7485  2.8615
50 2.8361 -74.0200  50 0 -82.7485  3.4412
50 -1.3802 -84.2814  50 0 -82.7485  1.0000
50 -1.1848 -84.8006  50 0 -82.7485  1.0000
50 -0.9009 -85.5211  50 0 -82.7485  1.0000
50 0 0  50 -1 2  2.3669
50 -1 2  50 0 0  2.3669
50 2.49 -0.001  50 -2.49 0.0009  7.1792
50 2.49 -0.001  50 -2.49 0.0010  7.1792
50 2.49 -0.001  50 -2.49 0.0011  7.2195
50 2.49 -0.001  50 -2.49 0.0012  7.2195
50 -0.001 2.49  50 0.0009 -2.49  4.8045
50 -0.001 2.49  50 0.0010 -2.49  4.8045
50 -0.001 2.49  50 0.0011 -2.49  4.7461
50 2.5 0  50 0 -2.5  4.3065
50 2.5 0  73 25 -18  27.1492
50 2.5 0  61 -5 29  22.8977
50 2.5 0  56 -27 -3  31.9030
50 2.5 0  58 24 15  19.4535
50 2.5 0  50 3.1736 0.5854  1.0000
50 2.5 0  50 3.2972 0  1.0000
50 2.5 0  50 1.8634 0.5757  1.0000
50 2.5 0  50 3.2592 0.3350  1.0000
60.2574 -34.0099 36.2677  60.4626 -34.1751 39.4387  1.2644
63.0109 -31.0961 -5.8663  62.8187 -29.7946 -4.0864  1.2630
61.2901 3.7196 -5.3901  61.4292 2.2480 -4.9620  1.8731
35.0831 -44.1164 3.7933  35.0232 -40.0716 1.5901  1.8645
22.7233 20.0904 -46.6940  23.0331 14.9730 -42.5619  2.0373
36.4612 47.8580 18.3852  36.2715 50.5065 21.2231  1.4146
90.8027 -2.0831 1.4410  91.1528 -1.6435 0.0447  1.4441
90.9257 -0.5406 -0.9208  88.6381 -0.8985 -0.7239  1.5381
6.7747 -0.2908 -2.4247  5.8714 -0.0985 -2.2286  0.6377
2.0776 0.0795 -1.1350  0.9033 -0.0636 -0.5514  0.9082
"""

rgb_colors = arrays(np.float64, (5, 3), elements=st.floats(0, 1))
lab_colors = arrays(np.float64, (5, 3), elements=st.floats(-100, 100)).map(lambda lab: lab * [0.5, 1, 1] + [50, 0, 0])
few = settings(max_examples=60, derandomize=True, deadline=None)


def random_rgb(count: int) -> Floats:
    """Colours spread over the gamut, the same in every run."""
    return np.random.default_rng(7).random((count, 3))


def test_delta_e_2000_when_sharmas_pairs() -> None:
    """All 34 published pairs agree to four decimals, the wrapped and opposite hues among them."""
    table = np.array([line.split() for line in SHARMA.strip().splitlines()], dtype=float)
    assert table.shape == (34, 7)
    found = difference.delta_e_2000(table[:, :3], table[:, 3:6])
    np.testing.assert_allclose(found, table[:, 6], atol=5e-5)


def test_delta_e_2000_when_random_colours() -> None:
    """An independent implementation gives the same on every pair of 80 colours, broadcast."""
    lab = spaces.srgb_to_lab_d65(random_rgb(80))
    found = difference.delta_e_2000(lab[:, None], lab[None])
    np.testing.assert_allclose(found, delta_E_CIE2000(lab[:, None], lab[None]), atol=1e-6)


@few
@given(lab_colors, lab_colors)
def test_delta_e_2000_when_arguments_swap(first: Floats, second: Floats) -> None:
    """CIEDE2000 is symmetric, finite and never negative."""
    forth, back = difference.delta_e_2000(first, second), difference.delta_e_2000(second, first)
    np.testing.assert_allclose(forth, back, atol=1e-7)
    assert np.all(forth >= 0)


@few
@given(lab_colors)
def test_delta_e_2000_when_equal(lab: Floats) -> None:
    """A colour is exactly 0 from itself."""
    assert not difference.delta_e_2000(lab, lab).any()


@pytest.mark.parametrize(
    ("xyz", "oklab"),
    [
        ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
        ((1, 0, 0), (0.450, 1.236, -0.019)),
        ((0, 1, 0), (0.922, -0.671, 0.263)),
        ((0, 0, 1), (0.153, -1.415, -0.449)),
    ],
)
def test_xyz_to_oklab_when_ottossons_table(xyz: tuple[float, ...], oklab: tuple[float, ...]) -> None:
    """Ottosson's four published pairs come out to his three decimals."""
    np.testing.assert_allclose(spaces.xyz_to_oklab(np.array(xyz, float)), oklab, atol=1.1e-3)


def test_xyz_to_oklab_when_random_colours() -> None:
    """OKLab is colour-science's to within the digits by which CSS Color 4 refined Ottosson's matrices."""
    xyz = spaces.srgb_to_xyz(random_rgb(60))
    np.testing.assert_allclose(spaces.xyz_to_oklab(xyz), XYZ_to_Oklab(xyz), atol=2e-4)


@pytest.mark.parametrize(
    ("code", "oklch"),
    [("#c0392b", (0.5433, 0.174, 29.70)), ("#1f2a44", (0.2883, 0.0503, 265.90)), ("#c19a6b", (0.7113, 0.0782, 71.24))],
)
def test_oklch_when_reference_colours(code: str, oklch: tuple[float, ...]) -> None:
    """The reference colours have their published OKLCH coordinates."""
    found = spaces.oklab_to_oklch(spaces.srgb_to_oklab(np.array(css.hex_to_rgb(code)) / 255))
    assert np.all(np.abs(found - oklch) < (6e-5, 6e-5, 6e-3))


def test_srgb_to_lab_d65_when_random_colours() -> None:
    """Lab is that of D65, as coloraide's `lab-d65` has it."""
    rgb = random_rgb(40)
    expected = [Color("srgb", list(one)).convert("lab-d65").coords() for one in rgb]
    np.testing.assert_allclose(spaces.srgb_to_lab_d65(rgb), expected, atol=1e-6)


@few
@given(rgb_colors)
def test_conversions_when_there_and_back(rgb: Floats) -> None:
    """sRGB survives OKLab, OKLCH and linear light."""
    oklch = spaces.oklab_to_oklch(spaces.srgb_to_oklab(rgb))
    np.testing.assert_allclose(spaces.oklab_to_srgb(spaces.oklch_to_oklab(oklch)), rgb, atol=2e-3)
    np.testing.assert_allclose(spaces.oklab_to_srgb(spaces.srgb_to_oklab(rgb)), rgb, atol=1e-7)
    np.testing.assert_allclose(spaces.linear_to_srgb(spaces.srgb_to_linear(rgb)), rgb, atol=1e-6)


def test_oklab_to_oklch_when_grey() -> None:
    """The hue of greys is 0, not noise."""
    greys = np.repeat(np.linspace(0, 1, 17)[:, None], 3, axis=1)
    assert not spaces.oklab_to_oklch(spaces.srgb_to_oklab(greys))[:, 2].any()


def test_fit_srgb_when_out_of_gamut() -> None:
    """Chroma reduction lands where coloraide's CSS Color 4 mapping lands, within half a just noticeable difference."""
    random = np.random.default_rng(3)
    oklch = np.stack([random.uniform(0.02, 0.98, 60), random.uniform(0.05, 0.4, 60), random.uniform(0, 360, 60)], 1)
    found = gamut.fit_srgb(oklch)
    for wanted, rgb in zip(oklch, found, strict=True):
        oracle = Color("oklch", list(wanted)).fit("srgb", method="oklch-chroma").convert("srgb").coords()
        np.testing.assert_allclose(rgb, oracle, atol=0.006)
    assert np.all(gamut.in_gamut(found))


@few
@given(rgb_colors)
def test_fit_srgb_when_in_gamut(rgb: Floats) -> None:
    """A displayable colour stays what it is."""
    np.testing.assert_allclose(gamut.fit_srgb(spaces.oklab_to_oklch(spaces.srgb_to_oklab(rgb))), rgb, atol=2e-3)


@pytest.mark.parametrize("kind", get_args(sight.CvdKind))
def test_simulate_cvd_when_random_colours(kind: sight.CvdKind) -> None:
    """Machado for protan and deutan, Brettel for tritan, as coloraide has them."""
    rgb = random_rgb(50)
    method = "brettel" if kind == "tritan" else "machado"
    seen = [Color("srgb", list(one)).filter(kind, method=method).convert("srgb").clip().coords() for one in rgb]
    np.testing.assert_allclose(sight.simulate_cvd(rgb, kind), seen, atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("protan", "Protanomaly"), ("deutan", "Deuteranomaly")])
def test_simulate_cvd_when_machados_table(kind: sight.CvdKind, name: str) -> None:
    """The published matrices of full severity, as colour-science has them, in linear light."""
    linear = spaces.srgb_to_linear(random_rgb(50))
    seen = spaces.linear_to_srgb(np.clip(linear @ matrix_cvd_Machado2009(name, 1.0).T, 0, 1))
    np.testing.assert_allclose(sight.simulate_cvd(random_rgb(50), kind), seen, atol=1e-5)


@pytest.mark.parametrize("kind", get_args(sight.CvdKind))
def test_simulate_cvd_when_grey(kind: sight.CvdKind) -> None:
    """Greys look alike to every eye."""
    greys = np.repeat(np.linspace(0, 1, 9)[:, None], 3, axis=1)
    np.testing.assert_allclose(sight.simulate_cvd(greys, kind), greys, atol=2e-3)


def test_contrast_ratio_when_wcag_examples() -> None:
    """Black on white is 21, a colour on itself 1, #767676 on white the known 4.54."""
    white = np.ones(3)
    assert float(sight.contrast_ratio(white, np.zeros(3))) == pytest.approx(21)
    assert float(sight.contrast_ratio(white, white)) == 1
    assert float(sight.contrast_ratio(np.full(3, 0x76 / 255), white)) == pytest.approx(4.54, abs=0.005)


@few
@given(arrays(np.float64, 3, elements=st.floats(0, 1)))
def test_text_color_when_any_ground(rgb: Floats) -> None:
    """The better of black and white always reaches WCAG's 4.5."""
    code, contrast = sight.text_color(rgb)
    assert code in ("#000000", "#ffffff")
    assert contrast >= 4.5


def test_warmth_when_known_colours() -> None:
    """Red and camel are warm, navy and teal cool; a grey has the formula's constant, −0.5."""
    lab = spaces.srgb_to_lab_d65(
        np.array([css.hex_to_rgb(c) for c in ("#c0392b", "#c19a6b", "#1f2a44", "#2a7f7f")]) / 255
    )
    assert np.sign(sight.warmth(lab)).tolist() == [1, 1, -1, -1]
    assert float(sight.warmth(np.array([50.0, 0, 0]))) == -0.5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("#1F2a44", "#1f2a44"),
        ("1f2a44", "#1f2a44"),
        ("#abc", "#aabbcc"),
        ("RebeccaPurple", "#663399"),
        (" red ", "#ff0000"),
    ],
)
def test_parse_css_color_when_valid(text: str, code: str) -> None:
    """Hex with 3 or 6 digits, with or without #, and CSS names are understood."""
    assert css.parse_css_color(text) == code


@pytest.mark.parametrize("text", ["", "#12", "#1234", "#11223344", "transparent", "navyish", "#ggg", "rgb(1,2,3)", "é"])
def test_parse_css_color_when_invalid(text: str) -> None:
    """Anything else is refused, and the refusal names it."""
    with pytest.raises(InvalidOptions, match="is not a colour") as refused:
        css.parse_css_color(text)
    assert repr(text) in refused.value.detail


@few
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_hex_when_there_and_back(rgb: tuple[int, int, int]) -> None:
    """Hex notation loses nothing."""
    assert css.hex_to_rgb(css.rgb_to_hex(rgb)) == rgb
