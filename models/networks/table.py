"""The table of architectures: how each network is built, and how its published weights get into it.

Importing this module loads torch. It imports the packages that only some architectures need when one is built.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from models.cards import ModelError
from models.networks import u2net
from models.networks.efficientnet import EfficientNetLiteParser, lite2_parser

Weights = Mapping[str, Tensor]
# Standard: SegFormer-B2 (Xie et al., NeurIPS 2021, table 6).
SEGFORMER_B2 = {
    "hidden_sizes": [64, 128, 320, 512],
    "depths": [3, 4, 6, 3],
    "num_attention_heads": [1, 2, 5, 8],
    "decoder_hidden_size": 768,
}


def _fill(network: nn.Module, weights: Weights) -> None:
    network.load_state_dict(weights)


@dataclass(frozen=True, slots=True)
class Architecture:
    """build: makes the network for a number of classes. fill: puts weights, under their published names, into it."""

    build: Callable[[int], nn.Module]
    fill: Callable[[Any, Weights], object] = _fill


class Wrapped(nn.Module):
    """Another package's network, whose answer contains the logits."""

    def __init__(self, net: nn.Module, logits_of: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.net = net
        self._logits_of = logits_of

    def forward(self, x: Tensor) -> Tensor:
        return self._logits_of(self.net(x))


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


def _fill_torchvision(network: Wrapped, weights: Weights) -> None:
    # The auxiliary classifier serves training alone.
    kept = {name: value for name, value in weights.items() if not name.startswith("aux_classifier.")}
    network.net.load_state_dict(kept)


def _fill_segformer(network: Wrapped, weights: Weights) -> None:
    """Uses transformers' own loading, without a download: it knows the names from before the latest renaming."""
    net: Any = network.net
    network.net, report = type(net).from_pretrained(
        None, config=net.config, state_dict=dict(weights), output_loading_info=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[what]:
            raise RuntimeError(f"{what}: {sorted(map(str, report[what]))[0]}")


# The first two are ours; cards name an architecture by its key.
ARCHITECTURES: dict[str, Architecture] = {
    "efficientnet_lite0_parser": Architecture(EfficientNetLiteParser),
    "efficientnet_lite2_parser": Architecture(lite2_parser),
    "u2netp": Architecture(u2net.small, _fill_u2net),
    "u2net": Architecture(u2net.large, _fill_u2net),
    "lraspp_mobilenet_v3_large": Architecture(_torchvision("lraspp_mobilenet_v3_large"), _fill_torchvision),
    "deeplabv3_resnet50": Architecture(_torchvision("deeplabv3_resnet50"), _fill_torchvision),
    "segformer_b2": Architecture(_segformer_b2, _fill_segformer),
}
