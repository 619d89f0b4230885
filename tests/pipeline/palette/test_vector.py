"""The palette error obeys its laws, and vectors rank palettes as it does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.color.hex import rgb_to_hex
from pipeline.options import ColorShare
from pipeline.palette.swatches import palette_from_colors
from pipeline.palette.vector import DIMENSIONS, palette_error, palette_vector
from pipeline.parts import Swatch
from pipeline.versions import VECTOR_VERSION

hexes = st.tuples(*[st.integers(0, 255)] * 3).map(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb))
palettes = st.lists(st.builds(ColorShare, hexes, st.floats(0.05, 1)), min_size=1, max_size=5).map(palette_from_colors)
few = settings(max_examples=40, derandomize=True, deadline=None)
Palette = tuple[Swatch, ...]


def random_palettes(count: int) -> list[Palette]:
    """Palettes of 1 to 5 colours with uneven shares, the same in every run."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(count):
        rgb = random.integers(0, 256, (random.integers(1, 6), 3)).tolist()
        shares = random.dirichlet(np.ones(len(rgb)) * 1.5) + 1e-3
        found.append(palette_from_colors([ColorShare(rgb_to_hex(c), s) for c, s in zip(rgb, shares, strict=True)]))
    return found


def distance(first: Palette, second: Palette) -> float:
    """The Euclidean distance of two palettes' vectors."""
    return float(np.linalg.norm(np.subtract(palette_vector(first).values, palette_vector(second).values)))


def test_palette_vector_when_ranking() -> None:
    """Over 600 pairs of random palettes, distances and palette errors have a Spearman correlation of at least 0.9."""
    made = random_palettes(1200)
    pairs = list(zip(made[::2], made[1::2], strict=True))
    assert spearmanr([palette_error(*pair) for pair in pairs], [distance(*pair) for pair in pairs]).statistic >= 0.9


@few
@given(palettes)
def test_palette_vector_when_any(palette: Palette) -> None:
    """A palette of any length gives a vector of 64 finite numbers, and the same one each time."""
    vector = palette_vector(palette)
    assert (len(vector.values), vector.version) == (DIMENSIONS, VECTOR_VERSION)
    assert np.isfinite(vector.values).all()
    assert palette_vector(palette) == vector


def test_palette_vector_when_weighted() -> None:
    """Weights replace the shares, on any scale."""
    palette = palette_from_colors([ColorShare("#1f2a44", 0.7), ColorShare("#ffffff", 0.3)])
    assert palette_vector(palette, weights=[1.4, 0.6]) == palette_vector(palette)
    assert palette_vector(palette, weights=[0.1, 0.9]) != palette_vector(palette)


@few
@given(palettes, palettes)
def test_palette_error_when_arguments_swap(first: Palette, second: Palette) -> None:
    """The error is symmetric and 0 only for the same colours."""
    assert palette_error(first, second) == pytest.approx(palette_error(second, first), abs=1e-9)
    assert palette_error(first, first) == 0


def test_palette_error_when_one_colour_each() -> None:
    """The error between black and white is 100, as in CIEDE2000."""
    black, white = palette_from_colors([ColorShare("#000000")]), palette_from_colors([ColorShare("#ffffff")])
    assert palette_error(black, white) == pytest.approx(100, abs=0.01)
