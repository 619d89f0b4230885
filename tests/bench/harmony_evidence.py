"""Tests whether the pair score tells real combinations from chance: `make bench-harmony` writes docs/results/colour.md.

    python -m tests.bench.harmony_evidence [--wada colors.json] [--data FOLDER]

--wada: the data file of the npm package dictionary-of-colour-combinations (MIT), 348 printed combinations.
--data: annotated photos (photos/, labels/, labels.json): garments worn together against the same garments swapped
between photos, each for one of its own kind. Both are the user's; neither is part of the project.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from pipeline.color.hex import rgb_to_hex
from pipeline.harmony.pair_score import WEIGHTS, pair_parts, points_from_hexes
from pipeline.palette.histogram import Samples
from pipeline.palette.palette import extract_palettes
from pipeline.parts import Components
from pipeline.types import Floats
from tests.bench.annotated import garments
from tests.bench.tables import write_section

CHANCE_PER_REAL = 20
# Taste: smaller garments in a photo are left out.
LEAST_PX = 800
BOOTSTRAPS = 2000
FOLDS = 5
PARTS = Components.__struct_fields__


@dataclass(frozen=True, slots=True)
class Evidence:
    """Log parts (mean over a combination's pairs) of real combinations (n, 4), and of chance ones (m, 4)."""

    name: str
    real: Floats
    chance: Floats


# --- sources --------------------------------------------------------------------------------------------------
def wada(path: Path, size: int | None) -> Evidence:
    """Printed combinations of one size, or all, against random ones with the same frequencies of colours."""
    rows = json.loads(path.read_text())
    sets: dict[int, list[int]] = defaultdict(list)
    for k, row in enumerate(rows):
        for combination in row["combinations"]:
            sets[combination].append(k)
    real = [tuple(sorted(one)) for one in sets.values() if size in (None, len(one))]
    random, known = np.random.default_rng(0), {tuple(sorted(one)) for one in sets.values()}
    often = np.array([len(row["combinations"]) for row in rows], float)
    chance: list[tuple[int, ...]] = []
    while len(chance) < CHANCE_PER_REAL * len(real):
        wanted = len(real[len(chance) % len(real)])
        drawn = tuple(sorted(random.choice(len(rows), wanted, replace=False, p=often / often.sum()).tolist()))
        if drawn not in known:
            chance.append(drawn)
    parts = _log_parts([row["hex"] for row in rows])
    label = f"Wada, {size or '2 to 4'} colours ({len(real)})"
    return Evidence(label, _means(parts, real), _means(parts, chance))


def worn(folder: Path) -> Evidence:
    """Main colours of garments of one photo, against the same pair of kinds from two photos."""
    looks = _looks(folder)
    hexes = [code for look in looks for code in look.values()]
    number = {code: k for k, code in enumerate(dict.fromkeys(hexes))}
    by_kind: dict[str, list[int]] = defaultdict(list)
    for look in looks:
        for kind, code in look.items():
            by_kind[kind].append(number[code])
    random = np.random.default_rng(0)
    real, chance = [], []
    for look in looks:
        for first, second in combinations(sorted(look), 2):
            real.append((number[look[first]], number[look[second]]))
            others = random.choice(by_kind[second], CHANCE_PER_REAL)
            chance += [(number[look[first]], int(other)) for other in others]
    parts = _log_parts(list(number))
    return Evidence(f"worn together ({len(real)} pairs)", _means(parts, real), _means(parts, chance))


def _looks(folder: Path) -> list[dict[str, str]]:
    """The main colour of each kind of garment per photo. Of two garments of a kind, the later one counts."""
    looks: dict[str, dict[str, str]] = defaultdict(dict)
    for photo, kind, pixels in garments(folder, least_px=LEAST_PX):
        ((main, *_),) = extract_palettes([Samples(pixels, np.ones(len(pixels)))], max_colors=5)
        looks[photo][kind] = rgb_to_hex(main.rgb)
    return list(looks.values())


def _log_parts(hexes: list[str]) -> Floats:
    points = points_from_hexes(hexes)
    return np.log(pair_parts(points, points))


def _means(parts: Floats, sets: Sequence[tuple[int, ...]]) -> Floats:
    return np.array([np.mean([parts[:, i, j] for i, j in combinations(one, 2)], axis=0) for one in sets])


# --- statistics -----------------------------------------------------------------------------------------------
def above_chance(real: Floats, chance: Floats) -> Floats:
    """The share of chance scores below each real score, (n,). Ties count half, and the mean is the AUC."""
    ordered = np.sort(chance)
    return (np.searchsorted(ordered, real, "left") + np.searchsorted(ordered, real, "right")) / (2 * len(ordered))


def interval(wins: Floats) -> tuple[float, float, float]:
    """The mean and its 95 % bootstrap interval over combinations."""
    random = np.random.default_rng(1)
    means = wins[random.integers(0, len(wins), (BOOTSTRAPS, len(wins)))].mean(axis=1)
    return float(wins.mean()), float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def cross_validated(evidence: Evidence) -> tuple[Floats, Floats]:
    """Wins of weights fitted to the other folds (logistic loss, no negative weights), and their mean weights."""
    order = np.random.default_rng(2).permutation(len(evidence.real))
    other = np.random.default_rng(3).permutation(len(evidence.chance))
    wins, weights = np.zeros(len(order)), []
    for fold in range(FOLDS):
        test, chance_test = order[fold::FOLDS], other[fold::FOLDS]
        fitted = _fitted(np.delete(evidence.real, test, axis=0), np.delete(evidence.chance, chance_test, axis=0))
        wins[test] = above_chance(evidence.real[test] @ fitted, evidence.chance[chance_test] @ fitted)
        weights.append(fitted / max(fitted.sum(), 1e-9))
    return wins, np.mean(weights, axis=0)


def _fitted(real: Floats, chance: Floats) -> Floats:
    def loss(values: Floats) -> float:
        weights, bias = values[:4], values[4]
        return float(np.logaddexp(0, -(real @ weights + bias)).mean() + np.logaddexp(0, chance @ weights + bias).mean())

    start = np.array([*WEIGHTS["balanced"][:4], 0.5])
    return np.asarray(minimize(loss, start, bounds=[(0, 10)] * 4 + [(-10, 10)]).x[:4])


# --- the table ------------------------------------------------------------------------------------------------
def table(found: list[Evidence]) -> str:
    """AUC of the score, of each part, and of weights fitted by cross-validation."""
    ours = np.array(WEIGHTS["balanced"][:4])
    lines = [
        "| set | our score | " + " | ".join(PARTS) + " | fitted weights, cross-validated | those weights |",
        "|---" * (len(PARTS) + 4) + "|",
    ]
    for one in found:
        score = _cell(above_chance(one.real @ ours, one.chance @ ours))
        parts = [_cell(above_chance(one.real[:, k], one.chance[:, k])) for k in range(len(PARTS))]
        wins, weights = cross_validated(one)
        shown = " / ".join(f"{weight:.2f}" for weight in weights)
        lines.append(f"| {one.name} | {score} | {' | '.join(parts)} | {_cell(wins)} | {shown} |")
    return "\n".join(lines)


def _cell(wins: Floats) -> str:
    mean, low, high = interval(wins)
    return f"{mean:.2f} ({low:.2f}–{high:.2f})"


def main() -> None:
    """Prints the table and writes it into docs/results/colour.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wada", type=Path)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    found = []
    if options.wada:
        found += [wada(options.wada, size) for size in (2, 3, 4, None)]
    if options.data:
        found.append(worn(options.data))
    if not found:
        parser.error("give --wada, --data or both")
    text = table(found)
    print(text)
    if options.wada and options.data:
        write_section("bench-harmony", text)


if __name__ == "__main__":
    main()
