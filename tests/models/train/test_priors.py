"""The correction of priors: offsets that undo a class which a network says too often."""

import numpy as np
import torch

from models.networks.efficientnet import EfficientNetLiteParser
from models.train.data import Sample
from models.train.priors import Seen, fit, look, score
from models.train.teacher import UNKNOWN

TOP, FULL_BODY = 3, 6


def _photo(wrong: float) -> Seen:
    """300 places of a top and 100 of a one-piece; the network likes one-pieces too well by `wrong` logits."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.array([TOP, FULL_BODY], np.uint8), (300, 100))
    logits = random.normal(0, 0.3, (400, 9)).astype(np.float32)
    logits[np.arange(400), labels] += 2.0
    logits[:, FULL_BODY] += wrong
    return logits, labels


def test_offset_undoes_a_class_when_the_network_says_it_too_often() -> None:
    """Where one-pieces are over-told by two logits, their offset is about minus two and the score rises."""
    photos = [_photo(2.0)]
    offsets = fit(photos, [])
    assert -2.6 < offsets[FULL_BODY] - offsets[TOP] < -1.0
    assert offsets[0] == 0.0
    assert score(photos, [], offsets) > score(photos, [], np.zeros(9)) + 0.05


def test_nothing_is_corrected_when_the_network_is_right() -> None:
    """Offsets that do not help stay 0."""
    logits, labels = _photo(0.0)
    logits[np.arange(400), labels] += 5.0
    assert not fit([(logits, labels)], []).any()


def test_labels_belong_to_their_logits_when_photos_are_looked_at() -> None:
    """Every third output is seen with the label at its place; unknown places are left out."""
    torch.manual_seed(0)
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 20:] = TOP
    labels[20:] = UNKNOWN
    network = EfficientNetLiteParser(9, folded=False).eval()
    ((logits, truth),) = look(network, [Sample(np.zeros((40, 40, 3), np.uint8), labels)], 64)
    assert logits.shape == (len(truth), 9)
    assert UNKNOWN not in truth
    assert 0.4 < (truth == TOP).mean() < 0.6
