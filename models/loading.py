"""Builds the network of a model card and loads its verified weights."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.cards import ModelCard, ModelError, verify
from models.networks.table import ARCHITECTURES, Weights


def load_network(card: ModelCard) -> nn.Module:
    """The network of a card with its verified weights, ready for inference. Raises ModelError saying what is wrong."""
    path = verify(card)
    architecture = ARCHITECTURES.get(card.architecture)
    if architecture is None:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ModelError(f"'{card.id}' has the architecture '{card.architecture}'; known are: {known}.")
    weights = _read(path, card)
    network = architecture.build(len(card.classes))
    try:
        architecture.fill(network, weights)
    except (RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[:2]
        raise ModelError(f"The weights of '{card.id}' do not fit '{card.architecture}': {' '.join(first)}") from error
    return network.eval()


def _read(path: Path, card: ModelCard) -> Weights:
    """The tensors of a file. Nothing in the file is executed."""
    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(f"The weights of '{card.id}' cannot be read: {path.name} is no file of tensors.") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"The weights of '{card.id}' cannot be read: {path.name} holds more than tensors by name.")
    return found
