"""The fashion vocabulary has the names, distances and roles that advice relies on."""

import re

import numpy as np

from pipeline.color.difference import delta_e_2000
from pipeline.color.vocabulary import suggested_words, vocabulary
from pipeline.harmony.classics import CLASSICS

ROLES = {"main", "secondary", "accent"}


def test_fashion_when_compared_with_itself() -> None:
    """Names and hexes are unique, and no two colours are closer than ΔE00 3."""
    words = vocabulary("fashion")
    assert 110 <= len(suggested_words().names) <= 140 < len(words.names) <= 200
    assert len(set(words.names)) == len(set(words.hexes)) == len(words.names)
    distance = delta_e_2000(words.lab[:, None], words.lab[None])
    assert distance[~np.eye(len(words.names), dtype=bool)].min() >= 3


def test_fashion_when_read() -> None:
    """Every row has a hex, a group and known roles, and every role occurs in at least ten groups."""
    words = vocabulary("fashion")
    assert all(re.fullmatch(r"#[0-9a-f]{6}", code) for code in words.hexes)
    assert all(words.groups)
    assert all(roles <= ROLES for roles in words.roles)
    for role in ROLES:
        assert len({group for group, roles in zip(words.groups, words.roles, strict=True) if role in roles}) >= 10


def test_classics_when_looked_up() -> None:
    """The classic neutrals have the same hexes as in the vocabulary."""
    words = dict(zip(vocabulary("fashion").names, vocabulary("fashion").hexes, strict=True))
    assert dict(CLASSICS) == {name: words[name] for name, _ in CLASSICS}
