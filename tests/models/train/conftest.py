"""A tiny recipe, tiny material and a random encoder, for the tests of training."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from models.networks.efficientnet import EfficientNetLiteParser
from models.train.data import Material, Sample
from models.train.recipe import Recipe, read_recipe
from models.train.steps import Data
from tests.models.networks.test_efficientnet import published_like

RECIPE = Path("configs/parser.toml")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Several threads would wait for each other longer than such small steps take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The shipped recipe with a smaller network, for two tiny photos and four steps; the size changes in between."""
    return msgspec.structs.replace(
        read_recipe(RECIPE),
        architecture="efficientnet_lite0_parser",
        side_px=64,
        early_side_px=32,
        early_steps=1,
        decoder_steps=1,
        batch=2,
        steps=4,
        warm_up_steps=1,
        cool_down_steps=1,
        validate_every=2,
        save_every=2,
    )


@pytest.fixture(scope="module")
def data() -> Data:
    """Two people in red tops and blue trousers, and a dress without anybody."""
    labels = np.zeros((96, 64), np.uint8)
    labels[10:50, 16:48] = 3
    labels[50:90, 20:44] = 5
    table = np.zeros((256, 3), np.uint8) + 220
    table[3], table[5], table[6] = (200, 30, 30), (30, 40, 160), (90, 20, 90)
    dress = np.where(labels > 0, np.uint8(6), np.uint8(0))
    people = [Sample(table[labels], labels), Sample(table[labels[:, ::-1]], labels[:, ::-1])]
    samples = [*people, Sample(table[dress], dress, "product", 6)]
    return Data(Material(samples, {"annotated": 0.6, "product": 0.4}, {"full_body": 1.0}, 1.0), samples)


@pytest.fixture(scope="module")
def encoder() -> dict[str, Tensor]:
    """An encoder with the published names and random values."""
    torch.manual_seed(1)
    return published_like(EfficientNetLiteParser(9, folded=False))
