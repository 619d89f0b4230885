"""Mixes pixels of nearly plain garments from annotated photos in known shares, so that the palette is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.types import Floats
from tests.bench.annotated import garments
from tests.bench.colour_metrics import Palette

LEAST_PX = 2500
# Taste: a cloth is plain when at least this share of it lies within this ΔE00 of its median.
PLAIN = ((12.0, 0.85), (25.0, 0.995))
MIXED_PX = 40_000
APART_DE00 = 15.0


@dataclass(frozen=True, slots=True)
class Cloth:
    """The pixels of one nearly plain garment, (n, 3), and its median colour, (3,) 0..255."""

    pixels: NDArray[np.uint8]
    rgb: Floats


def plain_cloths(folder: Path) -> list[Cloth]:
    """Every nearly plain garment of a folder, in the order of file names."""
    return [
        Cloth(pixels, middle)
        for _, _, pixels in garments(folder, least_px=LEAST_PX)
        if _is_plain(pixels, middle := np.median(pixels, axis=0))
    ]


def _is_plain(pixels: NDArray[np.uint8], middle: Floats) -> bool:
    difference = delta_e_2000(srgb_to_lab_d65(pixels[::5] / 255), srgb_to_lab_d65(middle / 255))
    return all((difference < de00).mean() >= share for de00, share in PLAIN)


def mix(cloths: list[Cloth], seed: int) -> tuple[NDArray[np.uint8], Palette]:
    """One to four cloths in uneven shares, the least from 2 % on; pixels (40000, 3) and the true palette."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 5))
    chosen: list[Cloth] = []
    for k in random.permutation(len(cloths)):
        lab = [srgb_to_lab_d65(cloth.rgb / 255) for cloth in chosen]
        if all(delta_e_2000(one, srgb_to_lab_d65(cloths[k].rgb / 255)) >= APART_DE00 for one in lab):
            chosen.append(cloths[k])
        if len(chosen) == count:
            break
    share = np.maximum(random.dirichlet(np.full(len(chosen), 1.5)), 0.02)
    share = share / share.sum()
    parts = [cloth.pixels[random.integers(0, len(cloth.pixels), round(s * MIXED_PX))]
             for cloth, s in zip(chosen, share, strict=True)]  # fmt: skip
    return np.concatenate(parts), Palette(np.stack([cloth.rgb for cloth in chosen]), share)
