"""Reads the three colour vocabularies from their tables, once."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.color.hex import hex_to_rgb
from pipeline.color.spaces import oklab_to_oklch, srgb_to_lab_d65, srgb_to_oklab
from pipeline.types import Floats

VOCABULARIES_DIR = Path(__file__).parent / "vocabularies"
VocabularyName = Literal["basic", "iscc_nbs", "fashion"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """n named colours. rgb (0..1), lab, oklch: (n, 3). groups, roles, wear: one a name, empty where the table has none.

    A name without roles only names colours; advice suggests it for nothing. wear: `legs` for colours that trousers,
    jeans and skirts are made in, `jeans` for those of jeans, `leather` for those of shoes, bags and belts.
    """

    names: tuple[str, ...]
    hexes: tuple[str, ...]
    groups: tuple[str, ...]
    roles: tuple[frozenset[str], ...]
    wear: tuple[frozenset[str], ...]
    rgb: Floats
    lab: Floats
    oklch: Floats


@cache
def suggested_words() -> Vocabulary:
    """The fashion vocabulary's colours that advice may suggest: those with a role."""
    words = vocabulary("fashion")
    kept = [k for k, roles in enumerate(words.roles) if roles]
    return Vocabulary(
        names=tuple(words.names[k] for k in kept),
        hexes=tuple(words.hexes[k] for k in kept),
        groups=tuple(words.groups[k] for k in kept),
        roles=tuple(words.roles[k] for k in kept),
        wear=tuple(words.wear[k] for k in kept),
        rgb=words.rgb[kept],
        lab=words.lab[kept],
        oklch=words.oklch[kept],
    )


@cache
def vocabulary(name: VocabularyName) -> Vocabulary:
    """One vocabulary.

    `basic` has several points a name. `iscc_nbs` has the 267 centroids of NBS SP 440. `fashion` is this project's own.
    """
    with (VOCABULARIES_DIR / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rgb = np.array([hex_to_rgb(row["hex"]) for row in rows]) / 255
    return Vocabulary(
        names=tuple(row["name"] for row in rows),
        hexes=tuple(row["hex"] for row in rows),
        groups=tuple(row.get("group", "") for row in rows),
        roles=tuple(_parts(row.get("roles", "")) for row in rows),
        wear=tuple(_parts(row.get("wear", "")) for row in rows),
        rgb=rgb,
        lab=srgb_to_lab_d65(rgb),
        oklch=oklab_to_oklch(srgb_to_oklab(rgb)),
    )


def _parts(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split("|")))
