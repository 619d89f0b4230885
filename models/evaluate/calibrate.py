"""Fits what confidence means: how often garments of a given support have the right kind.

    python -m models.evaluate.calibrate ccp/train --products clothing_small/train

Use photos that training kept aside (the command picks them), and write the two figures that it prints into
pipeline/garments/confidence.py.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from scipy.optimize import minimize

from models.cards import DEFAULT_MODEL, load_card
from models.engines.torch import TorchSegmenter
from models.evaluate.__main__ import Photos, predict
from models.evaluate.scores import Case
from models.labelled import is_aside, labelled_photos, product_photos
from pipeline.garments.confidence import log_odds
from pipeline.garments.kinds import BY_NAME
from pipeline.garments.regions import find_regions
from pipeline.options import Options
from pipeline.types import Floats


def supports(cases: Sequence[Case]) -> Floats:
    """Each reported garment's support, and 1 where its kind is right, else 0; (n, 2)."""
    rows = []
    for case in cases:
        if case.found.confidence is None:
            continue
        size_px = (case.truth.shape[1], case.truth.shape[0])
        certainty = np.asarray(Image.fromarray(case.found.confidence).resize(size_px, Image.Resampling.NEAREST)) / 255
        for region in find_regions(case.found.labels, case.found.confidence, Options(), pixels=case.pixels):
            label = BY_NAME[region.category].label
            support = float((certainty * (case.found.labels == label))[region.mask].mean())
            rows.append((support, float(np.bincount(case.truth[region.mask]).argmax() == label)))
    return np.array(rows).reshape(-1, 2)


def fit(rows: Floats) -> tuple[float, float]:
    """The slope and the offset of the logistic regression of rows (support, right)."""
    odds, right = np.array([log_odds(support) for support in rows[:, 0]]), rows[:, 1]

    def loss(line: Floats) -> float:
        """The mean negative log-likelihood, with a small penalty that keeps the line finite."""
        score = line[0] * odds + line[1]
        return float(np.mean(np.logaddexp(0, score) - right * score) + 1e-4 * np.square(line).sum())

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    return float(slope), float(offset)


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.evaluate.calibrate FOLDER …`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate.calibrate", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="annotated training photos")
    parser.add_argument("--products", type=Path, metavar="FOLDER", help="product photos of training")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="ID", help="default: %(default)s")
    options = parser.parse_args(arguments)
    whole = list(labelled_photos(options.folder, lambda stem: is_aside(stem, product=False)))
    products = []
    if options.products:
        products = list(product_photos(options.products, lambda stem: is_aside(stem, product=True)))
    photos = Photos(whole, products, {})
    segmenter = TorchSegmenter(load_card(options.model))
    cases = [*predict(segmenter, photos.whole, close=False), *predict(segmenter, photos.whole, close=True)]
    rows = supports([*cases, *predict(segmenter, photos.products, close=False)])
    slope, offset = fit(rows)
    Console().print(f"SLOPE, OFFSET = {slope:.2f}, {offset:.2f}  # {len(rows)} garments, {rows[:, 1].mean():.3f} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
