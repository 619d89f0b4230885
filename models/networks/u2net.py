"""U²-Net and U²-Net-p as published, for salient objects or for clothes.

Qin, Zhang, Huang, Dehghan, Zaiane & Jagersand, Pattern Recognition 106 (2020). Reading
published weights folds the batch norms into the convolutions.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Standard: PyTorch's default, with which the networks were published.
NORM_EPS = 1e-5
# The in, middle and out channels of the stages, down and up again.
Widths = tuple[tuple[int, int, int], ...]
# Standard: the published depths, equal for both networks. None: a dilated stage at one resolution.
DEPTHS = (7, 6, 5, 4, None, None, None, 4, 5, 6, 7)
# Standard: the published widths.
SMALL: Widths = ((3, 16, 64), *((64, 16, 64),) * 5, *((128, 16, 64),) * 5)
LARGE: Widths = (
    (3, 32, 64),
    (64, 32, 128),
    (128, 64, 256),
    (256, 128, 512),
    (512, 256, 512),
    (512, 256, 512),
    (1024, 256, 512),
    (1024, 128, 256),
    (512, 64, 128),
    (256, 32, 64),
    (128, 16, 64),
)


class ConvRelu(nn.Module):
    """3×3 convolution and ReLU, which keep the size."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class ResidualU(nn.Module):
    """RSU-L: a small U-Net of `depth` levels around a residual connection; (B, in, h, w) to (B, out, h, w)."""

    def __init__(self, depth: int, in_channels: int, mid_channels: int, out_channels: int) -> None:
        super().__init__()
        levels = range(depth - 1)
        self.entry = ConvRelu(in_channels, out_channels)
        self.down = nn.ModuleList([ConvRelu(mid_channels if k else out_channels, mid_channels) for k in levels])
        self.bottom = ConvRelu(mid_channels, mid_channels, dilation=2)
        self.up = nn.ModuleList(
            [ConvRelu(2 * mid_channels, mid_channels if k < depth - 2 else out_channels) for k in levels]
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.entry(x)
        h: Tensor = residual
        skips: list[Tensor] = []
        for level, conv in enumerate(self.down):
            h = conv(_halve(h) if level else h)  # (B, mid, h/2^level, w/2^level)
            skips.append(h)
        h = self.bottom(h)
        for conv in self.up:
            skip = skips.pop()
            h = conv(torch.cat((_resize_like(h, skip), skip), dim=1))
        return residual + h


class DilatedResidualU(nn.Module):
    """RSU-4F: a ResidualU at one resolution, with dilations instead of pooling."""

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int) -> None:
        super().__init__()
        self.entry = ConvRelu(in_channels, out_channels)
        self.down = nn.ModuleList(
            [ConvRelu(mid_channels if k else out_channels, mid_channels, dilation=2**k) for k in range(3)]
        )
        self.bottom = ConvRelu(mid_channels, mid_channels, dilation=8)
        self.up = nn.ModuleList(
            [ConvRelu(2 * mid_channels, mid_channels if k else out_channels, dilation=2**k) for k in (2, 1, 0)]
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.entry(x)
        h: Tensor = residual
        skips: list[Tensor] = []
        for conv in self.down:
            h = conv(h)
            skips.append(h)
        h = self.bottom(h)
        for conv in self.up:
            h = conv(torch.cat((h, skips.pop()), dim=1))
        return residual + h


class U2Net(nn.Module):
    """(B, 3, H, W) normalised RGB to logits (B, classes, H, W).

    With two classes there is one output, a pixel's salience. The background's logit is then 0, so that the softmax of
    both is the published sigmoid.
    """

    def __init__(self, classes: int, widths: Widths) -> None:
        super().__init__()
        stages = [
            DilatedResidualU(*width) if depth is None else ResidualU(depth, *width)
            for depth, width in zip(DEPTHS, widths, strict=True)
        ]
        self.encoder, self.decoder = nn.ModuleList(stages[:6]), nn.ModuleList(stages[6:])
        outputs = 1 if classes == 2 else classes
        finest_first = [widths[k][2] for k in (10, 9, 8, 7, 6, 5)]
        self.side = nn.ModuleList([nn.Conv2d(channels, outputs, 3, padding=1) for channels in finest_first])
        self.fuse = nn.Conv2d(6 * outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        h = x
        for level, stage in enumerate(self.encoder):
            h = stage(F.max_pool2d(h, 2, stride=2, ceil_mode=True) if level else h)
            skips.append(h)
        maps = [skips.pop()]
        for stage in self.decoder:
            skip = skips.pop()
            maps.append(stage(torch.cat((_resize_like(maps[-1], skip), skip), dim=1)))
        sides = [side(features) for side, features in zip(self.side, maps[::-1], strict=True)]
        logits: Tensor = self.fuse(torch.cat([_resize_like(side, sides[0]) for side in sides], dim=1))
        return torch.cat((torch.zeros_like(logits), logits), dim=1) if logits.shape[1] == 1 else logits


def small(classes: int) -> nn.Module:
    """U²-Net-p."""
    return U2Net(classes, SMALL)


def large(classes: int) -> nn.Module:
    """U²-Net."""
    return U2Net(classes, LARGE)


def from_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames the weights of a published checkpoint to ours and folds its batch norms in. Raises KeyError."""
    plain = {name.removeprefix("module."): value for name, value in weights.items()}
    found = {}
    for name in plain:
        prefix, _, leaf = name.rpartition(".")
        if leaf not in ("weight", "bias") or prefix.endswith(".bn_s1"):
            continue
        value = plain[name]
        if prefix.endswith(".conv_s1"):
            norm = prefix.removesuffix("conv_s1") + "bn_s1"
            gain = plain[f"{norm}.weight"] / (plain[f"{norm}.running_var"] + NORM_EPS).sqrt()
            shift = plain[f"{norm}.bias"] - plain[f"{norm}.running_mean"] * gain
            value = value * gain[:, None, None, None] if leaf == "weight" else value * gain + shift
        found[f"{_ours(prefix)}.{leaf}"] = value
    return found


def _ours(name: str) -> str:
    """Our name of a published one: `stage5d.rebnconv3d.conv_s1` becomes `decoder.0.up.0.conv`."""
    if name == "outconv":
        return "fuse"
    if side := re.fullmatch(r"side(\d)", name):
        return f"side.{int(side[1]) - 1}"
    parts = re.fullmatch(r"stage(\d)(d?)\.rebnconv(in|\d)(d?)\.conv_s1", name)
    if parts is None:
        raise KeyError(name)
    number, upwards, conv, conv_upwards = parts.groups()
    stage = 11 - int(number) if upwards else int(number) - 1
    depth = DEPTHS[stage] or 4
    owner = f"decoder.{stage - 6}" if upwards else f"encoder.{stage}"
    if conv == "in":
        return f"{owner}.entry.conv"
    if conv_upwards:
        return f"{owner}.up.{depth - 1 - int(conv)}.conv"
    return f"{owner}.bottom.conv" if int(conv) == depth else f"{owner}.down.{int(conv) - 1}.conv"


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


def _resize_like(x: Tensor, reference: Tensor) -> Tensor:
    if x.shape[2:] == reference.shape[2:]:
        return x
    return F.interpolate(x, size=reference.shape[2:], mode="bilinear", align_corners=False)
