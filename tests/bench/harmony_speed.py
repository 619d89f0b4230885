"""Times phase 3 on one core, and measures how vectors rank palettes: `python -m tests.bench.harmony_speed`.

A garment of five colours against 500 items; with matches, outfits and eight suggestions; processor milliseconds.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from pipeline.color.hex import rgb_to_hex
from pipeline.color.vocabulary import vocabulary
from pipeline.harmony.bases import bases_of
from pipeline.harmony.harmonise import harmonise
from pipeline.harmony.wardrobe import fit_all, matches_from_fits, wardrobe_colors
from pipeline.options import ColorShare, Options, WardrobeItem
from pipeline.palette.swatches import palette_from_colors
from pipeline.palette.vector import palette_error, palette_vector
from pipeline.parts import Garment, Match, Swatch
from pipeline.types import GARMENT_CLASSES
from tests.bench.tables import write_section

ITEMS, REPEATS, PAIRS = 500, 40, 2000
WORN = ("#1f2a44", "#f5f2ea", "#c0392b", "#cf9f2e", "#5a8a6a")


def wardrobe(random: np.random.Generator) -> tuple[WardrobeItem, ...]:
    """Items of every kind with one to three colours of the fashion vocabulary."""
    hexes = np.array(vocabulary("fashion").hexes)
    return tuple(
        WardrobeItem(
            id=f"w{k}",
            colors=tuple(ColorShare(str(code)) for code in random.choice(hexes, random.integers(1, 4), replace=False)),
            category=GARMENT_CLASSES[k % len(GARMENT_CLASSES)],
        )
        for k in range(ITEMS)
    )


def matches(garment: Garment, items: tuple[WardrobeItem, ...]) -> tuple[Match, ...]:
    """The matches alone, as `harmonise` computes them for one garment."""
    colors = wardrobe_colors(items)
    return matches_from_fits(fit_all(bases_of((garment,)), colors, Options()), colors, Options())


def cpu_ms(answer: Callable[[], object]) -> float:
    """The median processor time, ms, after a first call that fills the tables."""
    answer()
    times_ms = []
    for _ in range(REPEATS):
        start_s = time.process_time()
        answer()
        times_ms.append((time.process_time() - start_s) * 1000)
    return statistics.median(times_ms)


def rank_correlation(random: np.random.Generator) -> float:
    """Spearman's correlation between vector distances and palette errors, over pairs of random palettes."""
    errors, distances = [], []
    for _ in range(PAIRS):
        one, two = _random_palette(random), _random_palette(random)
        errors.append(palette_error(one, two))
        distances.append(np.linalg.norm(np.subtract(palette_vector(one).values, palette_vector(two).values)))
    return float(spearmanr(errors, distances).statistic)


def _random_palette(random: np.random.Generator) -> tuple[Swatch, ...]:
    rgb = random.integers(0, 256, (random.integers(1, 6), 3)).tolist()
    shares = (random.dirichlet(np.full(len(rgb), 1.5)) + 1e-3).tolist()
    return palette_from_colors([ColorShare(rgb_to_hex(one), share) for one, share in zip(rgb, shares, strict=True)])


def main() -> None:
    """Prints the figures and writes them into docs/results/colour.md."""
    random = np.random.default_rng(31)
    items = wardrobe(random)
    colors = palette_from_colors([ColorShare(code) for code in WORN])
    worn = Garment("g1", "full_body", None, None, None, None, colors)
    matches_ms = cpu_ms(partial(matches, worn, items))
    all_ms = cpu_ms(partial(harmonise, (worn,), Options(wardrobe=items)))
    suggestions_ms = cpu_ms(partial(harmonise, (worn,), Options()))
    text = (
        f"One garment of five colours against {ITEMS} items: {matches_ms:.1f} ms for matches; {all_ms:.1f} ms with "
        f"outfits and eight suggestions, {suggestions_ms:.1f} ms for suggestions alone (medians, one core). Vectors "
        f"rank {PAIRS} pairs of random palettes as the palette error does: Spearman {rank_correlation(random):.3f}."
    )
    print(text)
    write_section("bench-harmony times", text)


if __name__ == "__main__":
    main()
