"""Tunes the thresholds that turn a label map into garments, on photos that training kept aside.

    python -m models.evaluate.thresholds ccp/train

Coordinate search: each threshold in turn takes the factor that scores best, twice over. The command prints what to
write into pipeline/garments/grouping.py.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

import pipeline.garments.grouping as grouping
from models.cards import DEFAULT_MODEL, load_card
from models.engines.torch import TorchSegmenter
from models.evaluate.__main__ import predict
from models.evaluate.found import judge
from models.evaluate.scores import Case
from models.labelled import is_aside, labelled_photos
from pipeline.garments.kinds import Place

FACTORS = (0.0, 0.5, 1.0, 2.0)
ROUNDS = 2
# Pairs of places that are scaled together.
PAIRS: dict[str, tuple[tuple[Place, Place], ...]] = {
    "upper in upper": (("upper", "upper"),),
    "upper and whole": (("upper", "whole"), ("whole", "upper")),
    "lower and whole": (("lower", "whole"), ("whole", "lower")),
    "upper and lower": (("upper", "lower"), ("lower", "upper")),
    "accessory in clothes": (("accessory", "upper"), ("accessory", "lower"), ("accessory", "whole")),
    "clothes in accessory": (("upper", "accessory"), ("lower", "accessory"), ("whole", "accessory")),
}
CONSTANTS = ("SURE_OF_KIND", "SAME_CLOTH", "OTHER_CLOTH", "LEAST_BORDER")


def score(cases: Sequence[Case]) -> float:
    """What is tuned for: true garments of the right kind, right ones among the reported, and few cut into kinds."""
    found = judge(cases)
    right = sum(one.right for one in found.told) / max(1, len(found.told))
    return found.right_kind + right - found.cut / max(1, found.photos)


def tune(cases: Sequence[Case], say: Callable[[str], None]) -> None:
    """Sets the thresholds of pipeline.garments.grouping in this process to the best that it finds."""
    best = score(cases)
    say(f"as shipped: {best:.4f}")
    for _ in range(ROUNDS):
        for name in (*PAIRS, *CONSTANTS):
            before = _values(name)
            kept = before
            # A slip may never happen; the other thresholds are not 0.
            for factor in (factor for factor in FACTORS if factor or name in PAIRS):
                _set(name, {key: value * factor for key, value in before.items()})
                found = score(cases) if factor != 1.0 else best
                if found > best:
                    best, kept = found, _values(name)
            _set(name, kept)
            say(f"{name}: {', '.join(f'{value:.3g}' for value in kept.values())} -> {best:.4f}")


def _values(name: str) -> dict[object, float]:
    if name in PAIRS:
        return {pair: grouping.SLIP_SHARES[pair] for pair in PAIRS[name]}
    return {name: getattr(grouping, name)}


def _set(name: str, values: dict[object, float]) -> None:
    if name in PAIRS:
        grouping.SLIP_SHARES.update({pair: values[pair] for pair in PAIRS[name]})
    else:
        setattr(grouping, name, values[name])


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.evaluate.thresholds FOLDER`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate.thresholds", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="annotated training photos")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID", help="default: %(default)s")
    options = parser.parse_args(arguments)
    photos = list(labelled_photos(options.folder, lambda stem: is_aside(stem, product=False)))
    segmenter = TorchSegmenter(load_card(options.model))
    cases = [*predict(segmenter, photos, close=False), *predict(segmenter, photos, close=True)]
    tune(cases, Console().print)
    return 0


if __name__ == "__main__":
    sys.exit(main())
