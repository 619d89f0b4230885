"""Names colours by the published centroids, and fast enough."""

import time

import numpy as np
import pytest

from pipeline.color.css import hex_to_rgb
from pipeline.color.difference import delta_e_2000
from pipeline.color.naming import name_colors
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import VocabularyName, vocabulary
from pipeline.parts import ColorNames


def names_of(*codes: str) -> list[ColorNames]:
    """The names of `#rrggbb` colours."""
    return name_colors(srgb_to_lab_d65(np.array([hex_to_rgb(code) for code in codes]) / 255))


def test_iscc_nbs_when_centroids() -> None:
    """Each of NBS SP 440's 267 centroids names itself, at distance 0."""
    words = vocabulary("iscc_nbs")
    assert len(words.names) == len(set(words.names)) == 267
    found = [names.iscc_nbs for names in name_colors(words.lab)]
    assert [match.name for match in found] == list(words.names)
    assert {match.de00 for match in found} == {0.0}


@pytest.mark.parametrize("name", ["basic", "fashion"])
def test_vocabulary_when_its_own_colours(name: VocabularyName) -> None:
    """Every colour of the project's own tables has its own name."""
    words = vocabulary(name)
    found = [getattr(names, name) for names in name_colors(words.lab)]
    assert [match.name for match in found] == list(words.names)


def test_basic_when_listed() -> None:
    """The basic names are the twelve names that shops filter by."""
    assert set(vocabulary("basic").names) == set(
        ["black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige"]
    )


@pytest.mark.parametrize(
    ("code", "basic"),
    [
        ("#1f2a44", "blue"), ("#c19a6b", "beige"), ("#800020", "red"), ("#556b2f", "green"), ("#ffffff", "white"),
        ("#000000", "black"), ("#36454f", "grey"), ("#ff69b4", "pink"), ("#4b2e2b", "brown"), ("#ff7f00", "orange"),
        ("#ffdb58", "yellow"), ("#e6e6fa", "purple"), ("#008080", "blue"), ("#ff0000", "red"), ("#fffdd0", "white"),
    ],
)  # fmt: skip
def test_basic_when_everyday_colours(code: str, basic: str) -> None:
    """Navy is blue, camel is beige, burgundy is red and charcoal is grey, as a shopper expects."""
    assert names_of(code)[0].basic.name == basic


def test_name_colors_when_random() -> None:
    """The reported distance is the least one over the vocabulary."""
    lab = srgb_to_lab_d65(np.random.default_rng(0).random((50, 3)))
    least = delta_e_2000(lab[:, None], vocabulary("fashion").lab[None]).min(axis=1)
    np.testing.assert_allclose([names.fashion.de00 for names in name_colors(lab)], least, atol=0.051)


def test_name_colors_when_none() -> None:
    """No colours give no names."""
    assert name_colors(np.zeros((0, 3))) == []


def test_name_colors_when_twelve() -> None:
    """Naming twelve colours takes at most 4 ms of CPU time."""
    lab = srgb_to_lab_d65(np.random.default_rng(0).random((12, 3)))
    name_colors(lab)
    costs_s = []
    for _ in range(7):
        start_s = time.process_time()
        name_colors(lab)
        costs_s.append(time.process_time() - start_s)
    assert min(costs_s) < 0.004
