"""The tuning of region voting: it moves a threshold that loses garments, and keeps the others."""

import numpy as np
import pytest

import pipeline.garments.grouping as grouping
from models.evaluate import thresholds
from models.evaluate.scores import Case
from models.evaluate.thresholds import CONSTANTS, PAIRS, score, tune
from pipeline.types import Segmentation

SKIN, TOP, OUTERWEAR, BOTTOM = 1, 3, 4, 5


def test_threshold_moves_when_it_merges_a_real_garment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A true vest within a shirt is taken for a slip at first; afterwards it is a garment of its own."""
    monkeypatch.setattr(thresholds, "FACTORS", (0.0, 1.0))
    monkeypatch.setattr(thresholds, "ROUNDS", 1)
    for name in CONSTANTS:
        monkeypatch.setattr(grouping, name, getattr(grouping, name))
    before = dict(grouping.SLIP_SHARES)
    for pair in before:
        monkeypatch.setitem(grouping.SLIP_SHARES, pair, before[pair])
    labels = np.zeros((200, 150), np.uint8)
    labels[5:35, 60:90], labels[35:100, 45:105], labels[100:180, 50:100] = SKIN, TOP, BOTTOM
    labels[50:75, 60:90] = OUTERWEAR
    sure = np.full(labels.shape, 140, np.uint8)
    pixels = np.repeat((labels * 40)[..., None], 3, axis=2)
    # Half of the vest has the shirt's colour: cloth that may be the shirt's or not.
    pixels[50:75, 75:90] = TOP * 40
    cases = [Case(pixels, Segmentation(labels, sure, "test"), labels)]
    first, said = score(cases), list[str]()
    tune(cases, said.append)
    assert score(cases) > first
    assert grouping.SLIP_SHARES["upper", "upper"] == 0
    assert grouping.SLIP_SHARES["upper", "lower"] == before["upper", "lower"]
    assert len(said) == 1 + len(PAIRS) + len(CONSTANTS)
