"""Fits what confidence means: how often garments of a given support have the right kind.

    python -m models.evaluate.calibrate ccp/train --products clothing_small/train

Use photos that training kept aside (they are chosen by themselves), and write the two figures that it prints into
pipeline/garments/confidence.py. It needs scikit-learn, from the environment of `make bench-colour`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from models.cards import DEFAULT_MODEL, load_card
from models.evaluate.__main__ import Photos, predict
from models.evaluate.scores import Case
from models.labelled import is_aside, labelled_photos, product_photos
from models.segmenter import Segmenter
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
    from sklearn.linear_model import LogisticRegression

    odds = np.array([[log_odds(support)] for support in rows[:, 0]])
    model: Any = LogisticRegression(C=1e3).fit(odds, rows[:, 1])
    return float(model.coef_[0, 0]), float(model.intercept_[0])


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
    segmenter = Segmenter(load_card(options.model))
    cases = [*predict(segmenter, photos.whole, close=False), *predict(segmenter, photos.whole, close=True)]
    rows = supports([*cases, *predict(segmenter, photos.products, close=False)])
    slope, offset = fit(rows)
    Console().print(f"SLOPE, OFFSET = {slope:.2f}, {offset:.2f}  # {len(rows)} garments, {rows[:, 1].mean():.3f} right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
