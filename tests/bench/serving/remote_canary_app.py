"""The application of serve/app.py with a second network that takes its time and hardly any CPU, as on another machine.

For `make prove-shadow` only.
"""

import asyncio
from typing import Any

import numpy as np
from ray.serve import Application

from pipeline import analysis, codec
from pipeline.options import ColorShare, Options
from pipeline.types import Segmentation
from serve import app, deployments, wire
from serve.settings import Settings

# About what the shipped network and extraction take alone.
SEGMENTATION_S, EXTRACTION_S = 0.03, 0.02
VERSION = "remote:1:fp32:none"
EXTRACTED = codec.encode(analysis.colors_extraction((ColorShare("#1f2a44"),), Options()))


class SegmentationCanary:
    """The second network without a network: it waits, and finds one garment everywhere."""

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Takes in the user_config."""

    async def run(self, payload: bytes) -> bytes:
        """A label map of one garment."""
        asked = codec.decode(payload, wire.SegmentRequest)
        await asyncio.sleep(SEGMENTATION_S)
        # 3 is a top, the first kind of garment.
        return codec.encode(Segmentation(np.full((asked.height_px, asked.width_px), 3, np.uint8), None, VERSION))

    async def extract(self, payload: bytes) -> bytes:
        """The colours of one garment, always the same."""
        await asyncio.sleep(EXTRACTION_S)
        return EXTRACTED

    async def describe(self) -> bytes:
        """A Description in wire form, with the shipped network's input."""
        return codec.encode(wire.Description("segmentation", VERSION, (288, 384)))


def build(args: Settings) -> Application:
    """Builds the graph, in the place of `serve.app:build`."""
    return app.graph(
        args,
        segmentation=deployments.Segmentation,
        extraction=deployments.Extraction,
        harmony=deployments.Harmony,
        canary=SegmentationCanary,
    )
