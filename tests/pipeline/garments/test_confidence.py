"""The confidence of a garment's kind."""

import numpy as np
import pytest

from pipeline.garments.confidence import kind_confidence
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.types import LabelMap

TOP, OUTERWEAR = 3, 4


def _flat(share: float) -> LabelMap:
    """A product of 100 × 100 px, the first columns a top and the rest outerwear."""
    labels = np.zeros((140, 140), np.uint8)
    labels[20:120, 20:120] = OUTERWEAR
    labels[20:120, 20 : 20 + round(100 * share)] = TOP
    return labels


def test_confidence_is_a_probability_that_grows_when_support_does() -> None:
    """It stays within 0 and 1, also at the ends, and never falls."""
    values = [kind_confidence(support) for support in np.linspace(0, 1, 21)]
    assert all(0 < value < 1 for value in values)
    assert values == sorted(values)
    assert values[-1] > 0.9


@pytest.mark.parametrize("certainty", [120, 240])
def test_pixels_of_other_kinds_speak_against_a_kind_when_it_is_told(certainty: int) -> None:
    """A garment that is all of one kind is surer than one of which a third is seen as another."""
    sure = np.full((140, 140), certainty, np.uint8)
    (whole,) = find_regions(_flat(1.0), sure, Options())
    (mixed,) = find_regions(_flat(0.66), sure, Options())
    assert whole.category == mixed.category == "top"
    assert whole.confidence == pytest.approx(kind_confidence(certainty / 255), abs=1e-3)
    assert mixed.confidence == pytest.approx(kind_confidence(0.66 * certainty / 255), abs=1e-3)


def test_confidence_is_none_when_no_network_was_certain_of_anything() -> None:
    """Without a confidence map there is nothing to tell."""
    (region,) = find_regions(_flat(1.0), None, Options())
    assert region.confidence is None
