"""Tests the sizes to which photos are shrunk."""

import pytest
from PIL import Image

from pipeline.image.shrink import bounded, reduced


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1000, 700), (500, 350)),
        ((1024, 700), (512, 350)),
        ((3000, 1500), (500, 250)),
        ((900, 700), (512, 398)),
        ((400, 300), (400, 300)),
    ],
)
def test_size_is_a_whole_fraction_when_one_is_near(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """A half and a sixth little below the limit are taken; a size far from a fraction is scaled to the limit."""
    assert bounded(size, 512) == expected


def test_image_is_divided_when_the_fraction_is_exactly_the_size() -> None:
    """A fraction that leaves just the size is taken, and one that leaves less is not."""
    image = Image.new("L", (100, 60))
    assert reduced(image, (50, 30)).size == (50, 30)
    assert reduced(image, (51, 30)).size == (100, 60)
