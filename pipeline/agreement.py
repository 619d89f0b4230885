"""Compares what two networks find in one photo: the labels of its pixels, its garments and their main colours."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.parts import Garment
from pipeline.types import Category, LabelMap


@dataclass(frozen=True, slots=True)
class GarmentAgreement:
    """de00: the difference of the main colours of each garment that both found, ΔE00; then what one alone found."""

    de00: tuple[float, ...]
    only_first: int
    only_second: int


def label_agreement(first: LabelMap, second: LabelMap) -> float:
    """The share of pixels with equal labels, 0 to 1, of two maps of one size. Raises ValueError for other sizes."""
    if first.shape != second.shape:
        raise ValueError(f"The label maps have the sizes {first.shape} and {second.shape}; one size is needed.")
    return float(np.mean(first == second))


def garment_agreement(first: Sequence[Garment], second: Sequence[Garment]) -> GarmentAgreement:
    """Pairs garments of one kind in their order, the largest with the largest, and compares the first colour of each.

    A pair of which one has no colours counts as found by both, without a difference.
    """
    others: dict[Category, list[Garment]] = defaultdict(list)
    for garment in second:
        others[garment.category].append(garment)
    pairs = [(one, others[one.category].pop(0)) for one in first if others[one.category]]
    differences = tuple(_main_de00(one, other) for one, other in pairs if one.colors and other.colors)
    return GarmentAgreement(differences, len(first) - len(pairs), len(second) - len(pairs))


def _main_de00(first: Garment, second: Garment) -> float:
    return float(delta_e_2000(np.array(first.colors[0].lab), np.array(second.colors[0].lab)))
