"""A trained run as a registry entry: folded half-precision weights beside a card; imports torch."""

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

from models.cards import WEIGHTS_DIR, ModelCard
from models.networks.efficientnet import fold
from models.train.steps import MEAN, STD
from pipeline.types import CLASSES

FIGURES = {  # of a report by models.evaluate, and their names on the card
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
    """Writes folder/ID.safetensors and folder/ID.json from a run's averaged network, and gives the card.

    about: the recipe's [card]. report: the network's part of `models.evaluate --json`, once there is one. The weights
    are stored in half precision: they are half as large, and logits move by less than a hundredth of their range.
    """
    state = torch.load(run, map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = {
        name: value.to(torch.float16).contiguous() for name, value in fold(state["average"]).items()
    }
    data = save(weights)
    recipe = json.loads(state["recipe"])
    found = {
        "architecture": "efficientnet_lite0_parser",
        "weights": f"{about['id']}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": sum(value.numel() for value in weights.values()),
        "classes": {name: name for name in CLASSES},
        "mean": (MEAN,) * 3,
        "std": (STD,) * 3,
        "non_commercial": False,
        "training": f"{state['step']} steps of {recipe['batch']}; the recipe: {state['recipe']}",
        "metrics": _figures(report) if report else {},
        "measured_on": about["measured_on"] if report else "not measured yet",
    }
    card = msgspec.convert(about | found, ModelCard)
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
    """`python -m models.export RECIPE RUN`; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.export",
        description="Makes a registry entry of a trained run, with the texts of its recipe's [card].",
        epilog="Once before python -m models.evaluate --json FILE, and again after it with --report FILE.",
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE", help="such as configs/parser.toml")
    parser.add_argument("run", type=Path, metavar="RUN", help="OUT/run.pt of the training")
    parser.add_argument("--report", type=Path, metavar="JSON", help="figures for the card")
    parser.add_argument("--folder", type=Path, default=WEIGHTS_DIR, help="default: %(default)s")
    asked = parser.parse_args(arguments)
    console = Console()
    try:
        about = tomllib.loads(asked.recipe.read_text())["card"]
        reports = json.loads(asked.report.read_text()) if asked.report else []
        report = next((one for one in reports if one["model"] == about["id"]), None)
        card = export(asked.run, about, report, asked.folder)
    except (OSError, KeyError, ValueError) as error:
        console.print(f"[red]The run cannot be exported: {error}[/red]")
        return 1
    console.print(f"{card.id}: {card.bytes} bytes, {card.parameters} parameters, sha256 {card.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
