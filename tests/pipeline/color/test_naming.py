"""Names colours by the published centroids, and fast enough."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from coloraide.css.color_names import name2val_map as CSS_NAMES

from pipeline.color.difference import delta_e_2000
from pipeline.color.hex import hex_to_rgb, rgb_to_hex
from pipeline.color.naming import Finer, allowed_basics, compatible, name_colors
from pipeline.color.spaces import srgb_to_lab_d65
from pipeline.color.vocabulary import vocabulary
from pipeline.color.words import parse_color
from pipeline.parts import ColorNames

FINER: tuple[Finer, ...] = ("iscc_nbs", "fashion")


def listed(name: str) -> list[dict[str, str]]:
    """The rows of a list beside this module."""
    with (Path(__file__).parent / name).open(newline="") as file:
        return list(csv.DictReader(file))


def heads(name: Finer) -> list[str]:
    """What `compatible` knows the names of a vocabulary by."""
    words = vocabulary(name)
    return list(words.groups) if name == "fashion" else [word.split()[-1] for word in words.names]


def names_of(*codes: str) -> list[ColorNames]:
    """The names of `#rrggbb` colours."""
    return name_colors(np.array([hex_to_rgb(code) for code in codes]) / 255)


def test_iscc_nbs_when_centroids() -> None:
    """Each of NBS SP 440's 267 centroids names itself, at distance 0."""
    words = vocabulary("iscc_nbs")
    assert len(words.names) == len(set(words.names)) == 267
    found = [names.iscc_nbs for names in name_colors(words.rgb)]
    assert [match.name for match in found] == list(words.names)
    assert {match.de00 for match in found} == {0.0}


def test_fashion_when_its_own_colours() -> None:
    """Every colour of the fashion vocabulary has its own name, and a basic name that goes with its group."""
    words = vocabulary("fashion")
    found = name_colors(words.rgb)
    assert [names.fashion.name for names in found] == list(words.names)
    assert [k for k, one in enumerate(allowed_basics("fashion")) if found[k].basic.name not in one] == []


def test_basic_when_its_own_points() -> None:
    """Every point of the table of basic names has the name that the table gives it."""
    words = vocabulary("basic")
    assert [names.basic.name for names in name_colors(words.rgb)] == list(words.names)


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
        ("#0000ff", "blue"), ("#0c06f7", "blue"), ("#21399e", "blue"), ("#344777", "blue"), ("#e2e1ee", "white"),
        ("#e1e3e8", "white"), ("#00ffff", "blue"), ("#a52a2a", "red"), ("#6a4423", "brown"), ("#808080", "grey"),
    ],
)  # fmt: skip
def test_basic_when_everyday_colours(code: str, basic: str) -> None:
    """Navy is blue, camel is beige, burgundy is red and charcoal is grey, as a shopper expects."""
    assert names_of(code)[0].basic.name == basic


def test_compatible_when_read() -> None:
    """A head noun of ISCC-NBS goes with at most two basic names, and every one of the table's words is used."""
    for name in FINER:
        table = compatible(name)
        assert all(1 <= len(basics) <= 2 for basics in table.values())
        assert set(table) == set(heads(name))


def test_names_when_the_whole_cube() -> None:
    """On a grid of 18³ sRGB colours no basic name contradicts the ISCC-NBS head noun or the fashion group."""
    axis = np.linspace(0, 1, 18)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    words = vocabulary("fashion")
    group = dict(zip(words.names, words.groups, strict=True))
    wrong = [
        names
        for names in name_colors(grid)
        if names.basic.name not in compatible("fashion")[group[names.fashion.name]]
        or names.basic.name not in compatible("iscc_nbs")[names.iscc_nbs.name.split()[-1]]
    ]
    assert wrong == []


def test_names_when_near_neutral() -> None:
    """Whatever has a CIE Lab chroma below 4 is white, grey or black."""
    axis = np.arange(0, 256, 3) / 255
    offsets = np.array([(r, g, b) for r in (-6, 0, 6) for g in (-6, 0, 6) for b in (-6, 0, 6)]) / 255
    rgb = np.clip(axis[:, None, None] + offsets, 0, 1).reshape(-1, 3)
    lab = srgb_to_lab_d65(rgb)
    near = np.hypot(lab[:, 1], lab[:, 2]) < 4
    assert near.sum() > 1000
    assert {names.basic.name for names in name_colors(rgb[near])} == {"white", "grey", "black"}


def test_basic_when_plain_xkcd_names() -> None:
    """At least 97 % of the survey's plain names (a basic term with words of lightness or strength) are right."""
    rows = listed("xkcd_plain.csv")
    found = names_of(*(row["hex"] for row in rows))
    right = sum(names.basic.name == row["basic"] for names, row in zip(found, rows, strict=True))
    assert right >= 0.97 * len(rows)


@pytest.mark.parametrize("row", listed("listed_words.csv"), ids=lambda row: row["word"])
def test_names_when_listed_words(row: dict[str, str]) -> None:
    """CSS's basic colours and the words of shops come back as themselves, with the basic name that is listed."""
    (names,) = names_of(parse_color(row["word"]).hex)
    assert names.fashion.name == row["word"].replace("gray", "grey")
    assert names.basic.name == row["basic"]


@pytest.mark.parametrize("row", [row for row in listed("listed_words.csv") if row["from"] == "css"], ids=str)
def test_basic_when_css_codes(row: dict[str, str]) -> None:
    """CSS's own codes of its basic colours have the listed basic names too."""
    (names,) = names_of(rgb_to_hex(CSS_NAMES[row["word"]][:3]))
    assert names.basic.name == row["basic"]


def test_name_colors_when_random() -> None:
    """The reported distance is that to the name, and a basic name's is the least of its region."""
    rgb = np.random.default_rng(0).random((50, 3))
    lab, words = srgb_to_lab_d65(rgb), vocabulary("fashion")
    for point, names in zip(lab, name_colors(rgb), strict=True):
        named = words.lab[words.names.index(names.fashion.name)]
        assert abs(float(delta_e_2000(point, named)) - names.fashion.de00) <= 0.051
        assert names.basic.de00 <= names.fashion.de00 + 0.051 or names.basic.name not in names.fashion.name


def test_name_colors_when_none() -> None:
    """No colours give no names."""
    assert name_colors(np.zeros((0, 3))) == []


def test_name_colors_when_twelve() -> None:
    """Naming twelve colours takes at most 4 ms of CPU time."""
    rgb = np.random.default_rng(0).random((12, 3))
    name_colors(rgb)
    costs_s = []
    for _ in range(7):
        start_s = time.process_time()
        name_colors(rgb)
        costs_s.append(time.process_time() - start_s)
    assert min(costs_s) < 0.004
