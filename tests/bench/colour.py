"""Palettes against the truth, beside other tools: `make bench-colour` writes the tables of docs/results/colour.md.

    python -m tests.bench.colour [--data FOLDER] [--seeds tune] [--garments 20]

Painted garments need no data. With a folder of annotated photos (photos/, labels/, labels.json) real cloth is mixed in
known shares too. Seeds for tuning and for reporting are different ones; so should be the folders.
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.garments.regions import find_regions, labels_from_mask, whole_labels
from pipeline.options import Options
from pipeline.palette.extraction import extract
from pipeline.palette.histogram import Samples
from pipeline.palette.palette import extract_palettes
from pipeline.palette.sampling import garment_samples
from pipeline.types import Mask, PaletteColor, RgbImage
from tests.bench.colour_cloth import mix, plain_cloths
from tests.bench.colour_garments import RECIPES, paint
from tests.bench.colour_metrics import Palette, Score, compare, distances
from tests.bench.colour_peers import PEERS
from tests.bench.colour_tables import confidence_table, kinds_table, tools_table
from tests.bench.tables import write_section

FIRST_SEED = {"report": 0, "tune": 1000}
# The most colours that a tool may answer, and that a garment has.
MOST_COLORS = 8
USUAL_COLORS = 5
CLOTH_MIXES = 120
OURS = "StyleSync"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One garment: its photo and mask where there is one, its pixels (n, 3), and the true palette."""

    kind: str
    pixels: NDArray[np.uint8]
    truth: Palette
    photo: RgbImage | None = None
    mask: Mask | None = None


@dataclass(slots=True)
class Run:
    """The results of the tools: kind, score and processor milliseconds per tool, and our confidences.

    sure: the confidence of each of our colours, and whether it lay within 3 ΔE00 of a true one.
    """

    scores: dict[str, list[tuple[str, Score, float]]]
    sure: list[tuple[float, bool]]


def run(cases: Iterator[Case]) -> Run:
    """Runs every tool on every case. Peers give 5 colours, 8, and the true number, which ours does not know."""
    done = Run(defaultdict(list), [])
    for case in cases:
        colors, cpu_ms = _timed(partial(our_colors, case))
        mine = _palette(colors)
        done.scores[OURS].append((case.kind, compare(mine, case.truth), cpu_ms))
        right = distances(mine, case.truth).min(axis=1) <= 3
        done.sure += zip([color.confidence or 0.0 for color in colors], right.tolist(), strict=True)
        for name, peer in PEERS.items():
            for label, count in (("5", USUAL_COLORS), ("8", MOST_COLORS), ("told", len(case.truth.rgb))):
                found, cpu_ms = _timed(partial(peer, case.pixels, count))
                done.scores[f"{name}, {label}"].append((case.kind, compare(found, case.truth), cpu_ms))
    return done


def our_colors(case: Case) -> tuple[PaletteColor, ...]:
    """Our palette, from the mask, or from the pixels for mixes."""
    if case.photo is None or case.mask is None:
        return extract_palettes([Samples(case.pixels, np.ones(len(case.pixels)))], max_colors=MOST_COLORS)[0]
    (region,) = find_regions(labels_from_mask(case.mask), None, Options())
    return extract_palettes([garment_samples(region, case.photo, None)], max_colors=MOST_COLORS)[0]


def _palette(colors: tuple[PaletteColor, ...]) -> Palette:
    return Palette(np.array([color.rgb for color in colors], float), np.array([color.share for color in colors]))


def _timed(answer: Callable[[], T]) -> tuple[T, float]:
    start_s = time.process_time()
    found = answer()
    return found, (time.process_time() - start_s) * 1000


# --- the cases ------------------------------------------------------------------------------------------------
def painted(first_seed: int, per_kind: int) -> Iterator[Case]:
    """Painted garments of every kind. The peers get the pixels without the garment's rim, as ours does."""
    for kind in RECIPES:
        for seed in range(first_seed, first_seed + per_kind):
            one = paint(kind, seed)
            (region,) = find_regions(labels_from_mask(one.mask), None, Options())
            inner = garment_samples(region, one.pixels, None, most_px=one.mask.size).rgb
            yield Case(kind, inner, Palette(one.rgb, one.share), one.pixels, one.mask)


def mixed(folder: Path, first_seed: int) -> Iterator[Case]:
    """Mixes of real cloth with known palettes."""
    cloths = plain_cloths(folder)
    for seed in range(first_seed, first_seed + CLOTH_MIXES):
        pixels, truth = mix(cloths, seed)
        yield Case("real cloth", pixels, truth)


def whole_frame_times() -> str:
    """Median processor times of a palette, and of the whole phase, for garments that fill 512 × 512 pixels."""
    palette_ms, phase_ms = [], []
    for seed in range(40):
        one = paint(list(RECIPES)[seed % len(RECIPES)], seed)
        photo, labels = one.pixels, whole_labels(*one.mask.shape)
        truth = Palette(one.rgb, one.share)
        palette_ms.append(_timed(partial(our_colors, Case("", photo, truth, photo, np.ones(labels.shape, bool))))[1])
        phase_ms.append(_timed(partial(extract, photo, labels, None, Options()))[1])
    return (
        f"A garment that fills 512 × 512 pixels takes {statistics.median(palette_ms):.1f} ms of one core to its "
        f"palette, and {statistics.median(phase_ms):.1f} ms through the whole phase (light, warnings, names)."
    )


def main() -> None:
    """Prints the tables and, with the reporting seeds, writes them into docs/results/colour.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of annotated photos")
    parser.add_argument("--seeds", choices=FIRST_SEED, default="report")
    parser.add_argument("--garments", type=int, default=20, help="the number of each kind")
    options = parser.parse_args()
    first_seed = FIRST_SEED[options.seeds]
    with threadpool_limits(1):
        done = run(painted(first_seed, options.garments))
        sections = {
            "painted": tools_table(done.scores),
            "kinds": kinds_table(done.scores, OURS),
            "times": whole_frame_times(),
        }
        if options.data:
            cloth = run(mixed(options.data, first_seed))
            done.sure += cloth.sure
            sections["cloth"] = tools_table(cloth.scores)
            sections["confidence"] = confidence_table(done.sure)
    for name, text in sections.items():
        print(text, end="\n\n")
        if options.seeds == "report":
            write_section(f"bench-colour {name}", text)


if __name__ == "__main__":
    main()
