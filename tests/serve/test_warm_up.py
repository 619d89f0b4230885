"""What the phases answer before they are ready."""

from typing import get_args

import numpy as np

from pipeline.harmony.harmonise import harmonise
from pipeline.palette.extraction import extract
from pipeline.types import Mood
from serve import warm_up


def test_the_painted_photo_goes_the_way_of_a_photo() -> None:
    """It has two garments with colours and names, and light to judge: whatever a photo needs is loaded."""
    asked = warm_up.photo()
    found = extract(asked.image, asked.labels, asked.confidence, asked.options)
    assert [one.category for one in found.garments] == ["top", "bottom"]
    assert all(one.colors[0].names for one in found.garments)
    assert found.lighting is not None
    assert all(one.confidence is not None for one in found.garments)


def test_the_look_goes_the_way_of_a_look() -> None:
    """It gets suggestions of every mood."""
    asked = warm_up.look()
    assert {one.mood for one in harmonise(asked.garments, asked.options).suggestions} == set(get_args(Mood))


def test_warm_up_is_the_same_when_it_is_made_twice() -> None:
    """Nothing about a replica's start is random."""
    assert np.array_equal(warm_up.photo().image, warm_up.photo().image)
