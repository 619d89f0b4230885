"""A trained run as a registry entry: folded half-precision weights beside a card; imports torch."""

import argparse
import hashlib
import sys
import tomllib
from pathlib import Path

import msgspec
import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor

from models.efficientnet import fold
from models.registry import WEIGHTS_DIR, ModelCard
from models.train_steps import MEAN, STD
from pipeline.types import CLASSES

TEXTS = ("version", "input_px", "licence", "provenance", "training", "measured_on", "metrics")


def export(run: Path, model_id: str, texts: dict[str, object], folder: Path) -> ModelCard:
    """Writes folder/ID.safetensors and folder/ID.json from a run's averaged network, and gives the card.

    texts: what a run does not know of itself (TEXTS), as the card has it. The weights are stored in half precision.
    """
    state = torch.load(run, map_location="cpu", weights_only=True)
    weights: dict[str, Tensor] = {
        name: value.to(torch.float16).contiguous() for name, value in fold(state["average"]).items()
    }
    data = save(weights)
    card = msgspec.convert(
        {
            "id": model_id,
            "architecture": "efficientnet_lite0_parser",
            "weights": f"{model_id}.safetensors",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "parameters": sum(value.numel() for value in weights.values()),
            "classes": {name: name for name in CLASSES},
            "mean": (MEAN,) * 3,
            "std": (STD,) * 3,
            "non_commercial": False,
        }
        | {name: texts[name] for name in TEXTS},
        ModelCard,
    )
    (folder / card.weights).write_bytes(data)
    (folder / f"{model_id}.json").write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")
    return card


def main(arguments: list[str] | None = None) -> int:
    """`python -m models.export RUN ID --texts FILE`; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.export", description="Makes a registry entry of a trained run (OUT/run.pt)."
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--texts", type=Path, required=True, metavar="TOML", help=f"with {', '.join(TEXTS)}")
    parser.add_argument("--folder", type=Path, default=WEIGHTS_DIR, help="default: %(default)s")
    asked = parser.parse_args(arguments)
    console = Console()
    try:
        card = export(asked.run, asked.id, tomllib.loads(asked.texts.read_text()), asked.folder)
    except (OSError, KeyError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        console.print(f"[red]The run cannot be exported: {error}[/red]")
        return 1
    console.print(f"{card.id}: {card.bytes} bytes, {card.parameters} parameters, sha256 {card.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
