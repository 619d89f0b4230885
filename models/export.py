"""Exports a trained run to the registry: half-precision weights with folded batch norms, an ONNX file, and a card."""

import argparse
import hashlib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor

from models.cards import WEIGHTS_DIR, ModelCard, ModelError, load_card
from models.networks.efficientnet import fold
from models.onnx_file import write_onnx
from models.train.recipe import Recipe
from models.train.steps import MEAN, STD
from pipeline.types import CLASSES

# The card's figures, and where a report of models.evaluate has each.
FIGURES = {
    "clothes_iou": ("full", "value"),
    "close_up_iou": ("close_up", "value"),
    "miou": ("miou", "value"),
    "product_purity": ("product", "value"),
    "palette_de00": ("palette", "value"),
    "palette_de00_p90": ("palette_p90",),
    "region_iou": ("garments", "iou"),
    "region_class_iou": ("garments", "class_iou"),
    "region_purity": ("garments", "purity"),
}


def export(run: Path, about: dict[str, Any], report: dict[str, Any] | None, folder: Path) -> ModelCard:
    """Writes folder/ID.safetensors and folder/ID.json from a run's averaged network; returns the card.

    about: the recipe's [card]. report: the network's part of `models.evaluate --json`, once there is one. The weights
    are stored in half precision: the file is half as large, and logits change by less than a hundredth of their range.
    """
    state = torch.load(run, map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = {
        name: value.to(torch.float16).contiguous() for name, value in fold(state["average"]).items()
    }
    data = save(weights)
    recipe = msgspec.json.decode(state["recipe"], type=Recipe)
    facts = {
        "architecture": recipe.architecture,
        "weights": f"{about['id']}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": sum(value.numel() for value in weights.values()),
        "classes": {name: name for name in CLASSES},
        "mean": (MEAN,) * 3,
        "std": (STD,) * 3,
        "non_commercial": False,
        "training": f"{state['step']} steps of {recipe.batch}; the recipe: {state['recipe']}",
        "metrics": _figures(report) if report else {},
        "measured_on": about["measured_on"] if report else "not measured yet",
    }
    card = msgspec.convert(about | facts, ModelCard)
    (folder / card.weights).write_bytes(data)
    (folder / f"{card.id}.json").write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return card


def _figures(report: dict[str, Any]) -> dict[str, float]:
    figures = {}
    for name, path in FIGURES.items():
        value: Any = report
        for key in path:
            value = value and value[key]
        if value is not None:
            figures[name] = round(float(value), 3)
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Runs `python -m models.export RECIPE RUN | --onnx ID`; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.export",
        description="Exports a trained run to the registry, with the texts of its recipe's [card] and an ONNX file.",
        epilog="Run it before python -m models.evaluate --json FILE, and again afterwards with --report FILE.",
    )
    parser.add_argument("recipe", type=Path, nargs="?", metavar="RECIPE", help="such as configs/parser.toml")
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="OUT/run.pt of the training")
    parser.add_argument("--onnx", metavar="ID", help="write the ONNX file of a registered network, and nothing else")
    parser.add_argument("--report", type=Path, metavar="JSON", help="figures for the card")
    parser.add_argument("--folder", type=Path, default=WEIGHTS_DIR, help="default: %(default)s")
    options = parser.parse_args(arguments)
    if not options.onnx and options.run is None:
        parser.error("RECIPE and RUN are needed, or --onnx ID")
    console = Console()
    try:
        if options.onnx:
            written = write_onnx(load_card(options.onnx, options.folder, allow_non_commercial=True), options.folder)
            console.print(f"{written.id}: {written.onnx}", soft_wrap=True)
            return 0
        about = tomllib.loads(options.recipe.read_text())["card"]
        reports = json.loads(options.report.read_text()) if options.report else []
        report = next((part for part in reports if part["model"] == about["id"]), None)
        card = write_onnx(export(options.run, about, report, options.folder), options.folder)
    except (OSError, KeyError, ValueError, ModelError) as error:
        console.print(f"[red]The network cannot be exported: {error}[/red]", soft_wrap=True)
        return 1
    console.print(f"{card.id}: {card.bytes} bytes, {card.parameters} parameters, sha256 {card.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
