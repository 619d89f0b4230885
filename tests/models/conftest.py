"""A painted garment, and a tiny network in place of the real one."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.cards import DEFAULT_MODEL, ModelCard, load_card
from models.engines.torch import TorchSegmenter
from models.networks.table import ARCHITECTURES, Architecture
from pipeline.types import Mask, RgbImage

MakeCard = Callable[[dict[str, str]], ModelCard]


@pytest.fixture(scope="session")
def segmenter() -> TorchSegmenter:
    """The default network in torch, fp32, on one CPU thread."""
    return TorchSegmenter(load_card(DEFAULT_MODEL), threads=1)


@pytest.fixture(scope="session")
def shirt_mask() -> Mask:
    """A T-shirt's silhouette, (224, 224)."""
    y, x = np.mgrid[0:224, 0:224]
    aside = np.abs(x - 112)
    body = (aside < 48) & (y > 50) & (y < 190)
    sleeves = (aside < 85) & (y > 50) & (y < 100) & (y > 33 + 0.35 * aside)
    neck = aside**2 + (y - 48) ** 2 < 18**2
    return np.asarray((body | sleeves) & ~neck)


@pytest.fixture(scope="session")
def drawn_shirt(shirt_mask: Mask) -> RgbImage:
    """A blue T-shirt on a light ground, (224, 224, 3)."""
    return np.where(shirt_mask[..., None], [40, 70, 140], [226, 222, 214]).astype(np.uint8)


@pytest.fixture(scope="session")
def shirt(drawn_shirt: RgbImage) -> RgbImage:
    """The T-shirt with a camera's grain, (224, 224, 3): networks know photos, not drawings."""
    grain = np.random.default_rng(0).normal(0, 6, (224, 224, 1))
    return np.clip(np.rint(drawn_shirt + grain), 0, 255).astype(np.uint8)


def _tiny(classes: int) -> nn.Module:
    return nn.Conv2d(3, classes, 2, stride=2)


@pytest.fixture
def make_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeCard:
    """Makes the card of a one-convolution network whose output k is the brightness times k, so the last class wins."""

    def make(classes: dict[str, str]) -> ModelCard:
        monkeypatch.setitem(ARCHITECTURES, "tiny", Architecture(_tiny))
        rank = torch.arange(len(classes), dtype=torch.float32)
        weight = rank[:, None, None, None].expand(-1, 3, 2, 2).contiguous()
        path = tmp_path / "tiny.safetensors"
        save_file({"weight": weight, "bias": torch.zeros(len(classes))}, path)
        data = path.read_bytes()
        return replace(
            load_card(DEFAULT_MODEL),
            id="tiny",
            architecture="tiny",
            weights=str(path),
            bytes=len(data),
            sha256=sha256(data).hexdigest(),
            classes=classes,
            input_px=(32, 48),
            mean=(0.0, 0.0, 0.0),
        )

    return make
