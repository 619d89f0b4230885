"""CIEDE2000 against its published table and an independent implementation, and the angle between hues."""

import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.color.difference import delta_e_2000, hue_difference_deg
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.types import Floats
from tests.pipeline.color.drawn import few, random_rgb

with warnings.catch_warnings():
    # colour-science warns about optional plotting libraries.
    warnings.simplefilter("ignore")
    from colour.difference.delta_e import delta_E_CIE2000

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

lab_colors = arrays(np.float64, (5, 3), elements=st.floats(-100, 100)).map(lambda lab: lab * [0.5, 1, 1] + [50, 0, 0])


def test_delta_e_2000_when_sharmas_pairs() -> None:
    """All 34 published pairs, with wrapped and opposite hues among them, agree to four decimals."""
    table = np.array([line.split() for line in SHARMA.strip().splitlines()], dtype=float)
    assert table.shape == (34, 7)
    found = delta_e_2000(table[:, :3], table[:, 3:6])
    np.testing.assert_allclose(found, table[:, 6], atol=5e-5)


def test_delta_e_2000_when_random_colours() -> None:
    """colour-science gives the same difference for every pair of 80 colours."""
    lab = srgb_to_lab_d65(random_rgb(80))
    found = delta_e_2000(lab[:, None], lab[None])
    np.testing.assert_allclose(found, delta_E_CIE2000(lab[:, None], lab[None]), atol=1e-6)


@few
@given(lab_colors, lab_colors)
def test_delta_e_2000_when_arguments_swap(first: Floats, second: Floats) -> None:
    """CIEDE2000 is symmetric, finite and never negative."""
    forth, back = delta_e_2000(first, second), delta_e_2000(second, first)
    np.testing.assert_allclose(forth, back, atol=1e-7)
    assert np.all(forth >= 0)


@few
@given(lab_colors)
def test_delta_e_2000_when_equal(lab: Floats) -> None:
    """The difference of a colour to itself is exactly 0."""
    assert not delta_e_2000(lab, lab).any()


@few
@given(st.floats(0, 360), st.floats(0, 360))
def test_hue_difference_is_the_shorter_angle_when_hues_are_any(first_deg: float, second_deg: float) -> None:
    """The angle between two hues is 0 to 180 degrees, symmetric, and the same for an array as for a number."""
    angle_deg = hue_difference_deg(first_deg, second_deg)
    assert 0 <= angle_deg <= 180
    assert abs(angle_deg - hue_difference_deg(second_deg, first_deg)) < 1e-9
    assert hue_difference_deg(np.array([first_deg]), np.array([second_deg])).tolist() == [angle_deg]


def test_hue_difference_crosses_zero_when_hues_lie_on_both_sides() -> None:
    """10 and 350 degrees are 20 degrees apart."""
    assert hue_difference_deg(10.0, 350.0) == 20.0
