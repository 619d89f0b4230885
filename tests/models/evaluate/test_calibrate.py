"""The fit of confidence: supports of reported garments, and the line through their log-odds."""

import numpy as np
import pytest

from models.evaluate.calibrate import fit, supports
from models.evaluate.scores import Case
from pipeline.garments.confidence import log_odds
from pipeline.types import Segmentation


def test_line_is_found_when_garments_were_drawn_from_it() -> None:
    """Supports whose kinds are right as often as a logistic line says give that line back."""
    random = np.random.default_rng(0)
    support = random.uniform(0.05, 0.95, 6000)
    odds = np.array([log_odds(one) for one in support])
    right = random.random(6000) < 1 / (1 + np.exp(-(1.7 * odds + 0.8)))
    slope, offset = fit(np.stack([support, right], axis=1))
    assert slope == pytest.approx(1.7, abs=0.12)
    assert offset == pytest.approx(0.8, abs=0.12)


def test_line_is_finite_when_every_garment_is_right() -> None:
    """Without a single error the slope and the offset stay usable."""
    rows = np.array([[0.6, 1.0], [0.9, 1.0], [0.8, 1.0]])
    assert np.all(np.isfinite(fit(rows)))


def test_support_counts_pixels_of_the_told_kind_alone() -> None:
    """Three quarters of a garment are seen as its kind, with certainty .8: its support is .6, and the kind is wrong."""
    found = np.zeros((140, 140), np.uint8)
    found[20:120, 20:120] = 4
    found[20:120, 20:95] = 3
    truth = np.where(found > 0, np.uint8(6), np.uint8(0))
    sure = np.full(found.shape, 204, np.uint8)
    case = Case(np.full((140, 140, 3), 128, np.uint8), Segmentation(found, sure, "test"), truth)
    ((support, right),) = supports([case])
    assert support == pytest.approx(0.6, abs=0.01)
    assert right == 0.0
    assert supports([Case(case.pixels, Segmentation(found, None, "test"), truth)]).shape == (0, 2)
