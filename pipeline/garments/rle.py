"""Encodes and decodes masks in COCO's compressed run-length encoding, as pycocotools writes it."""

import numpy as np

from pipeline.parts import RleMask
from pipeline.types import Mask


def encode_rle(mask: Mask) -> RleMask:
    """A mask (H, W) as run lengths, column by column.

    From the fourth run on, a run is stored as its difference to the run two before it. A character holds 5 bits.
    """
    height_px, width_px = mask.shape
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    if flat[0]:
        runs.insert(0, 0)
    return RleMask((height_px, width_px), "".join(_characters(runs)), "coco_rle")


def decode_rle(rle: RleMask) -> Mask:
    """The mask (H, W) of an encoded mask."""
    runs: list[int] = []
    position = 0
    while position < len(rle.counts):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(rle.counts[position]) - 48
            value |= (bits & 0x1F) << shift
            more = bool(bits & 0x20)
            position, shift = position + 1, shift + 5
            if not more and bits & 0x10:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(rle.size, order="F")


def _characters(runs: list[int]) -> list[str]:
    characters = []
    for k, run in enumerate(runs):
        value = run - runs[k - 2] if k > 2 else run
        while True:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            characters.append(chr((bits | 0x20 if more else bits) + 48))
            if not more:
                break
    return characters
