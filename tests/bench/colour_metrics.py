"""Scores how near a found palette is to the true one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.types import Floats

# Taste: a colour further than this from every colour of the other palette was missed, or is false.
FOUND_DE00 = 10.0


@dataclass(frozen=True, slots=True)
class Palette:
    """rgb: (k, 3), 0..255; share: (k,), sum 1."""

    rgb: Floats
    share: Floats


@dataclass(frozen=True, slots=True)
class Score:
    """error: the symmetric mean ΔE00 to the nearest colour, weighted by share. The others are numbers of colours."""

    error: float
    missed: int
    false: int
    told: int
    true: int

    @property
    def count_right(self) -> bool:
        """Whether the palette has the true number of colours."""
        return self.told == self.true


def compare(found: Palette, truth: Palette) -> Score:
    """Compares a found palette with the true one. Neither may be empty."""
    distance = distances(found, truth)
    forth, back = distance.min(axis=1), distance.min(axis=0)
    error = (np.average(forth, weights=found.share) + np.average(back, weights=truth.share)) / 2
    return Score(
        error=float(error),
        missed=int((back > FOUND_DE00).sum()),
        false=int((forth > FOUND_DE00).sum()),
        told=len(found.rgb),
        true=len(truth.rgb),
    )


def f1(scores: Sequence[Score]) -> float:
    """Missed and false colours as one figure, 0..1: the harmonic mean of recall and precision."""
    recall = 1 - sum(one.missed for one in scores) / sum(one.true for one in scores)
    precision = 1 - sum(one.false for one in scores) / sum(one.told for one in scores)
    return 2 * precision * recall / max(1e-9, precision + recall)


def distances(found: Palette, truth: Palette) -> Floats:
    """ΔE00 of every found colour to every true one, (k, m)."""
    one, two = srgb_to_lab_d65(found.rgb / 255), srgb_to_lab_d65(truth.rgb / 255)
    return delta_e_2000(one[:, None], two[None])
