"""Names colours: the nearest name in each vocabulary, and how far it is."""

from functools import cache

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.color.vocabulary import Vocabulary, vocabulary
from pipeline.parts import ColorNames, NameMatch
from pipeline.types import Floats


def name_colors(lab: Floats) -> list[ColorNames]:
    """The nearest name in each vocabulary by CIEDE2000. lab: (n, 3), D65. Among equals the table's first name wins."""
    tables, points = _tables()
    distance = delta_e_2000(lab[:, None], points)
    matches, start = list[list[NameMatch]](), 0
    for words in tables:
        matches.append(_nearest(distance[:, start : start + len(words.names)], words))
        start += len(words.names)
    return [ColorNames(basic, iscc_nbs, fashion) for basic, iscc_nbs, fashion in zip(*matches, strict=True)]


def _nearest(distance: Floats, words: Vocabulary) -> list[NameMatch]:
    best = np.argmin(distance, axis=1)
    return [NameMatch(words.names[k], round(float(distance[i, k]), 1)) for i, k in enumerate(best)]


@cache
def _tables() -> tuple[tuple[Vocabulary, ...], Floats]:
    """The vocabularies, and the Lab of all their names in one array, so that one call measures all differences."""
    tables = vocabulary("basic"), vocabulary("iscc_nbs"), vocabulary("fashion")
    return tables, np.concatenate([words.lab for words in tables])
