"""Label maps from logits, beside torch's way of enlarging every class everywhere."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.label_map import Logits, label_map


def _logits(seed: int, classes: int, height: int, width: int, coarse: int) -> Logits:
    """Smooth logits, as a network's are: noise on a coarse grid, enlarged."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (1, classes, coarse, coarse)).astype(np.float32))
    found: Logits = F.interpolate(noise, (height, width), mode="bilinear")[0].numpy()
    return found


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 1000),
    classes=st.integers(1, 12),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    asked=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    coarse=st.integers(1, 40),
)
def test_labels_are_torchs_when_all_classes_are_enlarged(
    seed: int, classes: int, size: tuple[int, int], asked: tuple[int, int], coarse: int
) -> None:
    """Every label is that of the enlarged logits; where two classes are level within rounding, either one is right."""
    logits = _logits(seed, classes, *size, coarse)
    labels, confidence = label_map(logits, asked[1], asked[0])
    planes = torch.from_numpy(logits)[None]
    enlarged = F.interpolate(planes, asked, mode="bilinear", align_corners=False)[0].numpy()
    assert labels.shape == asked
    chosen = np.take_along_axis(enlarged, labels[None].astype(np.intp), axis=0)[0]
    assert (chosen >= enlarged.max(axis=0) - 1e-4).all()
    expected = (planes.softmax(dim=1).amax(dim=1)[0] * 255).numpy()
    assert np.abs(confidence - expected).max() <= 1


@pytest.mark.parametrize("asked", [(400, 300), (90, 70), (1, 1)])
def test_labels_are_the_same_class_when_one_wins_everywhere(asked: tuple[int, int]) -> None:
    """Without an outline nothing is mixed, and the confidence is 255 where the lead is large."""
    logits = np.zeros((3, 48, 32), np.float32)
    logits[2] = 50
    labels, confidence = label_map(logits, asked[1], asked[0])
    assert np.unique(labels).tolist() == [2]
    assert np.unique(confidence).tolist() == [255]
