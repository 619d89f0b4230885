"""The prototype architecture: its shapes, its size, and the logits of its weights."""

import pytest
import torch

from models.cards import load_card
from models.evaluate.__main__ import PROTOTYPE
from models.networks.u2net_parser import U2NetPParser
from models.segmenter import Segmenter
from pipeline.types import RgbImage


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (70, 90)])
def test_logits_have_half_the_size_when_the_input_is_any(size: tuple[int, int]) -> None:
    """(B, 3, H, W) becomes (B, classes, H/2, W/2), also where halving does not come out even."""
    with torch.inference_mode():
        logits = U2NetPParser(5).eval()(torch.zeros(2, 3, *size))
    assert logits.shape == (2, 5, size[0] // 2, size[1] // 2)


def test_parameters_are_the_cards_when_counted() -> None:
    """The network has the 1.17 million parameters that its card states."""
    card = load_card(PROTOTYPE)
    assert sum(p.numel() for p in U2NetPParser(len(card.classes)).parameters()) == card.parameters


def test_logits_are_the_recorded_ones_when_a_shirt_is_drawn(drawn_shirt: RgbImage) -> None:
    """The shipped weights give the mean logits recorded when they were found equal to the trained network's."""
    segmenter = Segmenter(load_card(PROTOTYPE), threads=1)
    logits = segmenter.forward(segmenter.preprocess([drawn_shirt]))
    recorded = [4.49641, -4.04884, -6.10766, 1.19346, -0.04883, -0.89062, 0.15817, -9.55629, -0.56464]
    torch.testing.assert_close(logits.mean(dim=(0, 2, 3)), torch.tensor(recorded), atol=2e-3, rtol=0)
    assert logits.std().item() == pytest.approx(4.85425, abs=2e-3)
