"""Writes the tables of the palette benchmark as Markdown."""

import statistics
from itertools import pairwise

import numpy as np

from tests.bench.colour_metrics import Score, f1

# For each tool: kind of garment, score and processor milliseconds.
Scores = dict[str, list[tuple[str, Score, float]]]
# The suffix of a tool that knew the number of colours.
TOLD = "told"
CONFIDENCE_STEPS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.0)


def tools_table(found: Scores) -> str:
    """The means of every tool over all cases."""
    lines = [
        "| tool, colours asked for | mean ΔE00 | 90 % below | missed | false | F1 | count right | ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, results in found.items():
        scores = [score for _, score, _ in results]
        errors = [score.error for score in scores]
        right = "–" if name.endswith(TOLD) else f"{np.mean([score.count_right for score in scores]):.0%}"
        spent_ms = statistics.median(cpu_ms for _, _, cpu_ms in results)
        lines.append(
            f"| {name} | {np.mean(errors):.2f} | {np.quantile(errors, 0.9):.2f} | {_mean_missed(scores):.3f} "
            f"| {_mean_false(scores):.3f} | {f1(scores):.3f} | {right} | {spent_ms:.1f} |"
        )
    return "\n".join(lines)


def kinds_table(found: Scores, ours: str) -> str:
    """Our scores by kind of garment, beside the best peer for that kind that did not know the count."""
    lines = [
        "| garment | mean ΔE00 | missed | false | count right | best peer's ΔE00 |",
        "|---|---|---|---|---|---|",
    ]
    peers = {name: results for name, results in found.items() if name != ours and not name.endswith(TOLD)}
    for kind in dict.fromkeys(kind for kind, _, _ in found[ours]):
        mine = _of_kind(found[ours], kind)
        error, best = min((_mean_error(_of_kind(results, kind)), name) for name, results in peers.items())
        right = np.mean([score.count_right for score in mine])
        lines.append(
            f"| {kind} | {_mean_error(mine):.2f} | {_mean_missed(mine):.2f} | {_mean_false(mine):.2f} | {right:.0%} "
            f"| {error:.2f} ({best}) |"
        )
    return "\n".join(lines)


def confidence_table(sure: list[tuple[float, bool]]) -> str:
    """How often colours of each confidence were right."""
    confidence, right = (np.array(column) for column in zip(*sure, strict=True))
    lines = ["| confidence told | colours | mean told | within 3 ΔE00 of a dye |", "|---|---|---|---|"]
    for low, high in pairwise(CONFIDENCE_STEPS):
        inside = (confidence >= low) & ((confidence < high) | (high == 1))
        if inside.any():
            told, true = confidence[inside].mean(), right[inside].mean()
            lines.append(f"| {low:.2f} to {high:.2f} | {inside.sum()} | {told:.2f} | {true:.2f} |")
    return "\n".join(lines)


def _of_kind(results: list[tuple[str, Score, float]], kind: str) -> list[Score]:
    return [score for of_kind, score, _ in results if of_kind == kind]


def _mean_error(scores: list[Score]) -> float:
    return float(np.mean([score.error for score in scores]))


def _mean_missed(scores: list[Score]) -> float:
    return float(np.mean([score.missed for score in scores]))


def _mean_false(scores: list[Score]) -> float:
    return float(np.mean([score.false for score in scores]))
