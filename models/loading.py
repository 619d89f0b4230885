"""A card's network with its weights: ours, and those of others by their published names; imports torch.

Packages that only some cards need are imported when such a card is loaded.
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.cards import ModelCard, ModelError, verify
from models.networks import u2net
from models.networks.u2net_parser import ARCHITECTURES

Weights = Mapping[str, Tensor]
SEGFORMER_B2 = {  # SegFormer: Xie et al., NeurIPS 2021, table 6
    "hidden_sizes": [64, 128, 320, 512],
    "depths": [3, 4, 6, 3],
    "num_attention_heads": [1, 2, 5, 8],
    "decoder_hidden_size": 768,
}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A network of others. build: from the count of classes. fill: puts published weights, by their names, into it."""

    build: Callable[[int], nn.Module]
    fill: Callable[[Any, Weights], object]


class Wrapped(nn.Module):
    """Another package's network, whose answer holds the logits."""

    def __init__(self, net: nn.Module, logits_of: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.net = net
        self._logits_of = logits_of

    def forward(self, x: Tensor) -> Tensor:
        return self._logits_of(self.net(x))


def load_network(card: ModelCard) -> nn.Module:
    """The network of a card, its verified weights in place, for inference. Raises ModelError saying what is wrong."""
    path = verify(card)
    foreign = FOREIGN.get(card.architecture)
    build = foreign.build if foreign else ARCHITECTURES.get(card.architecture)
    if build is None:
        known = ", ".join(sorted([*ARCHITECTURES, *FOREIGN]))
        raise ModelError(f"'{card.id}' has the architecture '{card.architecture}'; known are: {known}.")
    weights = _read(path, card)
    network = build(len(card.classes))
    try:
        foreign.fill(network, weights) if foreign else network.load_state_dict(weights)
    except (RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[:2]
        raise ModelError(f"The weights of '{card.id}' do not fit '{card.architecture}': {' '.join(first)}") from error
    return network.eval()


def _read(path: Path, card: ModelCard) -> Weights:
    """The tensors of a file; nothing in it is run."""
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


# --- the networks of others -----------------------------------------------------------------------------------
def _torchvision(name: str) -> Callable[[int], nn.Module]:
    def build(classes: int) -> nn.Module:
        models = import_module("torchvision.models.segmentation")
        net = getattr(models, name)(weights=None, weights_backbone=None, num_classes=classes)
        return Wrapped(net, lambda answer: answer["out"])

    return build


def _segformer_b2(classes: int) -> nn.Module:
    try:
        transformers = import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "SegFormer needs the package 'transformers': pip install 'stylesync-colormatch[segformer]'."
        ) from error
    config = transformers.SegformerConfig(num_labels=classes, **SEGFORMER_B2)
    return Wrapped(transformers.SegformerForSemanticSegmentation(config), lambda answer: answer.logits)


def _fill_u2net(network: nn.Module, weights: Weights) -> None:
    network.load_state_dict(u2net.from_published(weights))


def _fill_torchvisions(network: Wrapped, weights: Weights) -> None:
    kept = {name: value for name, value in weights.items() if not name.startswith("aux_classifier.")}  # for training
    network.net.load_state_dict(kept)


def _fill_segformer(network: Wrapped, weights: Weights) -> None:
    """Through transformers' own loading, without a download: its names changed since the weights were published."""
    net: Any = network.net
    network.net, report = type(net).from_pretrained(
        None, config=net.config, state_dict=dict(weights), output_loading_info=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[what]:
            raise RuntimeError(f"{what}: {sorted(map(str, report[what]))[0]}")


FOREIGN = {
    "u2netp": Foreign(u2net.small, _fill_u2net),
    "u2net": Foreign(u2net.large, _fill_u2net),
    "lraspp_mobilenet_v3_large": Foreign(_torchvision("lraspp_mobilenet_v3_large"), _fill_torchvisions),
    "deeplabv3_resnet50": Foreign(_torchvision("deeplabv3_resnet50"), _fill_torchvisions),
    "segformer_b2": Foreign(_segformer_b2, _fill_segformer),
}
