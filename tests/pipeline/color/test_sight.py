"""Contrast, warmth and colour-blind vision against published values and independent implementations."""

import warnings
from typing import get_args

import numpy as np
import pytest
from coloraide import Color
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.color.hex import hex_to_rgb
from pipeline.color.sight import CvdKind, contrast_ratio, simulate_cvd, temperatures, text_color, warmth
from pipeline.color.spaces import linear_to_srgb, srgb_to_lab_d65, srgb_to_linear
from pipeline.types import Floats
from tests.pipeline.color.drawn import few, random_rgb

with warnings.catch_warnings():
    # colour-science warns about optional plotting libraries.
    warnings.simplefilter("ignore")
    from colour.blindness import matrix_cvd_Machado2009


@pytest.mark.parametrize("kind", get_args(CvdKind))
def test_simulate_cvd_when_random_colours(kind: CvdKind) -> None:
    """Machado's protan and deutan and Brettel's tritan agree with coloraide."""
    rgb = random_rgb(50)
    method = "brettel" if kind == "tritan" else "machado"
    seen = [Color("srgb", list(one)).filter(kind, method=method).convert("srgb").clip().coords() for one in rgb]
    np.testing.assert_allclose(simulate_cvd(rgb, kind), seen, atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [("protan", "Protanomaly"), ("deutan", "Deuteranomaly")])
def test_simulate_cvd_when_machados_table(kind: CvdKind, name: str) -> None:
    """Protan and deutan vision are colour-science's matrices of full severity, applied in linear light."""
    linear = srgb_to_linear(random_rgb(50))
    seen = linear_to_srgb(np.clip(linear @ matrix_cvd_Machado2009(name, 1.0).T, 0, 1))
    np.testing.assert_allclose(simulate_cvd(random_rgb(50), kind), seen, atol=1e-5)


@pytest.mark.parametrize("kind", get_args(CvdKind))
def test_simulate_cvd_when_grey(kind: CvdKind) -> None:
    """Greys look the same to every kind of eye."""
    greys = np.repeat(np.linspace(0, 1, 9)[:, None], 3, axis=1)
    np.testing.assert_allclose(simulate_cvd(greys, kind), greys, atol=2e-3)


def test_contrast_ratio_when_wcag_examples() -> None:
    """Black on white is 21, a colour on itself 1, #767676 on white the known 4.54."""
    white = np.ones(3)
    assert float(contrast_ratio(white, np.zeros(3))) == pytest.approx(21)
    assert float(contrast_ratio(white, white)) == 1
    assert float(contrast_ratio(np.full(3, 0x76 / 255), white)) == pytest.approx(4.54, abs=0.005)


@few
@given(arrays(np.float64, 3, elements=st.floats(0, 1)))
def test_text_color_when_any_ground(rgb: Floats) -> None:
    """The better of black and white always reaches WCAG's contrast of 4.5."""
    code, contrast = text_color(rgb)
    assert code in ("#000000", "#ffffff")
    assert contrast >= 4.5


def test_warmth_when_known_colours() -> None:
    """Red and camel are warm, navy and teal are cool; sand is warm although it is pale."""
    lab = srgb_to_lab_d65(np.array([hex_to_rgb(c) for c in ("#c0392b", "#c19a6b", "#1f2a44", "#2a7f7f")]) / 255)
    assert np.sign(warmth(lab)).tolist() == [1, 1, -1, -1]
    sand, grey, lime = (srgb_to_lab_d65(np.array(hex_to_rgb(c)) / 255) for c in ("#dcc9a3", "#808080", "#40c040"))
    assert temperatures(np.stack([sand, grey, lime])) == ["warm", "neutral", "neutral"]


@pytest.mark.parametrize(
    ("chroma", "hue_deg", "said"),
    [
        (7.9, 50, "neutral"),
        (8.1, 50, "warm"),
        (8.1, 230, "cool"),
        (30, 50 + 78, "warm"),
        (30, 50 + 79, "neutral"),
        (30, 50 + 101, "neutral"),
        (30, 50 + 102, "cool"),
    ],
)
def test_temperatures_when_near_a_threshold(chroma: float, hue_deg: float, said: str) -> None:
    """Below a CIE Lab chroma of 8, and where the cosine to the warmest hue is below 0.2, a colour is neither."""
    angle = np.radians(hue_deg)
    lab = np.array([[60.0, chroma * np.cos(angle), chroma * np.sin(angle)]])
    assert temperatures(lab) == [said]
