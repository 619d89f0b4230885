"""Tests how two networks are compared on one photo."""

import numpy as np
import pytest

from pipeline.agreement import garment_agreement, label_agreement
from pipeline.options import PhotoOptions
from pipeline.palette.extraction import extract
from pipeline.parts import Garment
from pipeline.types import RgbImage

NAVY, CAMEL, RED = (31, 42, 68), (193, 154, 107), (200, 30, 40)


def garments(*regions: tuple[int, int, tuple[int, int, int]]) -> tuple[Garment, ...]:
    """Garments of a photo of 120x80 px: the label, the height in px and the colour of each."""
    pixels: RgbImage = np.full((120, 80, 3), 235, np.uint8)
    labels = np.zeros((120, 80), np.uint8)
    top = 4
    for label, height_px, rgb in regions:
        pixels[top : top + height_px, 10:70] = rgb
        labels[top : top + height_px, 10:70] = label
        top += height_px + 6
    return extract(pixels, labels, None, PhotoOptions()).garments


def test_the_share_of_equal_pixels_is_told() -> None:
    """Three of four pixels are equal; maps of other sizes are refused with both sizes."""
    assert label_agreement(np.array([[1, 2], [3, 4]], np.uint8), np.array([[1, 2], [3, 5]], np.uint8)) == 0.75
    with pytest.raises(ValueError, match=r"sizes \(2, 2\) and \(1, 2\); one size"):
        label_agreement(np.zeros((2, 2), np.uint8), np.zeros((1, 2), np.uint8))


def test_garments_are_paired_by_kind() -> None:
    """Equal garments differ by nothing; a kind that one network alone finds is counted on its side."""
    top, trousers, shoes = (3, 40, NAVY), (5, 40, CAMEL), (7, 20, RED)
    found = garment_agreement(garments(top, trousers), garments(top, shoes))
    assert (found.de00, found.only_first, found.only_second) == ((0.0,), 1, 1)
    assert garment_agreement((), ()).de00 == ()
    assert garment_agreement(garments(top), ()).only_first == 1


def test_another_main_colour_is_far_away() -> None:
    """Navy and red are told as two colours."""
    (de00,) = garment_agreement(garments((3, 40, NAVY)), garments((3, 40, RED))).de00
    assert de00 > 30


def test_garments_of_one_kind_are_paired_once_each() -> None:
    """A second garment of a kind has no partner where the other network finds one only."""
    top = garments((3, 50, NAVY))
    found = garment_agreement(top * 2, top)
    assert (found.de00, found.only_first, found.only_second) == ((0.0,), 1, 0)
