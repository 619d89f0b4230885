"""The shipped clothes parser: an EfficientNet-Lite encoder under a small feature pyramid.

EfficientNet: Tan & Le, ICML 2019; its Lite variants (no squeeze-and-excitation, ReLU6) are Google's, Apache-2.0.
Feature pyramid: Lin et al., CVPR 2017. Shapes below are for an input of (B, 3, H, W), sides divisible by 32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# `F.conv2d`, or a function like it.
Convolve: TypeAlias = Callable[..., Tensor]
# Standard: the published EfficientNet-Lite encoder was trained with it.
NORM_EPS = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of blocks; the first one has the stride."""

    repeats: int
    kernel_px: int
    stride: int
    expansion: int
    channels: int


# Standard: EfficientNet-Lite0, as published.
LITE0 = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# Standard: EfficientNet-Lite2, as published: wider by 1.1 and deeper by 1.2, the first and the last stage as in Lite0.
LITE2 = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 48),
    Stage(4, 3, 2, 6, 88),
    Stage(4, 5, 1, 6, 120),
    Stage(5, 5, 2, 6, 208),
    Stage(1, 3, 1, 6, 352),
)
# The decoder reads the outputs of these stages: 1/2, 1/4, 1/8, 1/16 and 1/32 of the input.
TAPS = (0, 1, 2, 4, 6)


class ConvNorm(nn.Module):
    """Convolution, batch norm and an optional ReLU6, with the padding that TensorFlow calls "same".

    folded: the convolution's weights already contain the norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_px: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
        folded: bool = False,
    ) -> None:
        super().__init__()
        spare = kernel_px - stride if stride > 1 else 0
        self.pad = (spare // 2, spare - spare // 2) * 2
        even = 0 if stride > 1 else kernel_px // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_px, stride=stride, padding=even, groups=groups, bias=folded
        )
        self.norm = nn.Identity() if folded else nn.BatchNorm2d(out_channels, eps=NORM_EPS, momentum=0.01)
        self.relu = relu
        # Training on a CPU has faster ones (models.train.kernels).
        self.convolve: Convolve = F.conv2d
        self.activate: Callable[[Tensor], Tensor] = _relu6

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.pad) if any(self.pad) else x
        x = (
            self.norm(self._convolved(x))
            if isinstance(self.norm, nn.Identity) or self.norm.training
            else self._fixed(x)
        )
        return self.activate(x) if self.relu else x

    def _convolved(self, x: Tensor) -> Tensor:
        conv = self.conv
        return self.convolve(x, conv.weight, conv.bias, conv.stride, conv.padding, groups=conv.groups)

    def _fixed(self, x: Tensor) -> Tensor:
        """Convolution and norm in one when the norm's statistics are fixed: maps are written once, not twice."""
        norm, conv = self.norm.state_dict(keep_vars=True), self.conv
        gain, offset = norm_affine(norm["weight"], norm["bias"], norm["running_mean"], norm["running_var"])
        weight = conv.weight * gain[:, None, None, None]
        return self.convolve(x, weight, offset, conv.stride, conv.padding, groups=conv.groups)


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excitation: widen, filter each channel, narrow; with a shortcut where shapes allow."""

    def __init__(self, in_channels: int, stage: Stage, stride: int, *, folded: bool) -> None:
        super().__init__()
        wide = in_channels * stage.expansion
        self.expand = ConvNorm(in_channels, wide, folded=folded) if stage.expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, stage.kernel_px, stride=stride, groups=wide, folded=folded)
        self.project = ConvNorm(wide, stage.channels, relu=False, folded=folded)
        self.shortcut = stride == 1 and in_channels == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class EfficientNetLiteParser(nn.Module):
    """(B, 3, H, W) normalised RGB to logits (B, classes, H/2, W/2).

    encoder: the stages of a published variant. width: channels of the pyramid. even_scene: the vector for the whole
    photo is normalised before its weights. folded: the convolutions' weights contain the batch norms, as `fold` makes
    them.
    """

    def __init__(
        self,
        classes: int,
        *,
        encoder: tuple[Stage, ...] = LITE0,
        width: int = 64,
        fine: int = 24,
        even_scene: bool = False,
        folded: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.even_scene = even_scene
        # Fitted: python -m tests.bench.engines. bf16 up to here moves more labels than in all other layers together.
        self.exact_until = "stages.0"
        self.stem = ConvNorm(3, 32, 3, stride=2, folded=folded)
        self.stages = nn.ModuleList()
        channels = 32
        for stage in encoder:
            blocks = []
            for k in range(stage.repeats):
                blocks.append(InvertedResidual(channels, stage, stage.stride if k == 0 else 1, folded=folded))
                channels = stage.channels
            self.stages.append(nn.Sequential(*blocks))
        finest, *tapped = [encoder[k].channels for k in TAPS]
        self.lateral = nn.ModuleList([ConvNorm(c, width, relu=False, folded=folded) for c in tapped])
        self.scene = nn.Linear(tapped[-1], width)
        self.merge = nn.ModuleList([ConvNorm(width, width, 3, folded=folded) for _ in tapped])
        self.narrow = ConvNorm(width, fine, folded=folded)
        self.refine = ConvNorm(fine + finest, fine, 3, folded=folded)
        self.classify = nn.Conv2d(fine, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        finest, *maps = self.features(x)
        # One vector for the whole photo, added everywhere: it says what kind of photo this is.
        pooled = maps[-1].mean(dim=(2, 3))
        if self.even_scene:
            pooled = F.layer_norm(pooled, pooled.shape[1:])
        scene = self.scene(pooled)[:, :, None, None]
        total = self.merge[-1](F.relu6(self.lateral[-1](maps[-1]) + scene))
        for level in (2, 1, 0):
            total = self.merge[level](F.relu6(self.lateral[level](maps[level]) + _doubled(total)))
        fine = torch.cat((_doubled(self.narrow(total)), finest), dim=1)
        logits: Tensor = self.classify(self.refine(fine))
        return logits

    def features(self, x: Tensor) -> list[Tensor]:
        """Five maps, from (B, 16, H/2, W/2) down to (B, channels, H/32, W/32)."""
        h = self.stem(x)
        maps = []
        for k, stage in enumerate(self.stages):
            h = stage(h)
            if k in TAPS:
                maps.append(h)
        return maps


def lite2_parser(classes: int, *, folded: bool = True) -> EfficientNetLiteParser:
    """The parser with the larger encoder: 4.6 million parameters.

    Its last stage's values are four times those of Lite0. Without the normalisation, a step of training moved the
    scene so far that ReLU6 was saturated everywhere, and the last two stages got no gradient.
    """
    return EfficientNetLiteParser(classes, encoder=LITE2, width=80, even_scene=True, folded=folded)


def _relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def norm_affine(weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """A batch norm with fixed statistics as a gain and an offset for each channel, (C,) each."""
    gain = weight / (variance + NORM_EPS).sqrt()
    return gain, bias - mean * gain


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Converts the weights of a network with `folded=False` to those of one with `folded=True`."""
    folded = {}
    for name, value in weights.items():
        prefix = name.rpartition(".")[0]
        owner, _, part = prefix.rpartition(".")
        if part == "norm":
            continue
        if part != "conv" or f"{owner}.norm.weight" not in weights:
            folded[name] = value
            continue
        gain, offset = norm_affine(
            *(weights[f"{owner}.norm.{key}"] for key in ("weight", "bias", "running_mean", "running_var"))
        )
        folded[name] = value * gain[:, None, None, None]
        folded[f"{prefix}.bias"] = offset
    return folded


def encoder_weights(published: Mapping[str, Tensor], encoder: tuple[Stage, ...] = LITE0) -> dict[str, Tensor]:
    """The encoder's weights from a published EfficientNet-Lite classifier (names of `efficientnet_lite_pytorch`)."""
    starts = [sum(stage.repeats for stage in encoder[:k]) for k in range(len(encoder) + 1)]
    parts = {
        "_expand_conv": "expand.conv",
        "_bn0": "expand.norm",
        "_depthwise_conv": "depthwise.conv",
        "_bn1": "depthwise.norm",
        "_project_conv": "project.conv",
        "_bn2": "project.norm",
    }
    found = {}
    for name, value in published.items():
        head, *rest = name.split(".")
        if head in ("_conv_stem", "_bn0"):
            found[f"stem.{'conv' if head == '_conv_stem' else 'norm'}.{rest[0]}"] = value
        elif head == "_blocks":
            block = int(rest[0])
            stage = max(k for k, start in enumerate(starts) if start <= block)
            found[f"stages.{stage}.{block - starts[stage]}.{parts[rest[1]]}.{rest[2]}"] = value
    return found
