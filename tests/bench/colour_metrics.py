"""How near a found palette is to the true one; numpy only."""

from dataclasses import dataclass

import numpy as np

from pipeline.color import delta_e_2000, srgb_to_lab_d65
from pipeline.types import Floats

FOUND_DE00 = 10.0  # a colour further from all of the other palette was missed, or is false


@dataclass(frozen=True, slots=True)
class Palette:
    """rgb: (k, 3), 0..255; share: (k,), sum 1."""

    rgb: Floats
    share: Floats


@dataclass(frozen=True, slots=True)
class Score:
    """error: share-weighted symmetric mean ΔE00 to the nearest colour. missed, false: numbers of colours."""

    error: float
    missed: int
    false: int
    count_right: bool


def compare(found: Palette, truth: Palette) -> Score:
    """A found palette against the true one; neither may be empty."""
    distance = distances(found, truth)
    forth, back = distance.min(axis=1), distance.min(axis=0)
    error = (np.average(forth, weights=found.share) + np.average(back, weights=truth.share)) / 2
    return Score(
        error=float(error),
        missed=int((back > FOUND_DE00).sum()),
        false=int((forth > FOUND_DE00).sum()),
        count_right=len(found.rgb) == len(truth.rgb),
    )


def distances(found: Palette, truth: Palette) -> Floats:
    """ΔE00 of every found colour to every true one, (k, m)."""
    one, two = srgb_to_lab_d65(found.rgb / 255), srgb_to_lab_d65(truth.rgb / 255)
    return delta_e_2000(one[:, None], two[None])
