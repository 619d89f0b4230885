"""Names colours in three vocabularies that never contradict each other.

The basic name comes first. Anchors divide the colour space into the regions of the twelve basic names: the points of
`basic.csv`, the fashion vocabulary by its groups, and the centroids of ISCC-NBS by their head nouns. The other two
vocabularies then offer only names that `compatible.csv` allows for that basic name.
"""

import csv
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.color.difference import delta_e_2000, delta_e_ok
from pipeline.color.spaces import srgb_to_lab_d65, srgb_to_oklab
from pipeline.color.vocabulary import VOCABULARIES_DIR, Vocabulary, vocabulary
from pipeline.parts import ColorNames, NameMatch
from pipeline.types import Floats

Finer: TypeAlias = Literal["iscc_nbs", "fashion"]
Rows: TypeAlias = NDArray[np.intp]

# Taste: a colour with less CIE Lab chroma is white, grey or black, and nothing else.
ACHROMATIC_LAB_CHROMA = 4.0
# Taste: an achromatic colour is black below the first CIE Lab lightness, and white from the second on.
BLACK_L, WHITE_L = 15.5, 88.5
# Taste: one unit of OKLab, with a and b doubled, in ΔE00. CIEDE2000 is made for small differences: far from a colour,
# its rotation of blues brings a dark grey as near to pure blue as a vivid blue. So the larger of both distances counts.
OKLAB_UNIT_DE00 = 100.0
_STRETCH = np.array([1.0, 2.0, 2.0])


@dataclass(frozen=True, slots=True)
class _Anchors:
    """The n named points of the three vocabularies in one list.

    names, basics: of each point. lab, oklab (stretched): (n, 3). of_basic: the indices of the points in each basic
    name's region. words: the indices of the names of each finer vocabulary that go with a basic name.
    """

    names: tuple[str, ...]
    basics: NDArray[np.str_]
    lab: Floats
    oklab: Floats
    of_basic: dict[str, Rows]
    words: dict[Finer, dict[str, Rows]]


def name_colors(rgb: Floats) -> list[ColorNames]:
    """The basic, ISCC-NBS and fashion names of sRGB colours (n, 3), 0 to 1, each with its ΔE00.

    The ΔE00 of a basic name is that to the nearest anchor of its region. Among equals the first name of a table wins.
    """
    anchors, lab = _anchors(), srgb_to_lab_d65(rgb)
    difference = delta_e_2000(lab[:, None], anchors.lab)
    distance = np.maximum(difference, _oklab_distance(_stretched(rgb), anchors.oklab))
    return [
        ColorNames(
            NameMatch(basic, round(float(difference[k, anchors.of_basic[basic]].min()), 1)),
            _nearest(anchors.words["iscc_nbs"][basic], distance[k], difference[k]),
            _nearest(anchors.words["fashion"][basic], distance[k], difference[k]),
        )
        for k, basic in enumerate(_basics(lab, distance))
    ]


def _basics(lab: Floats, distance: Floats) -> list[str]:
    """The basic names of colours (n, 3), from their distances to all anchors, (n, anchors)."""
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    achromatic = np.where(lightness < BLACK_L, "black", np.where(lightness < WHITE_L, "grey", "white"))
    nearest = _anchors().basics[np.argmin(distance, axis=1)]
    return [str(name) for name in np.where(chroma < ACHROMATIC_LAB_CHROMA, achromatic, nearest)]


def _nearest(rows: Rows, distance: Floats, difference: Floats) -> NameMatch:
    best = rows[np.argmin(distance[rows])]
    return NameMatch(_anchors().names[best], round(float(difference[best]), 1))


def _stretched(rgb: Floats) -> Floats:
    return np.asarray(srgb_to_oklab(rgb) * _STRETCH)


def _oklab_distance(first: Floats, second: Floats) -> Floats:
    """The distances between all stretched colours (n, 3) and (m, 3), (n, m), in ΔE00."""
    return np.asarray(OKLAB_UNIT_DE00 * delta_e_ok(first[:, None], second))


# --- the anchors ----------------------------------------------------------------------------------------------
@cache
def compatible(name: Finer) -> dict[str, tuple[str, ...]]:
    """The basic names that go with each head noun of ISCC-NBS, or with each group of the fashion vocabulary."""
    with (VOCABULARIES_DIR / "compatible.csv").open(newline="") as file:
        return {
            row["word"]: tuple(row["basics"].split("|")) for row in csv.DictReader(file) if row["vocabulary"] == name
        }


def allowed_basics(name: Finer) -> list[tuple[str, ...]]:
    """The basic names that go with each name of a vocabulary, in its order."""
    words = vocabulary(name)
    heads = words.groups if name == "fashion" else [word.split()[-1] for word in words.names]
    return [compatible(name)[head] for head in heads]


@cache
def _anchors() -> _Anchors:
    points = vocabulary("basic")
    tables: list[Vocabulary] = [points]
    basics = list(points.names)
    words: dict[Finer, dict[str, Rows]] = {}
    for name in ("iscc_nbs", "fashion"):
        table, allowed = vocabulary(name), allowed_basics(name)
        start = len(basics)
        words[name] = {
            basic: start + np.flatnonzero([basic in some for some in allowed]) for basic in dict.fromkeys(points.names)
        }
        basics += _nearest_allowed(table, allowed)
        tables.append(table)
    labels = np.array(basics)
    return _Anchors(
        names=tuple(name for table in tables for name in table.names),
        basics=labels,
        lab=np.concatenate([table.lab for table in tables]),
        oklab=np.concatenate([_stretched(table.rgb) for table in tables]),
        of_basic={basic: np.flatnonzero(labels == basic) for basic in points.names},
        words=words,
    )


def _nearest_allowed(table: Vocabulary, allowed: list[tuple[str, ...]]) -> list[str]:
    """For each name of a table the one of its allowed basic names that has the nearest point."""
    points = vocabulary("basic")
    distance = _oklab_distance(_stretched(table.rgb), _stretched(points.rgb))
    distance = np.maximum(distance, delta_e_2000(table.lab[:, None], points.lab))
    fits = np.array([[name in some for name in points.names] for some in allowed])
    return [points.names[k] for k in np.argmin(np.where(fits, distance, np.inf), axis=1)]
