"""Colours to their nearest names, with the distance; numpy only."""

import numpy as np

from pipeline.color import delta_e_2000
from pipeline.types import ColorNames, Floats, NameMatch
from pipeline.vocabulary import VocabularyName, vocabulary


def name_colors(lab: Floats) -> list[ColorNames]:
    """The nearest name in each vocabulary by CIEDE2000, the first in the table among equals. lab: (n, 3), D65."""
    matched = [_nearest(lab, name) for name in ("basic", "iscc_nbs", "fashion")]
    return [ColorNames(basic, iscc_nbs, fashion) for basic, iscc_nbs, fashion in zip(*matched, strict=True)]


def _nearest(lab: Floats, name: VocabularyName) -> list[NameMatch]:
    words = vocabulary(name)
    distance = delta_e_2000(lab[:, None, :], words.lab[None, :, :])
    best = np.argmin(distance, axis=1)
    return [NameMatch(words.names[k], round(float(distance[i, k]), 1)) for i, k in enumerate(best)]
