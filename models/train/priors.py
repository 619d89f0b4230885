"""Corrects a trained network's priors: one offset for each class, fitted on photos that training kept aside.

    python -m models.train.priors RUN --material out/material --side 384

Training draws rare kinds more often than they are worn and weights them more, so the network says them too often (logit
adjustment: Menon et al., ICLR 2021). The command writes corrected.pt beside RUN; its last layer contains the offsets.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from models.evaluate.scores import iou_of_classes
from models.networks.efficientnet import EfficientNetLiteParser
from models.train.data import Sample, load_samples
from models.train.steps import MEAN, STD, TRAINABLE, Recipe
from models.train.teacher import UNKNOWN
from pipeline.garments.kinds import FIRST_GARMENT
from pipeline.types import CLASSES, Floats

# Taste: steps of an offset, in units of logits, and how often all classes are gone through.
STEPS = (-0.6, -0.3, -0.15, 0.15, 0.3, 0.6)
ROUNDS = 3
# Taste: neighbouring outputs say much the same, so every third one is enough.
STRIDE = 3
Seen = tuple[NDArray[np.float32], NDArray[np.uint8]]  # logits (n, 9) and labels (n,) of one photo


@torch.inference_mode()
def look(network: EfficientNetLiteParser, samples: Sequence[Sample], side_px: int) -> list[Seen]:
    """The network's logits on whole photos and the labels at the same places, UNKNOWN left out."""
    seen = []
    for sample in samples:
        photo = np.array(Image.fromarray(sample.pixels).resize((side_px, side_px), Image.Resampling.BOX))
        planes = (torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255 - MEAN) / STD
        logits = network(planes)[0, :, ::STRIDE, ::STRIDE].numpy()
        size_px = (side_px // 2, side_px // 2)
        labels = np.asarray(Image.fromarray(sample.labels).resize(size_px, Image.Resampling.NEAREST))[
            ::STRIDE, ::STRIDE
        ]
        known = labels != UNKNOWN
        seen.append((logits[:, known].T.copy(), labels[known]))
    return seen


def score(photos: Sequence[Seen], products: Sequence[Seen], offsets: Floats) -> float:
    """mIoU on street photos plus the products' share of their kind, with offsets (9,) added to the logits."""
    n = len(CLASSES)
    confusion = np.zeros((n, n))
    for logits, labels in photos:
        found = (logits + offsets).argmax(axis=1)
        confusion += np.bincount(labels.astype(np.int64) * n + found, minlength=n * n).reshape(n, n)
    shares = []
    for logits, labels in products:
        found = (logits + offsets).argmax(axis=1)
        garment = found >= FIRST_GARMENT
        shares.append(np.mean(found[garment] == labels.max()) if garment.any() else 0.0)
    return float(np.nanmean(iou_of_classes(confusion[None]))) + (float(np.mean(shares)) if shares else 0.0)


def fit(photos: Sequence[Seen], products: Sequence[Seen]) -> Floats:
    """The offsets (9,) that score best, by coordinate search; background keeps 0."""
    offsets = np.zeros(len(CLASSES))
    best = score(photos, products, offsets)
    for _ in range(ROUNDS):
        for label in range(1, len(CLASSES)):
            kept = offsets[label]
            for step in STEPS:
                tried = offsets.copy()
                tried[label] = kept + step
                found = score(photos, products, tried)
                if found > best:
                    best, offsets = found, tried
    return offsets


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.train.priors RUN …`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m models.train.priors", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="OUT/run.pt of the training")
    parser.add_argument("--material", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--side", type=int, default=384, metavar="PX", help="as on the card; default: %(default)s")
    options = parser.parse_args(arguments)
    console = Console()
    try:
        state = torch.load(options.run, map_location="cpu", weights_only=True)
        samples = load_samples(options.material, aside=True)
    except (OSError, ValueError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    recipe = msgspec.json.decode(state["recipe"], type=Recipe)
    folded = "stem.norm.weight" not in state["average"]
    network = TRAINABLE[recipe.architecture].build(len(CLASSES), folded=folded)
    network.load_state_dict(state["average"])
    network.eval()
    photos = look(network, [one for one in samples if one.source == "annotated"], options.side)
    products = [one for one in samples if one.label is not None]
    offsets = fit(photos, look(network, products, options.side))
    state["average"]["classify.bias"] += torch.from_numpy(offsets).float()
    torch.save(state, options.run.with_name("corrected.pt"))
    found = ", ".join(f"{name} {value:+.2f}" for name, value in zip(CLASSES, offsets, strict=True) if value)
    console.print(f"offsets: {found or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
