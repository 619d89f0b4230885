"""The earlier prototype: U²-Net-p's encoder and decoder under a small parsing head.

The shipped clothes parser is in efficientnet.py. This one is kept because evaluations compare with it.

U²-Net: Qin, Zhang, Huang, Dehghan, Zaiane & Jagersand, Pattern Recognition 106 (2020). Batch norms are folded into
the convolutions. Shapes below are for an input of (B, 3, H, W).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class U2NetPParser(nn.Module):
    """U²-Net-p's six decoder maps, each reduced by a 1×1 convolution, summed at half resolution, and classified."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(
            [
                ResidualU(7, 3, 16, 64),
                ResidualU(6, 64, 16, 64),
                ResidualU(5, 64, 16, 64),
                ResidualU(4, 64, 16, 64),
                DilatedResidualU(64, 16, 64),
                DilatedResidualU(64, 16, 64),
            ]
        )
        self.decoder = nn.ModuleList(
            [
                DilatedResidualU(128, 16, 64),
                ResidualU(4, 128, 16, 64),
                ResidualU(5, 128, 16, 64),
                ResidualU(6, 128, 16, 64),
                ResidualU(7, 128, 16, 64),
            ]
        )
        self.lateral = nn.ModuleList([nn.Conv2d(64, 48, 1) for _ in range(6)])
        self.mix = nn.Conv2d(48, 64, 3, padding=1)
        self.classify = nn.Conv2d(64, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised RGB to logits (B, classes, H/2, W/2)."""
        maps = self._decoder_maps(x)
        # A 1×1 convolution and an average commute, and pooling first costs a quarter.
        total = self.lateral[0](F.avg_pool2d(maps[0], 2))  # (B, 48, H/2, W/2)
        for reduce, features in zip(self.lateral[1:], maps[1:], strict=True):
            total = total + _resize_like(reduce(features), total)
        logits: Tensor = self.classify(F.relu(self.mix(F.relu(total))))
        return logits

    def _decoder_maps(self, x: Tensor) -> list[Tensor]:
        """Six maps of 64 channels, from H×W down to H/32×W/32."""
        skips: list[Tensor] = []
        h = x
        for level, stage in enumerate(self.encoder):
            h = stage(_halve(h) if level else h)
            skips.append(h)
        maps = [skips.pop()]
        for stage in self.decoder:
            skip = skips.pop()
            maps.append(stage(torch.cat((_resize_like(maps[-1], skip), skip), dim=1)))
        return maps[::-1]


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, stride=2, ceil_mode=True)


def _resize_like(x: Tensor, reference: Tensor) -> Tensor:
    if x.shape[2:] == reference.shape[2:]:
        return x
    return F.interpolate(x, size=reference.shape[2:], mode="bilinear", align_corners=False)
